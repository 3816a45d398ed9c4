"""`make gs1 run`: what it says, what it refuses, and that it is gone when it is stopped."""

import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from types import SimpleNamespace

import pytest
from websockets.sync.client import connect

from tests.workbook.conftest import is_alive, wait_for
from workbook import network
from workbook.network import names_of_this_machine, try_to_bind
from workbook.run import channel_layer, redis_address


def processes_on(port):
    """Return the processes that have a runserver for that port in their command line."""
    listing = subprocess.run(["ps", "-eww", "-o", "pid=,args="], capture_output=True, text=True).stdout
    return [line for line in listing.splitlines() if f"manage.py runserver 127.0.0.1:{port}" in line]


def is_served(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
            return page.status == 200
    except OSError:
        return False


def read_until_closed(terminal):
    """Return what comes from a terminal until its last process has gone."""
    said = b""
    try:
        while piece := os.read(terminal, 4096):
            said += piece
    except OSError:  # how Linux says that nobody is at the other end
        pass
    return said.decode()


def test_ctrl_c_in_a_terminal_leaves_nothing_within_a_second(book, started):
    book.add_real_step("gs2_sync_consumer")
    book.make_ready()

    def serve_until_ctrl_c():
        process, terminal = in_a_terminal(
            book, started, "python3", "-m", "workbook", "gs2", "run", "--port", str(book.port)
        )
        wait_for(lambda: is_served(book.port), "the page")
        assert len(processes_on(book.port)) == 2, "the server and its reloader, and nobody between"
        with connect(f"ws://127.0.0.1:{book.port}/ws/sc/count/") as client:
            # The consumer would be busy for a minute, and nobody waits for it.
            client.send("60")
            assert client.recv(timeout=5) == "1"
            said, seconds = press_ctrl_c(process, terminal)
        assert process.returncode == 0
        assert not processes_on(book.port)
        assert "Traceback" not in said
        assert f"  address        http://127.0.0.1:{book.port}/" in said
        assert "  channel layer  none: this step needs none" in said
        assert "Ctrl-C stops it" in said
        assert str(book.root / "gs2_sync_consumer") in said
        return seconds

    # A machine that is busy with other things may be late; it is not late three times.
    assert any(serve_until_ctrl_c() < 1 for _ in range(3))


def test_ctrl_c_under_make_leaves_nothing_within_a_second(ready, started):
    if not shutil.which("make"):
        pytest.skip("needs make")
    ready.write("gs1_basic/manage.py", SERVES_UNTIL_CTRL_C)

    def make_until_ctrl_c():
        process, terminal = in_a_terminal(ready, started, "make", "gs1", "run", f"PORT={ready.port}")
        server, parent = map(int, re.search(r"process (\d+) of (\d+)", read_from(terminal, "serving")).groups())
        assert parent == process.pid, "make and the server, and nobody between"
        said, seconds = press_ctrl_c(process, terminal)
        assert not is_alive(server)
        assert "Traceback" not in said
        assert "Error" not in said
        return seconds

    assert any(make_until_ctrl_c() < 1 for _ in range(3))


SERVES_UNTIL_CTRL_C = """
import os, signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit())
print("process", os.getpid(), "of", os.getppid(), "is serving", flush=True)
time.sleep(60)
"""


def in_a_terminal(book, started, *command):
    """Start command in a terminal of its own. Returns the process, and the other end of the terminal."""
    ours, theirs = pty.openpty()
    # A session of its own whose terminal is this one, as in a terminal window: Ctrl-C reaches all of it.
    process = book.popen(["python3", "-c", TAKE_TERMINAL, *command], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    started.append(process)
    return process, ours


def press_ctrl_c(process, terminal):
    """Press Ctrl-C. Returns what was said, and the seconds until all had ended that the terminal belonged to."""
    os.write(terminal, b"\x03")
    begin = time.monotonic()
    said = read_until_closed(terminal)
    process.wait(10)
    os.close(terminal)
    return said, time.monotonic() - begin


TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def test_what_a_consumer_prints_comes_at_once_and_sigterm_leaves_nothing(book, started):
    book.add_real_step("gs1_basic")
    book.make_ready()
    process = book.start("gs1", "run", "--port", str(book.port), bufsize=0, text=False)
    started.append(process)
    wait_for(lambda: is_served(book.port), "the page")
    with socket.create_connection(("127.0.0.1", book.port)) as client:
        client.sendall(HANDSHAKE)
        assert "websocket.connect" in read_from(process.stdout.fileno(), "websocket.connect")
    process.send_signal(signal.SIGTERM)
    process.wait(5)
    wait_for(lambda: not processes_on(book.port), "the end of the server", within=10)


HANDSHAKE = (
    b"GET /ws/sc/ HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def read_from(pipe, word):
    """Return what the descriptor pipe gives until word comes, for 20 seconds at most."""
    said, end = b"", time.monotonic() + 20
    while word.encode() not in said and time.monotonic() < end:
        if select.select([pipe], [], [], 0.1)[0]:
            said += os.read(pipe, 4096)
    return said.decode()


def test_a_taken_port_is_refused_with_a_free_one(ready):
    port = ready.port
    with socket.create_server(("127.0.0.1", port)):
        done = ready.call("gs1", "run")
        made = ready.call("gs1", "run", HOST="0.0.0.0", WORKBOOK_FACE="make")
    assert done.returncode == 2
    found = re.fullmatch(
        rf"Port {port} is taken. This one is free: python -m workbook gs1 run --port (\d+).\n", done.stderr
    )
    assert try_to_bind("127.0.0.1", int(found[1])) > port
    assert re.search(rf"Port {port} is taken. .*: make gs1 run PORT=\d+ HOST=0.0.0.0\.", made.stderr)


def test_a_port_whose_last_connection_lingers_is_free():
    port = try_to_bind("127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", port)) as server, socket.create_connection(("127.0.0.1", port)):
        server.accept()[0].close()
    assert try_to_bind("127.0.0.1", port) == port


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("192.0.2.77", "192.0.2.77 is not an address of this machine; 0.0.0.0 stands for all it has.\n"),
        ("no such host", "The host 'no such host' is not known here; without one it is 127.0.0.1.\n"),
    ],
)
def test_a_host_of_another_machine(ready, host, sentence):
    done = ready.call("gs1", "run", "--host", host)
    assert (done.returncode, done.stderr) == (2, sentence)


