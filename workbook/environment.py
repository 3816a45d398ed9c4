"""The environment in .venv: whether it is complete, making it so, and going on inside it.

A marker in .venv tells what a finished installation left there: which Python it was made for, and the hash of
each requirements file. It is removed before an installation begins and written after its end, so whatever
breaks off in between is noticed by the next call.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from workbook.alone import alone
from workbook.installer import create, install
from workbook.pythons import hand_over, marker_path, venv_python

# What the tests need includes what the steps need, and so on.
REQUIREMENTS = {
    "run": ("requirements.txt",),
    "tests": ("requirements.txt", "requirements-tests.txt"),
    "mutation": ("requirements.txt", "requirements-tests.txt", "requirements-mutation.txt"),
}
TELL_IDENTITY = "import sys; print('python', *sys.version_info[:2], sys.prefix)"


def enter(root, needs, words):
    """Return inside root's .venv, ready for needs (a key of REQUIREMENTS); outside it, start again there."""
    prepare(root, needs)
    if not is_inside(root):
        hand_over([venv_python(root), "-m", "workbook", *words])


def is_inside(root):
    """Return whether this process runs in root's .venv."""
    return Path(sys.prefix).resolve() == root / ".venv"


def prepare(root, needs):
    """Make root's .venv ready for needs (a key of REQUIREMENTS). Raises Refusal if it cannot be made so."""
    files = [root / name for name in REQUIREMENTS[needs]]
    if is_ready(root, files):
        return
    with alone(root, "Another call is preparing .venv: waiting for it."):
        if not is_ready(root, files):
            make_ready(root, files)


def is_ready(root, files):
    """Return whether the marker tells of this .venv and of these requirements."""
    return {identity(root), *map(fingerprint, files)} <= installed(root)


def make_ready(root, files):
    """Build .venv unless it is sound, install the last of files, which includes the others, and mark it."""
    marker = Path(marker_path(root))
    is_sound = identity(root) in installed(root)
    if marker.exists():
        marker.unlink()
    if not is_sound:
        create(root)
    install(root, files[-1])
    marker.write_text("\n".join([identity(root), *map(fingerprint, files)]), encoding="utf-8")


def installed(root):
    """Return the lines of the marker; none if there is no marker."""
    marker = Path(marker_path(root))
    return set(marker.read_text(encoding="utf-8").splitlines()) if marker.exists() else set()


def identity(root):
    """Return the version and folder of the Python in .venv as it tells them; "" if it does not start.

    The folder changes when the workbook is moved, the version when the Python behind .venv is replaced.
    """
    try:
        told = subprocess.run([venv_python(root), "-I", "-c", TELL_IDENTITY], capture_output=True, text=True)
    except OSError:
        return ""
    return told.stdout.strip()


def fingerprint(file):
    """Return a requirements file's name and the hash of what is in it."""
    return f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}"
