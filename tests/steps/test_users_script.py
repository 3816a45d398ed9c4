"""gs6 and on: what the chat's page makes of users, private messages and typing. Here the check is the server."""

import pytest

from tests.steps.test_chat_page import new_tab, new_window  # noqa: F401  (fixtures)
from tests.steps.test_chat_script import chat, message, open_chat  # noqa: F401  (two are fixtures)
from tests.support.browser import expect
from tests.tasks import KEPT, check

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

USERS = {step: {"/chat/": KEPT} for step in ("gs6", "gs7")}
GENERIC = {"gs7": {"/chat/": KEPT}}
LOGGED_OUT = "You are not logged in any more: you have logged out, here or in another tab."
REFUSED = {"event": "error", "code": "too_many", "detail": "Too fast."}


async def here(chat, *names):  # noqa: F811
    """Let the page hear who is here, and return what its list says."""
    await chat.hear({"event": "users", "users": names})
    return await chat.root.locator(".users li").all_text_contents()


@check("wire", **USERS)
async def test_a_guest_is_told_what_to_do(chat):  # noqa: F811
    """Who has no name has no field but the way to the log-in, and is promised nothing about what was typed."""
    form, guest = chat.root.locator("form"), chat.root.locator(".guest")
    await expect(form).to_be_visible()
    await expect(guest).to_be_hidden()
    await chat.welcome(None)
    await chat.expect_state("open", "connected, listening", "You hear all that is said here.")
    await expect(form).to_be_hidden()
    await expect(guest).to_be_visible()
    assert await here(chat, "ann", "bob") == ["ann", "bob"]
    await expect(chat.root.locator(".users button")).to_have_count(0)
    await chat.end(1001)
    await expect(chat.hint).to_have_text(
        "The connection ended with 1001, one side is going away: the server stops, or the page was left: "
        "next try in 0.4 s."
    )
    await chat.wait(375)
    await chat.welcome()
    await expect(form).to_be_visible()
    await expect(guest).to_be_hidden()
    assert await here(chat, "ann", "bob") == ["ann (you)", "bob"]


@check("wire", **USERS)
@pytest.mark.parametrize(
    ("name", "code", "words", "hint", "is_guest"),
    [
        (None, 4401, "not logged in", "This room is private, and you are not logged in.", True),
        (
            "ann",
            4401,
            "not logged in",
            LOGGED_OUT,
            True,
        ),
        (
            "ann",
            4403,
            "no member",
            "This room is private, and you are no member of it. Whoever runs this site can make you one.",
            False,
        ),
    ],
)
async def test_who_is_not_let_in_is_told_why(open_chat, name, code, words, hint, is_guest):  # noqa: F811
    """Who is not let in is told why and does not try again; what was typed stays in sight, an empty field goes."""
    for typed in ("", "half a word"):
        chat = await open_chat()  # noqa: F811
        await chat.welcome(name)
        await chat.field.evaluate(f"(field) => (field.value = '{typed}')")
        await chat.end(code)
        await chat.expect_state("closed", words, hint)
        await expect(chat.root.locator("form")).to_be_visible(visible=bool(typed))
        await expect(chat.root.locator(".guest")).to_be_visible(visible=is_guest)
        # "You are ann", which a page of nobody does not say.
        await expect(chat.page.locator(".account")).to_be_visible(visible=not (name and is_guest))
        await chat.wait(60_000)
        assert await chat.sockets() == 1


@check("wire", **GENERIC)
async def test_typing_lasts_three_seconds(chat):  # noqa: F811
    """Who is typing, for three seconds after the last one heard of it; of many it is enough that they are."""
    typing = chat.root.locator(".typing")

    async def types(name):
        await chat.hear({"event": "typing", "from": name})

    await types("ann")
    await expect(typing).to_be_empty()
    for name, words in (
        ("bob", "bob is typing…"),
        ("cid", "bob and cid are typing…"),
        ("dan", "bob, cid, and dan are typing…"),
        ("eve", "Several people are typing…"),
    ):
        await types(name)
        await expect(typing).to_have_text(words)
    await chat.hear({"event": "leave", "from": "eve"}, message(1, name="dan"))
    await expect(typing).to_have_text("bob and cid are typing…")
    await chat.wait(1000)
    await types("bob")
    await chat.wait(1999)
    await expect(typing).to_have_text("cid and bob are typing…")
    await chat.wait(1)
    await expect(typing).to_have_text("bob is typing…")
    await chat.wait(999)
    await expect(typing).to_have_text("bob is typing…")
    await chat.wait(1)
    await expect(typing).to_be_empty()
    await types("bob")
    await types("cid")
    await chat.end(1006)
    await expect(typing).to_be_empty()


