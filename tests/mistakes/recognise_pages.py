"""Mistakes in the page: its script and its template, seen through the browser."""

import itertools
import re
from urllib.parse import urlsplit

from tests.mistakes.recognisers import recognises

INLINE = re.compile(r"<script\b[^>]*>(.*?)</script>", re.DOTALL)


def browser(clues):
    return clues.lane("browser")


def script_errors(clues):
    """What scripts failed at, without the place that stands before it."""
    errors = [text for text in browser(clues) if text.startswith("script error: ")]
    return [re.sub(r"^script error: (\S+, line \d+: )?", "", text) for text in errors]


def addresses(clues, word):
    """The addresses of the pages (word "page") or of the sockets (word "WebSocket") that the browser opened."""
    return [urlsplit(text.removeprefix(word).strip()) for text in browser(clues) if text.startswith(f"{word} ")]


def first_page(clues):
    return next((page for page in addresses(clues, "page") if page.scheme in ("http", "https")), None)


def missing_files(clues):
    """The static files, by their paths below static/, that the page asked for in vain and that the project has not."""
    asked = re.findall(r"^failed: \S+?/static/([^\s?]+)", "\n".join(browser(clues)), re.MULTILINE)
    return [path for path in asked if not any(clues.project.rglob(f"static/{path}"))]


@recognises("static-file-missing")
def static_file_missing(clues):
    """The page asks for a static file that is not there."""
    for path in missing_files(clues):
        name = path.rpartition("/")[2]
        found = sorted(file.relative_to(clues.project).as_posix() for file in clues.project.rglob(f"static/**/{name}"))
        there = f" There is `{found[0]}`: `{{% static '{found[0].partition('static/')[2]}' %}}`." if found else ""
        return {"path": f"/static/{path}", "there": there}
    return None


@recognises("ws-wss-mismatch")
def ws_wss_mismatch(clues):
    """The socket's scheme is not the page's: wss from an http page, or ws from an https one."""
    page = first_page(clues)
    for socket in addresses(clues, "WebSocket") if page else ():
        if (socket.scheme == "wss") != (page.scheme == "https"):
            return {"socket": socket.scheme, "page": page.scheme}
    if any("insecure WebSocket connection may not be initiated" in error for error in script_errors(clues)):
        return {"socket": "ws", "page": "https"}
    return None


@recognises("cookie-host")
def cookie_host(clues):
    """The socket goes to another host or port than the one that served the page."""
    page = first_page(clues)
    for socket in addresses(clues, "WebSocket") if page else ():
        if socket.netloc != page.netloc and (socket.scheme == "wss") == (page.scheme == "https"):
            return {"socket": socket.netloc, "page": page.netloc}
    return None


@recognises("send-before-open")
def send_before_open(clues):
    """The script sends while the socket is still connecting."""
    return {} if any("Still in CONNECTING state" in error for error in script_errors(clues)) else None


@recognises("template-literal-quotes")
def template_literal_quotes(clues):
    """${…} stands in the socket's address as it is, or an undefined variable does."""
    for socket in addresses(clues, "WebSocket"):
        if match := re.search(r"\$%7B.*?%7D|\$\{.*?\}|(?<=/)undefined(?=/|$)", socket.path):
            return {"path": socket.path, "what": match[0].replace("%7B", "{").replace("%7D", "}")}
    return None


@recognises("xss-innerhtml")
def xss_innerhtml(clues):
    """What came out of the socket became HTML."""
    became_html = re.search(r"html|marked", clues.check or "") or any("failed:" in text for text in browser(clues))
    for path, text in clues.text_of("*.js", "*.html") if became_html else ():
        if match := re.search(r"\.(innerHTML|outerHTML|insertAdjacentHTML)\b", text):
            line = text.count("\n", 0, match.start()) + 1
            return {"where": f"{path}, line {line}", "what": match[1]}
    return None


@recognises("form-reloads")
def form_reloads(clues):
    """The form was sent to the server, and the page loaded anew, though no script is missing or has failed."""
    if script_errors(clues) or missing_files(clues):
        return None
    pages = addresses(clues, "page")
    for before, after in itertools.pairwise(pages):
        is_ours = re.match(r"(via|group|after)=|$", after.query)
        if before.path == after.path and not before.query and "=" in after.query and not is_ours:
            return {"query": f"?{after.query}"}
    return None


@recognises("send-object")
def send_object(clues):
    """A JavaScript object was sent, which is its name and no more."""
    return {} if any(text.startswith("→ [object ") for text in browser(clues)) else None


@recognises("json-parse-plain")
def json_parse_plain(clues):
    """JSON.parse was given what is no JSON."""
    for error in script_errors(clues):
        if match := re.search(r"(.*) is not valid JSON", error):
            return {"what": match[1].removeprefix("SyntaxError: ")}
    return None


@recognises("js-undefined-field")
def js_undefined_field(clues):
    """The page shows "undefined": it reads a field that the frame has not."""
    frames = any(text.startswith("← ") for text in browser(clues))
    if not frames or script_errors(clues) or "undefined" not in clues.message:
        return None
    return {} if not any("undefined" in text for text in browser(clues)) else None


@recognises("js-unquoted-template")
def js_unquoted_template(clues):
    """A template variable stands in a script without quotes."""
    if not script_errors(clues):
        return None
    for path, text in clues.text_of("*.html"):
        for script in INLINE.finditer(text):
            if match := re.search(r"=\s*(\{\{\s*[\w.]+\s*\}\})", script[1]):
                return {"where": path, "what": match[1]}
    return None
