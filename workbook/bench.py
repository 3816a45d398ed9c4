"""make bench: how long a learner waits, measured, beside what was promised."""

import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from workbook import feedback
from workbook.pythons import venv_python
from workbook.speech import Refusal, spell

PATIENCE = 300  # seconds after which a measurement is given up


def bench(call):
    """Measure, print one line for each promise and the table of the chats; a slow machine is no mistake.

    With a step, or words, only the promises that have them all in their names. Raises Refusal if none has.
    """
    words = [call.step.name, *call.words] if call.step else call.words
    # As a learner's machine has it: with this set, whoever starts Python compiles all checks anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    head = f"{'what':<58} {'at most':>8} {'took':>8}\n"
    for what, limit, measure in measurements(call.root):
        if all(word in what for word in words):
            print(f"{head}{what:<58} {limit:>6.1f} s {measure():>6.2f} s", flush=True)
            head = ""
    if words and head:
        raise Refusal(f"No measurement has {' '.join(words)!r} in its name. All of them: {spell('bench')}.")
    if words:
        return 0
    print("\nThe chats, each beside a bare consumer:\n", flush=True)
    return subprocess.run([venv_python(call.root), "-m", "tests.bench.load"], cwd=call.root).returncode


def measurements(root):
    """Yield (what is measured, the promised limit in seconds, a function that returns the seconds it took)."""
    pytest = [venv_python(root), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    yield (
        "pytest --step gs2, without browser, median of 5",
        2.5,
        lambda: median_of(5, [*pytest, "--step", "gs2", "-m", "not browser"], root),
    )
    early = [*pytest, "-k", "gs1 or gs2 or gs3 or workbook"]
    yield "pytest, gs1 to gs3 and the tests of the workbook itself", 30.0, lambda: seconds_of(early, root)
    yield "pytest, everything", 90.0, lambda: seconds_of(pytest, root)
    command = [sys.executable, "-m", "workbook"]
    bare = median_of(5, [sys.executable, "-c", "pass"], root)
    yield (
        "python -m workbook gs2, above a bare python, median of 5",
        0.3,
        lambda: median_of(5, [*command, "gs2"], root) - bare,
    )
    yield from feedback.measurements(root)
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{root}", clone], check=True)
        for name, tools in (("uv", path_with_uv()), ("pip", path_without_uv())):
            if tools is None:
                continue
            shutil.rmtree(clone / ".venv", ignore_errors=True)
            env = without_caches(tools)
            yield (
                f"first page of a fresh clone, empty package cache, {name}",
                60.0,
                lambda env=env: first_page(clone, env),
            )
            yield f"the same, from the second call on, {name}", 2.0, lambda env=env: first_page(clone, env)


def seconds_of(command, root):
    """Return how many seconds command takes in root. Raises CalledProcessError when it fails."""
    begin = time.perf_counter()
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
    return time.perf_counter() - begin


def median_of(times, command, root):
    """Return the median of so many runs of command in root, in seconds."""
    return statistics.median(seconds_of(command, root) for _ in range(times))


def path_with_uv():
    """Return the PATH when there is a uv on it, else None."""
    return os.environ["PATH"] if shutil.which("uv") else None


def path_without_uv():
    """Return the PATH without the folders that hold a uv."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not shutil.which("uv", path=folder))


def without_caches(path):
    """Return an environment in which pip and uv keep nothing, so that each package is fetched."""
    return {**os.environ, "PATH": path, "PIP_NO_CACHE_DIR": "1", "UV_NO_CACHE": "1"}


def first_page(clone, env):
    """Return the seconds from `python -m workbook gs1 run` to the first page, then stop it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    python = getattr(sys, "_base_executable", sys.executable)
    begin = time.perf_counter()
    process = subprocess.Popen(
        [python, "-m", "workbook", "gs1", "run", "--port", str(port)],
        cwd=clone,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while time.perf_counter() - begin < PATIENCE:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
                page.read()
                return time.perf_counter() - begin
            if process.poll() is not None:
                raise RuntimeError(f"gs1 did not start: exit status {process.returncode}")
            time.sleep(0.02)
        raise RuntimeError(f"gs1 had no page after {PATIENCE} s")
    finally:
        process.terminate()
        process.wait()
