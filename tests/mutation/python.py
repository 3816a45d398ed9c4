"""Edits of Python: the operators of mutmut, each called on each node of the syntax tree, and three of our own.

Of mutmut only the operators are used: its runner puts all mutants into one file, one function beside the other, and so
leaves out what a step has most of: class attributes, decorated functions, routes and settings.
"""

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators


def leave_out(node):
    """Leave out a statement that is called for its effect, or ends its function."""
    calls = isinstance(node, cst.Expr) and isinstance(node.value, cst.Call | cst.Await | cst.Yield)
    if calls or isinstance(node, cst.Raise | cst.Return):
        yield cst.Pass()


def negate(node):
    """Turn a condition into its opposite; mutmut does so by itself with comparisons and with `not`."""
    if isinstance(node.test, cst.Comparison | cst.UnaryOperation):
        return
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield node.with_changes(test=cst.UnaryOperation(cst.Not(), test))


def words(node):
    """Change the words in an f-string, which mutmut leaves alone."""
    yield node.with_changes(value=f"XX{node.value}XX")


OPERATORS = (
    *((kind, operator.__name__.removeprefix("operator_"), operator) for kind, operator in mutation_operators),
    (cst.BaseSmallStatement, "leave_out", leave_out),
    (cst.If | cst.IfExp | cst.While | cst.CompIf, "negate", negate),
    (cst.FormattedStringText, "string", words),
)


class Finder(cst.CSTVisitor):
    """Collects (operator, node, what is to stand in its place), in the order of the text."""

    def __init__(self):
        super().__init__()
        self.found = []

    def on_visit(self, node):
        """Ask every operator for this kind of node. Annotations are not run, so nothing in them is edited."""
        for kind, name, operator in OPERATORS:
            if isinstance(node, kind):
                self.found += [(name, node, edited) for edited in operator(node)]
        return not isinstance(node, cst.Annotation)


def edits(text, lines):
    """Yield (operator, edited text) for each edit of a node on one of these lines that leaves the text Python."""
    # It clones, because what is parsed may hold one node twice, and both would be replaced.
    wrapper = MetadataWrapper(cst.parse_module(text))
    module, positions = wrapper.module, wrapper.resolve(PositionProvider)
    finder = Finder()
    module.visit(finder)
    for name, node, edited in finder.found:
        if lines.isdisjoint(range(positions[node].start.line, positions[node].end.line + 1)):
            continue
        code = module.deep_replace(node, edited).code
        if is_python(code):
            yield name, code


def is_python(code):
    """Return whether Python can read it."""
    try:
        compile(code, "mutant", "exec")
    except SyntaxError:
        return False
    return True
