"""What code says: questions to syntax trees of the learner's files."""

import ast

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def calls(tree, *names):
    """Yield the calls in a syntax tree of functions or methods of these names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in names:
            yield node


def called(call):
    """Return the last part of the name that is called: `send` of `self.send(…)`."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def thrown_calls(tree, name):
    """Yield the calls of this name whose result is thrown away, without an await."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and name and called(node.value) == name:
            yield node.value


def direct_calls(tree):
    """Yield the calls of a function that are made in it, not in functions that are defined in it."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, FUNCTION | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def definitions(module, name):
    """Yield what gives this name a meaning in a module: functions, classes, assignments, arguments, at any depth."""
    for node in ast.walk(module):
        is_defined = isinstance(node, FUNCTION | ast.ClassDef) and node.name == name
        is_given = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name
        if is_defined or is_given or (isinstance(node, ast.arg) and node.arg == name):
            yield node


def reaches(tree, trees, wanted, seen=()):
    """Whether a method, or one that it calls, calls a function or method of this name."""
    names = {called(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    if wanted in names:
        return True
    inner = names & set(trees) - set(seen)
    return any(reaches(trees[name], trees, wanted, (*seen, name)) for name in inner)


def raises(tree, name):
    """Yield the `raise name` and `raise name()` in a syntax tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if name in (getattr(error, "id", None), getattr(error, "attr", None)):
                yield node


def says(tree, text):
    """Yield the places in a syntax tree where this text stands."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == text)
