"""The way in. This file and pythons.py keep to a syntax that an old Python can read too."""

import os
import sys

from workbook.pythons import restart_in_newer_python

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

if __name__ == "__main__":
    if sys.version_info < (3, 11):
        sys.exit(restart_in_newer_python(ROOT, sys.argv[1:]))

    # Only below the check: what follows is written for a newer Python.
    from workbook.cli import main

    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # Windows has another encoding for pipes.

    sys.exit(main(ROOT, sys.argv[1:]))
