"""The first call of a verb makes .venv; what breaks off, breaks or gets stale is mended by the next."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.workbook.conftest import is_alive, wait_for
from workbook.installer import explain

HANGS = 'echo $$ > "$HOME/pid"; while :; do sleep 0.05; done'


def add_wheel(folder, name, module, source):
    """Make a wheel of one module. Returns its line for a requirements file."""
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = {
        f"{module}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]))
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A bare environment, which costs less to copy than to make."""
    folder = tmp_path_factory.mktemp("bare")
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    return folder


@pytest.fixture
def book(book, bare):
    """A workbook that wants two tiny packages, and has them at hand without any network."""
    wheels = book.home / "wheels"
    wheels.mkdir()
    book.tiny = add_wheel(wheels, "tiny", "tiny", "")
    book.tinytest = add_wheel(wheels, "tinytest", "pytest", "print('the tests')")
    book.write("requirements.txt", book.tiny)
    book.write("requirements-tests.txt", book.tiny + book.tinytest)
    (book.home / "bare").symlink_to(bare)
    book.add_step("gs1_basic", **{"manage.py": "import tiny\nprint('the server')\n"})
    (book.home / "uv.toml").write_text(f'[pip]\nno-index = true\nfind-links = ["{wheels}"]\n')
    book.env |= {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "UV_CONFIG_FILE": str(book.home / "uv.toml"),
        "UV_CACHE_DIR": str(book.home / "cache"),
    }
    return book


@pytest.fixture(params=["pip", "uv"])
def with_installer(request, book):
    """The workbook, with uv on its PATH or without."""
    if request.param == "uv":
        (book.programs / "uv").symlink_to(request.getfixturevalue("uv"))
    return book


def stub_installer(book, install=""):
    """Put a quick uv on the PATH: its "install" writes down what it is called for, then does the script.

    Its "venv" wants a Python that is there, as the real one does.
    """
    tiny = '$(echo "$HOME"/../"a workbook"/.venv/lib/*/site-packages)'
    book.add_program(
        "uv",
        f'case $1 in venv) test -x "$4" && exec cp -RP "$HOME"/bare/. "$5";; esac\n'
        f'echo "${{7##*/}}" >> "$HOME/installed"\n{install or ":"}\n'
        f'touch "{tiny}/tiny.py"; echo "print(\'the tests\')" > "{tiny}/pytest.py"',
    )
    book.env["PATH"] = f"{book.programs}:/usr/bin:/bin"


def installed(book):
    """Return the files that the stub has been called for."""
    file = book.home / "installed"
    return file.read_text().split() if file.exists() else []


@pytest.mark.proof
def test_the_first_call_installs_and_later_ones_only_what_is_new(with_installer):
    book = with_installer
    first = book.call("gs1", "run")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("Making .venv, only this once … done in ")
    assert "\nInstalling 1 package of requirements.txt into .venv, only this once … done in " in first.stdout
    assert first.stdout.endswith("the server\n")

    assert "Installing" not in book.call("gs1", "run").stdout

    tests = book.call("test")
    assert "Making" not in tests.stdout
    assert tests.stdout.startswith("Installing 2 packages of requirements-tests.txt into .venv, only this once")
    assert tests.stdout.endswith("the tests\n")
    assert book.call("test").stdout == "the tests\n"
    assert "Installing" not in book.call("gs1", "run").stdout

    book.write("requirements.txt", book.tiny + add_wheel(book.home / "wheels", "forged", "forged", "1"))
    add_wheel(book.home / "wheels", "forged", "forged", "2")
    forged = book.call("gs1", "run")
    assert forged.returncode == 2
    assert forged.stderr.startswith("The installation failed.")
    assert re.search("hash", forged.stderr, re.IGNORECASE)


@pytest.mark.proof
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_without_a_network_there_is_a_sentence(request, book, installer):
    if installer == "uv":
        (book.programs / "uv").symlink_to(request.getfixturevalue("uv"))
    else:
        # The real pip, but not a new one in .venv: that would take two seconds.
        pip = f'"{sys._base_executable}" -m pip --python'
        stub_installer(book, f'shift 3; python=$1; shift; {pip} "$python" install "$@"; exit $?')
    nowhere = "http://127.0.0.1:9/"
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        del book.env[name]
    (book.home / "uv.toml").write_text("")
    done = book.call(
        "gs1", "run", PIP_INDEX_URL=nowhere, UV_DEFAULT_INDEX=nowhere, PIP_RETRIES="1", UV_HTTP_RETRIES="0"
    )
    assert done.returncode == 2
    assert done.stderr.startswith("The packages could not be fetched: the network, or the package index,")
    log = Path(done.stderr.strip().rpartition(" is in ")[2])
    assert log == book.root / ".venv" / "install.log"
    assert "127.0.0.1" in log.read_text()


def test_nothing_is_installed_twice_but_what_has_changed_is_installed_into_what_is_there(book):
    stub_installer(book)
    book.call("test")
    assert book.call("test").stdout == "the tests\n"
    book.write("requirements.txt", f"# newer\n{book.tiny}")
    done = book.call("gs1", "run")
    assert "Making" not in done.stdout
    assert installed(book) == ["requirements-tests.txt", "requirements.txt"]
    assert book.call("test").stdout.startswith("Installing")


def no_marker(book):
    (book.root / ".venv" / "workbook-installed.txt").unlink()


