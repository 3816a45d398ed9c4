"""`make lock`, and the pins that it made."""

import re
import tomllib

import pytest

from tests.workbook.conftest import ROOT
from workbook.steps import all_steps

RUN, TESTS, MUTATION = ("requirements.txt", "requirements-tests.txt", "requirements-mutation.txt")


def pins(name):
    """Return the lines name==version, with their conditions, of a requirements file of the repository."""
    return set(re.findall(r"^(\S+==[^\\\n]+?)(?: \\)?$", (ROOT / name).read_text(), re.MULTILINE))


def wanted(requirement):
    """Return the name that a requirement asks for, as the pins spell it."""
    return re.match(r"[\w-]+", requirement)[0].lower().replace("_", "-")


def test_everything_that_is_asked_for_is_pinned():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    steps = [line for step in all_steps(ROOT) for line in (step.folder / RUN).read_text().split("\n") if line]
    names = {pin.partition("==")[0] for pin in pins(RUN)}
    assert {wanted(line) for line in steps} <= names
    for group, file in (("tests", TESTS), ("mutation", MUTATION)):
        assert {wanted(line) for line in groups[group]} <= {pin.partition("==")[0] for pin in pins(file)}


def test_the_tests_add_to_what_the_steps_need_and_the_mutation_to_that():
    assert pins(RUN) < pins(TESTS) < pins(MUTATION)


@pytest.mark.parametrize("name", [RUN, TESTS, MUTATION])
def test_the_pins_have_hashes_and_name_no_place(name):
    text = (ROOT / name).read_text()
    assert len(pins(name)) == len(re.findall(r"^\S+==.* \\\n    --hash=sha256:", text, re.MULTILINE)) > 20
    assert "make lock" in text.splitlines()[1]
    assert not re.search(r"http|index|find-links|file:|/home|/tmp", text)


def test_without_uv_there_is_a_sentence(steps):
    done = steps.call("lock")
    assert done.returncode == 2
    assert done.stderr == (
        "make lock needs uv, which resolves for all systems at once: call make lint once, or pip install uv.\n"
    )


def test_uv_resolves_the_steps_then_the_tests_then_the_mutation(steps):
    steps.add_program("uv", 'echo "$@" >&2')
    done = steps.call("lock", "--upgrade")
    run, tests, mutation = done.stderr.splitlines()
    sources = " ".join(f"{name}/requirements.txt" for name in ("gs1_basic", "gs2_middle", "gs10_last"))
    assert done.returncode == 0
    files = ("requirements.txt", "requirements-tests.txt", "requirements-mutation.txt")
    assert done.stdout == "".join(f"{name} is up to date.\n" for name in files)
    assert run.endswith(f"--upgrade -o requirements.txt {sources}")
    assert tests.endswith(f"-o requirements-tests.txt {sources} --group tests -c requirements.txt")
    assert mutation.endswith(f"{sources} --group tests --group mutation -c requirements-tests.txt")


def test_what_cannot_be_resolved(steps):
    steps.add_program("uv", "echo 'no solution' >&2; exit 1")
    done = steps.call("lock")
    assert done.returncode == 1
    assert done.stderr == "no solution\nrequirements.txt could not be resolved: see above.\n"


def test_uv_understands_the_call(steps, uv):
    (steps.programs / "uv").symlink_to(uv)
    for name in ("gs1_basic", "gs2_middle", "gs10_last"):
        steps.write(f"{name}/requirements.txt", "")
    steps.write("pyproject.toml", "[dependency-groups]\ntests = []\nmutation = []\n")
    done = steps.call("lock", "--offline")
    assert (done.returncode, done.stderr) == (0, "")
    for name in (RUN, TESTS, MUTATION):
        assert "#    make lock\n" in (steps.root / name).read_text()
