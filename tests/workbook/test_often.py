"""`python -m tests.support.often`: what it says of runs that pass and of runs that fail."""

from contextlib import nullcontext

import pytest

from tests.support import often
from tests.workbook.test_check_verb import CORE, PLAN, result
from workbook.lesson import Task
from workbook.verdict import Verdict


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A function that lets each step be checked with these outcomes, and returns what was asked for."""
    asked = []

    def runs(*outcomes):
        def check_often(step, times, levels, words):
            asked.append((step.name, times, levels, words))
            for outcome in outcomes:
                verdict = Verdict({1: Task("Open")}, tmp_path)
                for news in (PLAN, result("t1", CORE, outcome), result("t0", CORE)):
                    verdict.hear(news)
                yield verdict

        monkeypatch.setattr(often, "check_often", check_often)
        monkeypatch.setattr(often, "busy_cores", nullcontext)
        return asked

    return runs


def test_all_pass(runs, capsys):
    asked = runs("passed", "passed")
    assert often.main(["gs1", "--times", "2"]) == 0
    assert capsys.readouterr().out.startswith("gs1: 2 runs of 2 quick checks, 0 failed, ")
    assert asked == [("gs1", 2, [often.CORE, often.REST], "")]


def test_what_fails_now_and_then_is_told(runs, capsys):
    asked = runs("passed", "failed")
    assert often.main(["--checks", "wire"]) == 1
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == "gs1, run 2, task 1: It is open. Nobody answered the handshake."
    assert second.startswith("gs1: 2 runs of 2 wire checks, 1 failed, ")
    assert [(name, levels) for name, _, levels, _ in asked] == [(name, [often.WIRE]) for name in often.STEPS]


def test_runs_at_once_are_as_many_as_were_asked_for(runs, capsys):
    asked = runs("passed")
    assert often.main(["gs1", "--times", "5", "--at-once", "3"]) == 0
    assert capsys.readouterr().out.startswith("gs1: 3 runs of 2 quick checks, 0 failed, ")
    assert sorted(times for _, times, _, _ in asked) == [1, 2, 2]
    assert often.main(["gs1", "--times", "2", "--at-once", "3"]) == 0
    assert [times for _, times, _, _ in asked[3:]] == [1, 1]


def test_a_run_that_breaks_ends_them_all():
    def breaks():
        yield "a verdict"
        raise ValueError("broken")

    verdicts = often.side_by_side([breaks(), iter(())])
    assert next(verdicts) == "a verdict"
    with pytest.raises(ValueError, match="broken"):
        next(verdicts)


NO_STEP = "there is no step 'gs9'; the steps are gs1, gs2, gs3, gs4, gs5, gs6, gs7"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gs9"], NO_STEP),
        (["--times", "x"], "'x' is no number of runs"),
        (["--times", "0"], "'0' is no number of runs"),
        (["--checks", "all"], "invalid choice: 'all'"),
        (["--at-once", "0"], "'0' is no number of runs"),
    ],
)
def test_wrong_words(words, said, capsys):
    with pytest.raises(SystemExit) as end:
        often.main(words)
    told = capsys.readouterr().err
    assert end.value.code == 2
    assert "python -m tests.support.often" in told
    assert said in told


def test_help(capsys):
    with pytest.raises(SystemExit):
        often.main(["--help"])
    assert "check steps again and again" in capsys.readouterr().out


@pytest.mark.proof
def test_it_really_checks():
    (verdict,) = often.check_often(often.STEPS["gs1"], 1, [often.CORE])
    assert verdict.is_right
    assert verdict.results


@pytest.mark.proof
def test_only_what_was_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(often, "busy_cores", nullcontext)
    assert often.main(["gs2", "--times", "1", "--only", "test_bye_closes"]) == 0
    assert "1 runs of 1 quick checks, 0 failed" in capsys.readouterr().out
    assert often.main(["gs2", "--times", "1", "--only", "test_nothing"]) == 1
    assert "1 runs of 0 quick checks, 1 failed" in capsys.readouterr().out
