"""make gsN run, and make gsN try: says what starts and where, then lets the project's own manage.py take over."""

import importlib
import os
import subprocess
import sys
import traceback
from pathlib import Path
from urllib.parse import urlsplit

from workbook.copies import existing_copy
from workbook.network import (
    DEFAULT_HOST,
    lan_address,
    listen_address,
    names_of_this_machine,
    refuse_if_unusable,
)
from workbook.pythons import hand_over
from workbook.speech import Refusal


def run(call):
    """Start the step's development server in place of this process. Raises Refusal if it cannot start."""
    serve(call, call.step, call.step.headline)


def try_out(call):
    """Start the server of the learner's copy in place of this process. Raises Refusal if it cannot start."""
    serve(call, existing_copy(call.root, call.step), f"{call.step.headline} · your own")


def serve(call, step, headline):
    """Start the server of a step, the finished one or a copy, in place of this process. Raises Refusal."""
    port = call.options["port"] or 8000
    host = call.options["host"] or DEFAULT_HOST
    refuse_if_unusable(host, port, call)
    if not (step.folder / "manage.py").is_file():
        raise Refusal(f"{step.folder} has no manage.py. The finished step has one that you can copy.", 1)
    settings = read_settings(step)
    env = environment_for(step, host)
    if (step.folder / "app" / "migrations").exists():
        migrate(step, env)
    print("\n".join(announcement(step, headline, settings, host, port)))
    command = [sys.executable, "manage.py", "runserver", listen_address(host, port)]
    hand_over(command, cwd=step.folder, env=env)


def read_settings(step):
    """Return the step's settings module. Raises Refusal with file, line and error if it does not import."""
    sys.path.insert(0, str(step.folder))
    try:
        return importlib.import_module(f"{step.name}.settings")
    except Exception as error:
        file, line = place_of(error, step.folder)
        what = error.msg if isinstance(error, SyntaxError) else error
        reason = f"{file}, line {line}: {type(error).__name__}: {what}"
        raise Refusal(f"The settings of {step.name} cannot be read. {reason}", 1) from None


def place_of(error, folder):
    """Return the file and the line in folder where error arose."""
    if isinstance(error, SyntaxError):
        return error.filename, error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)]
    last = (inside or frames)[-1]
    return last.filename, last.lineno


def environment_for(step, host):
    """Return the environment of the server."""
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": f"{step.name}.settings"}
    # What a consumer prints is the lesson: it has to come at once, also through a pipe.
    env["PYTHONUNBUFFERED"] = "1"
    if not is_loopback(host):
        # Otherwise Django would refuse the page to other machines, which is what this host was chosen for.
        env.setdefault("ALLOWED_HOSTS", ",".join(names_of_this_machine(host)))
    return env


def is_loopback(host):
    """Return whether host can be reached from this machine only."""
    return host in ("localhost", "::1") or host.startswith("127.")


def migrate(step, env):
    """Bring the step's database up to date. Raises Refusal; what went wrong is on the screen by then."""
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    if subprocess.run(command, cwd=step.folder, env=env).returncode:
        raise Refusal(f"The database of {step.name} could not be prepared: see above.", 1)


def announcement(step, headline, settings, host, port):
    """Return the lines that tell what starts."""
    here = "127.0.0.1" if host == "0.0.0.0" else "::1" if host == "::" else host
    other = lan_address() if host in ("0.0.0.0", "::") else None
    return [
        headline,
        f"  address        http://{listen_address(here, port)}/",
        *([f"  in the network http://{listen_address(other, port)}/"] if other else []),
        f"  folder         {step.folder}",
        f"  channel layer  {channel_layer(settings)}",
        "  Ctrl-C stops it. A change to its files restarts it.",
    ]


def channel_layer(settings):
    """Return the default channel layer in words, never with a password."""
    layer = getattr(settings, "CHANNEL_LAYERS", {}).get("default")
    if not layer:
        return "none: this step needs none"
    backend = layer["BACKEND"].rpartition(".")[2]
    if backend == "InMemoryChannelLayer":
        return "in memory"
    hosts = layer.get("CONFIG", {}).get("hosts", [("localhost", 6379)])
    return f"{'Redis' if 'redis' in layer['BACKEND'] else backend} at {', '.join(map(redis_address, hosts))}"


def redis_address(host):
    """Return an entry of channels_redis' "hosts" without user and password."""
    if isinstance(host, dict):
        host = host.get("address", "an address of its own")
    if isinstance(host, str):
        url = urlsplit(host)
        place = url.netloc.rpartition("@")[2]
        return f"{place}{url.path}" if url.scheme else host
    return ":".join(map(str, host))
