"""Hosts and ports: which can be listened on, and what this machine is called in its network."""

import errno
import os
import socket

from workbook.speech import Refusal, spell

DEFAULT_HOST = "127.0.0.1"
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


def listen_address(host, port):
    """Return host and port as in an address; an IPv6 host gets its brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def refuse_if_unusable(host, port, call):
    """Raise Refusal, with the same call for another port, if no server can listen on that host and port."""
    try:
        try_to_bind(host, port)
    except socket.gaierror:
        raise Refusal(f"The host {host!r} is not known here; without one it is {DEFAULT_HOST}.") from None
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise Refusal(f"{host} is not an address of this machine; 0.0.0.0 stands for all it has.") from None
        if error.errno == errno.EACCES and os.name != "nt":
            raise Refusal(f"Port {port} needs an administrator: {another(host, port, call)}.") from None
        raise Refusal(f"Port {port} is taken. This one is free: {another(host, port, call)}.") from None


def another(host, port, call):
    """Return the call in words, with the next free port."""
    options = {} if host == DEFAULT_HOST else {"host": host}
    return spell(call.verb.name, call.step.name, port=free_port(host, max(port, 1023)), **options)


def free_port(host, port):
    """Return the first free port above port; any, if there is none."""
    for candidate in range(port + 1, 65536):
        try:
            return try_to_bind(host, candidate)
        except OSError:
            continue
    return try_to_bind(host, 0)


def try_to_bind(host, port):
    """Bind as the server will, and give it back at once. Returns the port. Raises OSError."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as candidate:
        option = socket.SO_EXCLUSIVEADDRUSE if os.name == "nt" else socket.SO_REUSEADDR
        candidate.setsockopt(socket.SOL_SOCKET, option, 1)
        candidate.bind(address)
        return candidate.getsockname()[1]


def names_of_this_machine(host):
    """Return the names and addresses by which a server on host can be called, for ALLOWED_HOSTS."""
    name = socket.gethostname()
    found = [*LOCAL_NAMES, name, f"{name}.local", lan_address(), "" if host in ("0.0.0.0", "::") else host]
    return [f"[{each}]" if ":" in each and "[" not in each else each for each in found if each]


def lan_address():
    """Return this machine's address in its network, None if it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # An address kept for documentation. Nothing is sent: the system only picks the way out.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return probe.getsockname()[0]
