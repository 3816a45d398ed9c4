"""`make bench`: what it says, without measuring anything."""

import contextlib
import subprocess
from types import SimpleNamespace

import pytest

from tests.workbook.conftest import ROOT
from workbook import bench, feedback
from workbook.speech import Refusal, spell

CALL = SimpleNamespace(root=ROOT, step=None, words=[])


def test_a_line_for_each_promise_and_then_the_chats(monkeypatch, capsys):
    monkeypatch.setattr(bench, "measurements", lambda root: [("the first page", 60.0, lambda: 1.234)])
    monkeypatch.setattr(bench.subprocess, "run", lambda *command, **more: subprocess.CompletedProcess(command, 3))
    assert bench.bench(CALL) == 3, "the status is the one of the last program"
    assert capsys.readouterr().out == (
        f"{'what':<58}  at most     took\n"
        f"{'the first page':<58}   60.0 s   1.23 s\n"
        "\nThe chats, each beside a bare consumer:\n\n"
    )


def test_of_many_those_with_these_words(monkeypatch, capsys):
    """Neither the others, nor the chats."""
    names = ["gs1 check", "gs7 check", "gs7 watch"]
    monkeypatch.setattr(bench, "measurements", lambda root: [(name, 1.0, lambda: 2.0) for name in names])
    monkeypatch.delattr(bench.subprocess, "run")
    gs7 = SimpleNamespace(name="gs7")
    assert bench.bench(SimpleNamespace(root=ROOT, step=gs7, words=["ch"])) == 0
    assert [line[:9] for line in capsys.readouterr().out.splitlines()] == ["what     ", "gs7 check", "gs7 watch"]
    with pytest.raises(Refusal) as refusal:
        bench.bench(SimpleNamespace(root=ROOT, step=gs7, words=["extra"]))
    assert str(refusal.value) == f"No measurement has 'gs7 extra' in its name. All of them: {spell('bench')}."
    assert not capsys.readouterr().out


def test_what_is_measured(monkeypatch):
    monkeypatch.setattr(bench, "median_of", lambda times, command, root: 0.5)
    monkeypatch.setattr(bench.subprocess, "run", lambda *command, **more: None)
    monkeypatch.setattr(bench, "path_with_uv", lambda: None)
    told = [(what, limit) for what, limit, _ in bench.measurements(ROOT)]
    assert told[:4] == [
        ("pytest --step gs2, without browser, median of 5", 2.5),
        ("pytest, gs1 to gs3 and the tests of the workbook itself", 30.0),
        ("pytest, everything", 90.0),
        ("python -m workbook gs2, above a bare python, median of 5", 0.3),
    ]
    assert told[4:-2] == [(what, limit) for what, limit, _ in feedback.measurements(ROOT)]
    assert told[4:8] == [
        ("gs1 watch: save to what fails, median of 5", 0.3),
        ("gs1 watch: save to all is right", 0.3),
        ("gs1 watch: save to all is right on the wire", 1.5),
        ("gs1 check --quick, from cold, median of 5", 1.2),
    ]
    assert told[-2:] == [
        ("first page of a fresh clone, empty package cache, pip", 60.0),
        ("the same, from the second call on, pip", 2.0),
    ]


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("raise SystemExit(7)", "gs1 did not start: exit status 7"),
        ("import time; time.sleep(60)", "gs1 had no page after 0.3 s"),
    ],
)
def test_a_page_that_does_not_come_is_no_measurement(tmp_path, monkeypatch, program, sentence):
    (tmp_path / "workbook.py").write_text(program)
    monkeypatch.setattr(bench, "PATIENCE", 0.3 if "sleep" in program else 20)
    with pytest.raises(RuntimeError, match=f"^{sentence}$"), contextlib.chdir(tmp_path):
        bench.first_page(tmp_path, None)
