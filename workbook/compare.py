"""make gsN compare: the learner's copy against the finished step, file by file."""

from workbook.copies import existing_copy, shown
from workbook.diff import as_text, changes, coloured, contents
from workbook.speech import wants_colour


def compare(call):
    """Print what would make the copy the finished step. Returns 0. Raises Refusal."""
    copy = existing_copy(call.root, call.step)
    found = changes(copy.folder, call.step.folder)
    text = as_text(found)
    print(coloured(text) if wants_colour() else text, end="")
    if found:
        print(f"\n- is {shown(call.root, copy.folder)}, + is {call.step.folder.name}.")
    print(summary(contents(copy.folder), found))
    return 0


def summary(own, found):
    """Return in words how many files are the same, and which are not. own: the copy's files."""
    names = {kind: [change.path.as_posix() for change in found if change.kind == kind] for kind in KINDS}
    same = len(own) - len(names["changed"]) - len(names["deleted"])
    told = [f"{words}: {', '.join(names[kind])}." for kind, words in KINDS.items() if names[kind]]
    return "\n".join([f"The same: {same} of {len(own)} files.", *told])


KINDS = {"changed": "Different", "deleted": "Only yours", "new": "Only in the finished step"}
