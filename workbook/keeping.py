"""What is kept between two calls, in my/.workbench: the last verdicts, the hints that were read, and databases."""

import hashlib
import json
import time

from workbook.copies import HOME
from workbook.steps import files_of


def keep_verdict(root, step, copy, verdict):
    """Keep what a check of the copy has found."""
    kept = kept_of(root, step)
    kept["checked"] = {
        "at": time.time(),
        "fingerprint": fingerprint(copy),
        "results": {str(number): verdict.of(number).result for number in [*verdict.tasks, None]},
        "first": verdict.first_failure and verdict.first_failure[0],
        "promise": verdict.first_failure and verdict.first_failure[1]["promise"],
        "is_broken": bool(verdict.broken),
    }
    keep(root, step, kept)


def kept_of(root, step):
    """Return what is kept of a step's copy; an empty dict if nothing is, or if it cannot be read."""
    try:
        return json.loads(file_of(root, step).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def keep(root, step, kept):
    """Keep a dict for a step's copy."""
    file = file_of(root, step)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(kept, indent=2), encoding="utf-8")


def file_of(root, step):
    """Return the file in which it is kept."""
    return root / HOME / ".workbench" / f"{step.name}.json"


def databases_of(root):
    """Return the folder in which the checks keep databases that are migrated, which takes most of a second."""
    return root / HOME / ".workbench" / "databases"


def fingerprint(copy):
    """Return a hash of all that belongs to a copy."""
    digest = hashlib.sha256()
    for path in files_of(copy.folder):
        digest.update(path.as_posix().encode() + b"\0" + (copy.folder / path).read_bytes() + b"\0")
    return digest.hexdigest()