def no_python(book):
    (book.root / ".venv" / "bin" / "python").unlink()


def no_program(book):
    (book.root / ".venv" / "bin" / "python").unlink()
    (book.root / ".venv" / "bin" / "python").write_bytes(b"\0")
    (book.root / ".venv" / "bin" / "python").chmod(0o755)


def other_version(book):
    marker = book.root / ".venv" / "workbook-installed.txt"
    marker.write_text(marker.read_text().replace(f"python 3 {sys.version_info[1]}", "python 3 10"))


def moved(book):
    book.root = book.root.rename(book.root.with_name("moved"))
    (book.root.parent / "a workbook").symlink_to(book.root)


@pytest.mark.parametrize("damage", [no_marker, no_python, no_program, other_version, moved])
def test_a_broken_environment_is_built_anew(book, damage):
    stub_installer(book)
    book.make_ready()
    stray = book.root / ".venv" / "stray"
    stray.touch()
    damage(book)
    done = book.call("gs1", "run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Making .venv")
    assert not (book.root / ".venv" / "stray").exists()
    assert "Making" not in book.call("gs1", "run").stdout
    assert installed(book) == ["requirements.txt"]


def test_it_can_be_built_anew_from_inside_itself(book):
    stub_installer(book)
    book.call("gs1", "run")
    no_marker(book)
    done = book.finish([book.root / ".venv" / "bin" / "python", "-m", "workbook", "gs1", "run"], {})
    assert done.returncode == 0
    assert done.stdout.startswith("Making .venv")


@pytest.mark.parametrize("to_all", [True, False], ids=["terminal", "one process"])
def test_ctrl_c_during_the_installation(book, started, to_all):
    stub_installer(book, HANGS)
    process = book.start("gs1", "run")
    started.append(process)
    pid_file = book.home / "pid"
    pid = int(wait_for(lambda: pid_file.exists() and pid_file.read_text(), "the installer"))
    (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=5)
    assert process.returncode == 130
    assert said.endswith("\nStopped before it was complete; the next call begins it again.\n")
    assert "Traceback" not in said
    wait_for(lambda: not is_alive(pid), "the end of the installer")

    stub_installer(book)
    done = book.call("gs1", "run")
    assert done.stdout.startswith("Making .venv")
    assert done.stdout.endswith("the server\n")


def test_an_update_that_failed_is_not_built_upon(book):
    stub_installer(book)
    book.call("gs1", "run")
    book.write("requirements.txt", f"# newer\n{book.tiny}")
    stub_installer(book, "exit 1")
    assert book.call("gs1", "run").returncode == 2
    stub_installer(book)
    assert book.call("gs1", "run").stdout.startswith("Making .venv")


def test_two_calls_at_once_install_once(book, started):
    stub_installer(book, 'while [ ! -e "$HOME/go" ]; do sleep 0.05; done')
    first = book.start("gs1", "run")
    started.append(first)
    wait_for(lambda: installed(book), "the first call's installer")
    second = book.start("gs1", "run")
    started.append(second)
    assert second.stdout.readline() == "Another call is preparing .venv: waiting for it.\n"
    (book.home / "go").touch()
    for process in (first, second):
        said, _ = process.communicate(timeout=10)
        assert process.returncode == 0
        assert said.endswith("the server\n")
    assert len(installed(book)) == 1


def test_a_call_that_died_keeps_nobody_out(book, started):
    stub_installer(book, HANGS)
    process = book.start("gs1", "run")
    started.append(process)
    wait_for(lambda: installed(book), "the installer")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    stub_installer(book)
    done = book.call("gs1", "run")
    assert done.returncode == 0
    assert done.stdout.startswith("Making .venv")


def test_any_other_failure_shows_the_installers_last_words(book):
    stub_installer(book, "for i in 1 2 3 4 5 6 7 8 9; do echo word $i; done; exit 1")
    done = book.call("gs1", "run")
    assert done.returncode == 2
    assert done.stderr.startswith("The installation failed. Its last words, all of which are in ")
    assert str(book.root / ".venv" / "install.log") in done.stderr
    assert done.stderr.endswith("  word 8\n  word 9\n")
    assert "word 1\n" not in done.stderr
    assert not (book.root / ".venv" / "workbook-installed.txt").exists()


def test_a_python_that_cannot_make_environments(tmp_path):
    log = tmp_path / "install.log"
    log.write_text("The virtual environment was not created successfully because ensurepip is not\navailable.")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert explain(log) == (
        "This Python comes without the module that makes environments. On Debian and Ubuntu: "
        f"sudo apt install python{version}-venv. Then call again."
    )


def test_a_place_that_cannot_be_used(book):
    book.write(".venv", "")
    done = book.call("gs1", "run")
    assert done.returncode == 2
    assert done.stderr == (
        f"{book.root}/.venv cannot be made: Not a directory. Remove it by hand, or free the place.\n"
    )


def test_a_terminal_sees_the_seconds(book):
    script = shutil.which("script") or pytest.skip("needs the program script")
    stub_installer(book, "sleep 0.3")
    command = f"{sys._base_executable} -m workbook gs1 run"
    done = subprocess.run(
        [script, "-qec", command, os.devnull], cwd=book.root, env=book.env, capture_output=True, timeout=20
    )
    assert "\rInstalling 1 package of requirements.txt into .venv, only this once … 0 s" in done.stdout.decode()