@check("wire", **GENERIC)
async def test_typing_is_told_once_a_second(chat):  # noqa: F811
    """That I type is told at once, then once a second; after a message anew, and never of what is for one alone."""

    async def told():
        """Return how often it was told since the last time, and to how many sockets."""
        count = "(({ sent }) => sent.splice(0).map(JSON.parse).filter((frame) => frame.typing === true).length)"
        return await chat.page.evaluate(f"sockets.map({count})")

    await here(chat, "ann", "bob")
    await chat.field.fill("a")
    await chat.wait(999)
    await chat.field.fill("ab")
    assert await told() == [1]
    await chat.wait(1)
    await chat.field.fill("abc")
    assert await told() == [1]
    await chat.field.press("Enter")
    await chat.field.fill("d")
    assert await told() == [1]
    await chat.wait(2000)
    await chat.field.fill("")
    assert await told() == [0]
    await chat.to.select_option("bob")
    await chat.field.fill("e")
    assert await told() == [0]
    await chat.to.select_option("everyone")
    await chat.end(1006)
    await chat.field.fill("ef")
    await chat.wait(375)
    await chat.field.fill("efg")
    assert await told() == [0, 0], "there is no connection yet"


@check("wire", **GENERIC)
async def test_it_always_says_whom_one_writes_to(chat):  # noqa: F811
    """Whom the next message is for stands beside the field, in its hint and in the list, as long as it is so."""
    options = chat.to.locator("option")

    async def expect_to(name):
        await expect(chat.to).to_have_value(name)
        await expect(chat.root.locator(".to-whom")).to_have_text(f"to {name} alone" if name else "")
        await expect(chat.hint).to_have_text(f"Enter sends, to {name} alone." if name else "Enter sends.")
        assert await chat.root.evaluate("(chat) => chat.classList.contains('private')") == bool(name)

    await here(chat, "ann", "bob", "cid")
    await expect_to("")
    await expect(options).to_have_text(["everyone", "bob", "cid"])
    button = chat.root.locator(".users").get_by_role("button", name="bob")
    await expect(button).to_have_attribute("title", "Write to bob alone")
    await expect(button).to_have_class("small")
    await chat.field.fill("half a word")
    await button.click()
    await expect(chat.field).to_be_focused()
    await expect_to("bob")
    assert await chat.sent() == [], "the button sends nothing"
    await here(chat, "ann", "cid")
    await expect_to("bob")
    await expect(options).to_have_text(["everyone", "cid", "bob (not here)"])
    await chat.field.press("Enter")
    await chat.to.select_option("everyone")
    await expect_to("")
    await chat.say("for all")
    assert await chat.sent() == [{"msg": "half a word", "to": "bob"}, {"msg": "for all"}]
    await chat.end(1006)
    lost = await chat.hint.text_content()
    await chat.to.select_option("cid")
    await expect(chat.hint).to_have_text(lost)
    await chat.wait(375)
    assert await chat.page.evaluate("sockets.at(-1).protocol") == "chat.v1"
    await chat.welcome()
    await expect_to("cid")


@check("wire", **GENERIC)
async def test_a_private_line_says_for_whom_it_is(chat):  # noqa: F811
    """A private message says for whom it is, and where it was said, and can be answered by whom it has reached."""
    await chat.hear(
        message(1, "psst", to="ann"),
        message(2, "yes?", name="ann", to="bob"),
        message(3, "over here", to="ann", group="attic"),
        message(4, "all right", name="ann", to="bob", group="attic"),
        {"event": "notice", "msg": "we close", "at": "2026-03-02T12:00:00+00:00"},
    )
    time = "time: 12:00"
    assert await chat.lines() == [
        ["private", "line", "who: bob", "note: private, to you", "said: psst", time, "small: Reply"],
        ["private", "line own", "who: you", "note: private, to bob", "said: yes?", time],
        ["private", "line", "who: bob", "note: private, to you, in attic", "said: over here", time, "small: Reply"],
        ["private", "line own", "who: you", "note: private, to bob, in attic", "said: all right", time],
        ["notice", "line", "who: notice", "said: we close", time],
    ]
    await expect(chat.log.locator("> *").first).to_have_text("bob private, to you psst 12:00 Reply")
    await chat.log.get_by_role("button", name="Reply").first.click()
    await expect(chat.to).to_have_value("bob")
    # The history that comes after a reconnect is this room's.
    await chat.hear({"event": "history", "messages": [message(number) for number in range(5, 52)]})
    await chat.end_and_come_back()
    assert (await chat.page.evaluate("sockets.at(-1).url")).endswith("?after=0")
    await chat.hear(message(52))
    await chat.end_and_come_back()
    assert (await chat.page.evaluate("sockets.at(-1).url")).endswith("?after=1")


@check("wire", **GENERIC)
async def test_what_was_for_one_goes_back_to_that_one(chat):  # noqa: F811
    """What was refused is back in the field only if the same is written to; and another's copy confirms nothing."""
    await here(chat, "ann", "bob")
    await chat.to.select_option("bob")
    await chat.say("secret")
    await chat.hear(REFUSED)
    await expect(chat.field).to_have_value("secret")
    await chat.field.press("Enter")
    await chat.to.select_option("everyone")
    await chat.hear(REFUSED)
    await expect(chat.field).to_have_value("")
    assert (await chat.said())[-1] == "not sent: Too fast. It was: “secret”"
    await chat.to.select_option("bob")
    await chat.say("the same")
    await chat.hear(message(1, "the same", name="ann"))
    await chat.end(1006)
    assert (await chat.said())[-1] == "lost?: Nobody has confirmed “the same”."
