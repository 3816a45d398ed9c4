"""`make test`, `prove`, `mutate` and `lint`: the tools get the right words, and their status arrives."""

import pytest

TELL = "import os, sys\nprint(sys.argv[1:], os.getcwd())\nsys.exit(5)\n"


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (["test"], []),
        (["test", "-k", "gs1 or bye", "-x"], ["-k", "gs1 or bye", "-x"]),
        (["gs1", "test"], ["--step", "gs1"]),
        (["gs1", "test", "--maxfail=1"], ["--step", "gs1", "--maxfail=1"]),
        (["prove", "-k", "no-accept"], ["--proof", "-m", "proof", "-k", "no-accept"]),
    ],
)
def test_words_go_on_to_pytest_and_its_status_comes_back(ready, words, arguments):
    ready.write("pytest.py", TELL)
    done = ready.call(*words)
    assert done.returncode == 5
    assert done.stdout == f"{arguments} {ready.root}\n"


@pytest.mark.parametrize(
    ("words", "arguments"), [(["mutate"], []), (["gs1", "mutate", "--alive"], ["gs1", "--alive"])], ids=str
)
def test_words_go_on_to_the_mutation_and_its_status_comes_back(ready, words, arguments):
    ready.write("tests/mutation.py", TELL)
    done = ready.call(*words)
    assert done.returncode == 5
    assert done.stdout == f"{arguments} {ready.root}\n"


def test_lint_finds_both_faults_of_style_and_of_format(ready):
    assert ready.call("lint").returncode == 0
    ready.write("fault.py", "import os\n")
    ready.write("format.py", "x  =  1\n")
    done = ready.call("lint")
    assert done.returncode == 1
    assert "fault.py" in done.stdout
    assert "1 file would be reformatted" in done.stdout
    (ready.root / "fault.py").unlink()
    assert ready.call("lint").returncode == 1