def test_a_port_for_administrators(monkeypatch):
    def not_permitted(host, port):
        if port < 1024:
            raise PermissionError(13, "Permission denied")
        return port

    monkeypatch.setattr(network, "try_to_bind", not_permitted)
    call = SimpleNamespace(verb=SimpleNamespace(name="run"), step=SimpleNamespace(name="gs1"))
    with pytest.raises(network.Refusal, match=r"^Port 80 needs an administrator: .* gs1 run --port 1024\.$"):
        network.refuse_if_unusable("127.0.0.1", 80, call)


BROKEN = {
    "DEBUG = (\n": r"line 1: SyntaxError: '\(' was never closed",
    "\nimport nosuch\n": r"line 2: ModuleNotFoundError: No module named 'nosuch'",
    "\n\nDEBUG = 1 / 0\n": r"line 3: ZeroDivisionError: division by zero",
    "import os\nint(os.environ['DEBUG'])\n": r"line 2: KeyError: 'DEBUG'",
    "import json\njson.loads('{')\n": r"line 2: JSONDecodeError: Expecting property name .*",
}


@pytest.mark.parametrize(("settings", "reason"), BROKEN.items(), ids=lambda value: value.strip())
def test_settings_that_do_not_import(ready, settings, reason):
    file = ready.write("gs1_basic/gs1/settings.py", settings)
    done = ready.call("gs1", "run")
    assert done.returncode == 1
    start = re.escape(f"The settings of gs1 cannot be read. {file}, ")
    assert re.fullmatch(f"{start}{reason}\n", done.stderr), done.stderr


