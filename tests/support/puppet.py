"""Sockets of a page that talk to no server: the check says what happens to them, and sees what the page does with them.

SOCKETS runs before the page's own scripts. Then `sockets` are all that the page has opened, and each has `open()`,
`hear(…data)` and `end(code, reason)` for what happens to it, `sent` and `closes` for what the page has done.
"""

from pathlib import Path

SOCKETS = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
# Nobody has to open them: they open by themselves, like real ones.
OPENING = f"{SOCKETS} window.socketsOpen = true;"
