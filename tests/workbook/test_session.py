"""The sessions in README.md are real ones, and still go as they are shown."""

import re

import pytest

from tests.workbook import session
from workbook.verdict import CORE, REST, WIRE

each_session = pytest.mark.parametrize("name", session.NAMES)


@each_session
@pytest.mark.proof
@pytest.mark.timeout(300)
def test_a_session_goes_as_it_is_shown(name, tmp_path, ask):
    """If this fails: python -m tests.workbook.session, and read the difference."""
    # The last check is of all there is, and takes a minute: her copy at the end is checked here without what waits.
    told, copy = session.play(name, tmp_path, with_last_check=False)
    assert session.normal(told) == session.normal(without_last_check(name))
    verdict = ask(copy, [CORE, REST])
    ask(copy, [WIRE], list(verdict.tasks), verdict=verdict)
    assert verdict.is_right


def without_last_check(name):
    """Return the session that README.md shows, without the calls of its last check."""
    before, call, after = session.written_down(name).rpartition(f"```text\n$ make {name} check\n")
    assert call
    return before + after.partition("```\n\n")[2]


@each_session
def test_a_session_shows_three_mistakes_by_name_hints_and_an_end(name):
    text = session.written_down(name)
    mistakes = re.findall(r"^  This is: (.+)$", text, re.MULTILINE)
    assert len(set(mistakes)) == len(mistakes) == 3
    for words in (f"$ make {name} start", f"$ make {name} hint", f"$ make {name} compare", "\nEvery task is done.\n"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 120
