"""A lock between processes that the system takes back by itself when its holder dies."""

import hashlib
import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

if os.name == "nt":
    import msvcrt

    def take(file):
        """Lock file for this process. Raises OSError if another one holds it."""
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def take(file):
        """Lock file for this process. Raises OSError if another one holds it."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def alone(folder, when_waiting):
    """Keep other calls for folder out; print when_waiting once if one is in already, and wait for its end."""
    key = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    with open(Path(tempfile.gettempdir(), f"workbook-{key}.lock"), "w") as file:
        while True:
            try:
                take(file)
                break
            except OSError:
                if when_waiting:
                    print(when_waiting, flush=True)
                when_waiting = ""
                time.sleep(0.1)
        yield
