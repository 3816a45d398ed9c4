"""The Makefile: a thin face, whatever else is called like a word."""

import pytest


def through_make(steps, *words, status):
    """Call make, let it only tell what it would call, and call that. Returns both ends: make's, and the command's."""
    steps.add_program("telling", f'printf "%s\\n" "$WORKBOOK_FACE" "$@"; exit {status}')
    made = steps.make(*words, "PYTHON=telling")
    face, option, module, *told = made.stdout.splitlines()
    assert (option, module) == ("-m", "workbook")
    return made, steps.call(*told, WORKBOOK_FACE=face)


@pytest.mark.parametrize("word", ["tests", "notes", "workbook", "README.md", "my", "Makefile", "nosuch"])
def test_no_word_is_silently_up_to_date(steps, word):
    for folder in ("tests", "notes", "my"):
        (steps.root / folder).mkdir()
    steps.write("README.md", "")
    made, done = through_make(steps, word, status=2)
    assert (made.returncode, done.returncode) == (2, 2)
    assert f"There is no {word!r}." in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run"], "run needs a step: make gs1 run."),
        (["gs9", "run"], "There is no step gs9."),
        (["test", "gs1"], "its name comes first: make gs1 test."),
        (["gs1", "gs1"], "its name comes first: make gs1 test."),
        (["gs1", "run", "fast"], "The call is: make gs1 run PORT=… HOST=…"),
        (["lessons", "ARGS=-x"], "The call is: make lessons CHECK=1"),
    ],
    ids=str,
)
def test_unknown_words_get_the_commands_own_sentence(steps, words, sentence):
    made, done = through_make(steps, *words, status=2)
    assert (made.returncode, done.returncode) == (2, 2)
    assert sentence in done.stderr
    assert made.stderr.count("make: ***") == 1


def test_the_sentence_comes_through_make(steps):
    done = steps.make("gs1", "run", "PORT=x")
    assert done.returncode == 2
    assert "'x' is no port" in done.stderr
    assert done.stderr.count("make: ***") == 1


@pytest.mark.parametrize("words", [[], ["help"]])
def test_make_alone_helps(steps, words):
    made, done = through_make(steps, *words, status=0)
    assert (made.returncode, done.returncode) == (0, 0)
    assert "make gs1 run " in done.stdout


@pytest.mark.parametrize("words", [["gs1", "diff"], ["gs1_basic/", "diff"], ["gs1", "ARGS=diff"]])
def test_a_step_joins_the_words(steps, words):
    made, done = through_make(steps, *words, status=0)
    assert (made.returncode, made.stderr) == (0, "")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "gs1 is the first step: there is none before it to compare with.\n"


@pytest.mark.parametrize("flags", [[], ["-j4"]])
def test_words_without_a_step_are_done_one_after_the_other(steps, flags):
    steps.add_program("mine", "echo begin $3; /bin/sleep 0.1; echo end $3")
    done = steps.make(*flags, "lint", "test", "PYTHON=mine")
    assert done.stdout.split("\n")[:4] == ["begin lint", "end lint", "begin test", "end test"]


def test_variables_arrive(ready):
    done = ready.make("gs1", "run", f"PORT={ready.port}", "HOST=0.0.0.0", PORT="")
    assert f"['runserver', '0.0.0.0:{ready.port}']" in done.stdout


def test_arguments_arrive_with_their_spaces_and_the_status_of_the_tests(ready):
    ready.write("pytest.py", "import sys\nprint(sys.argv[1:])\nsys.exit(1)\n")
    done = ready.make("test", "ARGS=-k 'bye or good' -x")
    assert done.stdout == "['-k', 'bye or good', '-x']\n"
    assert done.returncode == 2
    assert ready.call("test").returncode == 1


def test_python_is_taken_where_there_is_no_python3(steps):
    (steps.programs / "python3").rename(steps.programs / "python")
    done = steps.make("gs1")
    assert done.returncode == 0
    assert "make gs1 run " in done.stdout


def test_another_python_can_be_named(steps):
    steps.add_program("mine", "echo mine $*")
    assert steps.make("gs1", "diff", "PYTHON=mine").stdout == "mine -m workbook gs1 diff\n"
