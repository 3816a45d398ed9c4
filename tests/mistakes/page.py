"""The readers' page: notes/when-it-does-not-work.md, made from the catalogue by `make lessons`."""

from tests.mistakes.catalogue import fill, read_sections

HEAD = """\
<!-- Written by `make lessons` from tests/mistakes/catalogue: edit it there. -->

# When it does not work

Two places know what went wrong: the browser's **console** (F12; its red line says more than a script is told), and
the server's **terminal**. Look at both, then look below. If you are building a step, `make gs2 check` does the looking
for you, and tells most of these mistakes by name.

`onclose` with code 1006 tells nothing apart: a script gets it whenever there was no close frame. The HTTP status of a
refused handshake is only in the console.

## What do you see?
"""

TABLE = "| In the browser | In the terminal | Look under |\n| --- | --- | --- |"


def page(folder):
    """Return the text of the page, from the catalogue in `folder`."""
    sections = read_sections(folder)
    rows = [f"| {one.browser} | {one.terminal} | [{one.title}](#{anchor(one)}) |" for one in sections]
    return "\n".join([HEAD, TABLE, *rows, "", *map(section_text, sections)])


def anchor(section):
    """The anchor of a section: its file's name without the number."""
    return section.name.partition("-")[2]


def section_text(section):
    """Return a section: what it is about, its mistakes at a glance, and each of them."""
    glance = "\n".join(f"- [{mistake.title}](#{mistake.id})" for mistake in section.mistakes)
    parts = [f'<a id="{anchor(section)}"></a>\n\n## {section.title}', section.words, glance]
    return "\n\n".join([*parts, *map(mistake_text, section.mistakes)]) + "\n"


def mistake_text(mistake):
    """Return one mistake: what one sees, the code, the cause and the mend."""
    parts = [f'<a id="{mistake.id}"></a>\n\n### {mistake.title}']
    seen = [("In the browser", mistake.browser), ("In the terminal", mistake.terminal)]
    parts += [f"*{where}:* {what}" for where, what in seen if what]
    parts.append(f"```{mistake.language}\n{mistake.code}\n```")
    parts += [f"**Why.** {mistake.cause}", f"**What to do.** {fill(mistake.mend, mistake.for_example)}"]
    if mistake.apart:
        parts.append(f"**Easily mistaken.** {mistake.apart}")
    if steps := sorted({program.step for program in mistake.programs}):
        parts.append(f"<sub>Told by name when you build {', '.join(steps)}.</sub>")
    return "\n\n".join(parts)
