"""make lock: resolves what the steps, the tests and the mutation ask for into the pinned requirements files."""

import shutil
import subprocess
from pathlib import Path

from workbook.pythons import venv_python
from workbook.speech import Refusal
from workbook.steps import all_steps


def lock(call):
    """Write requirements.txt, -tests.txt and -mutation.txt; call.words (--upgrade) go to uv. Raises Refusal."""
    sources = [f"{step.folder.name}/requirements.txt" for step in all_steps(call.root)]
    compile_pins(call, "requirements.txt", *sources)
    tests = (*sources, "--group", "tests")
    compile_pins(call, "requirements-tests.txt", *tests, "-c", "requirements.txt")
    compile_pins(call, "requirements-mutation.txt", *tests, "--group", "mutation", "-c", "requirements-tests.txt")
    return 0


def compile_pins(call, output, *sources):
    """Let uv resolve sources for every system and Python from 3.11 on, with hashes. Raises Refusal."""
    uv = shutil.which("uv") or shutil.which("uv", path=Path(venv_python(call.root)).parent)
    if not uv:
        raise Refusal(
            "make lock needs uv, which resolves for all systems at once: call make lint once, or pip install uv."
        )
    shape = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate"]
    header = ["--custom-compile-command", "make lock", "--no-emit-index-url", "--no-emit-find-links"]
    command = [uv, "pip", "compile", "--quiet", *shape, *header, *call.words, "-o", output, *sources]
    if subprocess.run(command, cwd=call.root).returncode:
        raise Refusal(f"{output} could not be resolved: see above.", 1)
    print(f"{output} is up to date.")