def test_only_a_step_with_a_database_of_its_own_is_migrated(ready):
    assert "migrate" not in ready.call("gs1", "run").stdout
    (ready.root / "gs1_basic" / "app" / "migrations").mkdir(parents=True)
    done = ready.call("gs1", "run")
    assert done.stdout.splitlines()[0] == "['migrate', '--verbosity', '0'] None"
    assert done.stdout.splitlines()[-1] == f"['runserver', '127.0.0.1:{ready.port}'] None"


def test_try_serves_the_learners_own(ready):
    copy = shutil.copytree(ready.root / "gs1_basic", ready.root / "my/gs1_basic")
    done = ready.call("gs1", "try")
    assert done.stdout.startswith(f"gs1_basic · your own\n  address        http://127.0.0.1:{ready.port}/\n")
    assert f"  folder         {copy}\n" in done.stdout
    assert "\n  Ctrl-C stops it. A change to its files restarts it.\n" in done.stdout


def test_a_copy_without_manage_py(ready):
    copy = shutil.copytree(ready.root / "gs1_basic", ready.root / "my/gs1_basic")
    (copy / "manage.py").unlink()
    done = ready.call("gs1", "try")
    assert done.returncode == 1
    assert done.stderr == f"{copy} has no manage.py. The finished step has one that you can copy.\n"


def test_a_migration_that_fails_stops_it(ready):
    (ready.root / "gs1_basic" / "app" / "migrations").mkdir(parents=True)
    ready.write("gs1_basic/manage.py", "import sys\nsys.exit('no such table')\n")
    done = ready.call("gs1", "run")
    assert done.returncode == 1
    assert done.stderr == "no such table\nThe database of gs1 could not be prepared: see above.\n"


@pytest.mark.parametrize("host", ["", "127.0.0.1", "localhost", "127.1.2.3", "::1"])
def test_on_this_machine_alone_allowed_hosts_stay_as_they_are(ready, host):
    assert ready.call("gs1", "run", HOST=host).stdout.endswith(" None\n")


def test_in_the_network_this_machines_names_are_allowed(ready):
    done = ready.call("gs1", "run", "--host", "0.0.0.0")
    allowed = done.stdout.rpartition("] ")[2].strip().split(",")
    assert allowed[:4] == ["localhost", "127.0.0.1", "[::1]", socket.gethostname()]
    if address := network.lan_address():
        assert address in allowed
        assert f"  in the network http://{address}:{ready.port}/\n" in done.stdout
    assert f"  address        http://127.0.0.1:{ready.port}/\n" in done.stdout


def test_allowed_hosts_of_the_environment_win(ready):
    done = ready.call("gs1", "run", HOST="0.0.0.0", ALLOWED_HOSTS="example.org")
    assert done.stdout.endswith(" example.org\n")


def test_an_address_gets_brackets_where_it_needs_them():
    assert "[fe80::1]" in names_of_this_machine("fe80::1")
    assert network.listen_address("::1", 80) == "[::1]:80"


class Settings:
    """Stands for a settings module."""

    def __init__(self, backend, **config):
        self.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config}}


REDIS = "channels_redis.core.RedisChannelLayer"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (object(), "none: this step needs none"),
        (Settings("channels.layers.InMemoryChannelLayer"), "in memory"),
        (Settings(REDIS), "Redis at localhost:6379"),
        (Settings(REDIS, hosts=[("a", 1), "redis://b:2/3"]), "Redis at a:1, b:2/3"),
        (Settings(REDIS, hosts=[{"host": "a", "port": 1}]), "Redis at an address of its own"),
        (Settings("mine.Layer", hosts=["x"]), "Layer at x"),
    ],
)
def test_the_channel_layer_in_words(settings, words):
    assert channel_layer(settings) == words


@pytest.mark.parametrize(
    "host",
    [
        "redis://:secret@redis.example:6379/0",
        "rediss://user:secret@redis.example:6379/0",
        {"address": "redis://:secret@redis.example:6379/0", "password": "secret"},
        "redis://redis.example:6379/0?password=secret",
    ],
)
def test_a_password_is_never_shown(host):
    assert redis_address(host) == "redis.example:6379/0"
