"""What git knows of the workbook: what changed since a revision, and what was there then."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from workbook.speech import Refusal


class Stored(NamedTuple):
    """A file's content, and whether it can be executed."""

    content: bytes
    is_executable: bool


class Repository:
    """The git repository around the workbook at root, seen from the revision since."""

    def __init__(self, root, since):
        """Raise Refusal if there is no git, no repository or no such revision."""
        self.root = root
        self.since = since
        if self.git("rev-parse", "--is-inside-work-tree").returncode:
            raise Refusal(f"carry compares with what git has kept, and {root} is in no git repository.")
        if self.git("rev-parse", "--verify", "--quiet", f"{since}^{{commit}}").returncode:
            raise Refusal(f"git knows no revision {since!r} here.")

    def git(self, *arguments):
        """Run git in root. Returns the finished process. Raises Refusal if git is not installed."""
        try:
            return subprocess.run(["git", *arguments], cwd=self.root, capture_output=True)
        except FileNotFoundError:
            raise Refusal("carry needs git, and there is none on the PATH.") from None

    def changed_in(self, folder):
        """Return the paths, relative to folder, of what differs from then: edited, new and deleted files."""
        tracked = self.git("diff", "--name-only", "--no-renames", "--relative", "-z", self.since, "--", folder)
        new = self.git("ls-files", "--others", "--exclude-standard", "-z", "--", folder)
        names = (tracked.stdout + new.stdout).decode().split("\0")
        return sorted({(self.root / name).relative_to(folder) for name in names if name})

    def then(self, path):
        """Return the file at path as it was, or None."""
        entry = self.git("ls-tree", self.since, "--", path).stdout.decode()
        if not entry:
            return None
        mode, _, blob = entry.partition("\t")[0].split()
        return Stored(self.git("cat-file", "blob", blob).stdout, mode == "100755")


def now(path: Path):
    """Return the file at path as it is, or None."""
    return Stored(path.read_bytes(), bool(path.stat().st_mode & 0o100)) if path.is_file() else None


def store(path: Path, stored):
    """Make the file at path so; None deletes it."""
    if stored is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stored.content)
    mode = path.stat().st_mode
    path.chmod(mode | 0o111 if stored.is_executable else mode & ~0o111)
