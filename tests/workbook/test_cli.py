"""The words of a call: what is understood, and the sentence for what is not, before anything is installed."""

import pytest

from workbook.verbs import VERBS, port_number, verbs_of

STEPS = "The steps are: gs1_basic, gs2_middle, gs10_last."

CALL = "The call is: python -m workbook"
RUN = f"{CALL} gs1 run --port … --host …"
STEP_VERBS, WHOLE_VERBS = ", ".join(verbs_of("step")), ", ".join(verbs_of("whole"))

WRONG = {
    "gs9 run": f"There is no step gs9. {STEPS}",
    "gs1_basics": f"There is no step gs1_basics. {STEPS}",
    "run": "run needs a step: python -m workbook gs1 run.",
    "gs1 lint": "lint is for the whole workbook: python -m workbook lint.",
    "gs1 rnu": f"There is no 'rnu'. Did you mean python -m workbook gs1 run? gs1 knows: {STEP_VERBS}.",
    "nosuch": f"There is no 'nosuch'. The workbook knows: {WHOLE_VERBS}.",
    "lnt": f"There is no 'lnt'. Did you mean python -m workbook lint? The workbook knows: {WHOLE_VERBS}.",
    "gs1 gs2": "One step at a time, and its name comes first: python -m workbook gs1 test.",
    "test gs1": "One step at a time, and its name comes first: python -m workbook gs1 test.",
    "gs1 diff now": f"Unrecognized arguments: now. {CALL} gs1 diff",
    "gs1 run 8001": f"Unrecognized arguments: 8001. {RUN}",
    "gs1 run --port": f"Argument --port: expected one argument. {RUN}",
    "gs1 run --por 1": f"Unrecognized arguments: --por 1. {RUN}",
    "lint it": f"Unrecognized arguments: it. {CALL} lint",
    "lessons -x": f"Unrecognized arguments: -x. {CALL} lessons --check",
}


@pytest.mark.parametrize(("words", "sentence"), WRONG.items(), ids=WRONG)
def test_a_wrong_call_gets_a_sentence(steps, words, sentence):
    done = steps.call(*words.split())
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{sentence}\n")
    assert not (steps.root / ".venv").exists()


@pytest.mark.parametrize("words", ["gs1 diff", "gs1 carry", "gs1 run --help"])
def test_a_call_from_cold_says_and_does_the_same(steps, words):
    """Nearly all tests make their calls warm, for which this test answers."""
    warm, cold = (call(*words.split(), COLUMNS="70") for call in (steps.call, steps.call_from_cold))
    assert (warm.returncode, warm.stdout, warm.stderr) == (cold.returncode, cold.stdout, cold.stderr)
    assert cold.stdout + cold.stderr


def test_a_call_from_cold_goes_on_in_the_environment_as_well(ready):
    ready.write("gs1_basic/manage.py", "import sys\nsys.exit(f'{sys.prefix} {sys.argv} {__file__}')\n")
    warm, cold = (call("gs1", "run", HOST="localhost") for call in (ready.call, ready.call_from_cold))
    assert (warm.returncode, warm.stdout, warm.stderr) == (cold.returncode, cold.stdout, cold.stderr)
    assert cold.stderr.startswith(f"{ready.root}/.venv ['manage.py', 'runserver', 'localhost:{ready.port}'] ")
    assert cold.returncode == 1


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "1e3", " 80", "²"])
def test_a_bad_port_is_refused_before_anything_is_installed(steps, port):
    for done in (steps.call("gs1", "run", f"--port={port}"), steps.call("gs1", "run", PORT=port)):
        assert done.returncode == 2
        assert done.stderr == f"{port!r} is no port: give a number from 1 to 65535.\n"
    assert not (steps.root / ".venv").exists()


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("8000", 8000), ("65535", 65535)])
def test_a_port(text, number):
    assert port_number(text) == number


@pytest.mark.parametrize("name", ["gs2", "gs2_middle", "gs2_middle/"])
def test_a_step_is_known_by_name_and_by_folder(steps, name):
    assert steps.call(name).stdout.startswith("gs2_middle\n")


def test_suggestions_are_in_the_words_of_make_if_make_called(steps):
    done = steps.call("gs1", "rnu", WORKBOOK_FACE="make")
    assert "Did you mean make gs1 run?" in done.stderr


@pytest.mark.parametrize("words", [(), ("help",), ("--help",), ("-h",)])
def test_help_names_all_steps_and_verbs(steps, words):
    done = steps.call(*words)
    assert done.returncode == 0
    for word in ("gs1_basic", "gs10_last", *(verb.help for verb in VERBS)):
        assert word in done.stdout
    assert done.stdout.startswith("A workbook for Django Channels. The steps:\n  gs1_basic\n")
    assert "\n\nWith a step:\n  python -m workbook gs1 " in done.stdout
    assert "\n\nWith the whole:\n  python -m workbook " in done.stdout
    assert " (maintainers)\n" in done.stdout


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.options], ids=lambda verb: verb.name)
def test_a_verb_explains_its_options(steps, verb):
    done = steps.call(*["gs1"] * verb.is_of("step"), verb.name, "--help")
    assert done.returncode == 0
    said = " ".join(done.stdout.split())
    for words in (verb.help, *(option.help for option in verb.options)):
        assert words in said


def test_steps_are_the_folders_in_the_order_of_their_numbers(steps):
    for path in ("gs3", "gsx_y", "my/gs4_copy", "gs0_zero"):
        (steps.root / path).mkdir(parents=True)
    shown = [line.strip() for line in steps.call().stdout.splitlines() if line.startswith("  gs")]
    assert shown == ["gs1_basic", "gs2_middle", "gs10_last"]


def test_every_verb_is_unique_where_it_is_called():
    for what in ("step", "whole"):
        assert len(verbs_of(what)) == sum(verb.is_of(what) for verb in VERBS)


def test_ctrl_c_ends_any_verb_without_a_traceback(monkeypatch, steps):
    def interrupted(call):
        raise KeyboardInterrupt

    monkeypatch.setattr("workbook.about.about", interrupted)
    from workbook.cli import main

    assert main(steps.root, ["gs1"]) == 130
