"use strict";
// The chat: one WebSocket that comes back by itself, and a line for each frame.

const LINES_KEPT = 500;
const FIRST_PAUSE = 500; // milliseconds
const LONGEST_PAUSE = 10_000;
const OVERLAP = 50; // messages
const TYPING_TOLD = 1000; // milliseconds: so often at most we tell that we are typing
const TYPING_LASTS = 3000; // milliseconds: so long we believe it of others
const SUBPROTOCOL = "chat.v1";
const NOT_LOGGED_IN = 4401;
const NO_MEMBER = 4403;

function startChat(chat) {
  const find = (selector) => chat.querySelector(selector);
  const [state, log, form, guest, hint] = ["[data-state]", "#chat-log", "form", ".guest", "#hint"].map(find);
  const { message: input, to } = form.elements;
  // What we said and have not heard back: should the connection be lost, so may these be, until the history tells.
  const unheard = [];
  // The ids of the messages in the log: what was shown is not shown again.
  const shown = new Set();
  // Who we are: the server has told us. Whoever is not logged in has no name.
  let me = null;
  // Who is typing, and the timer after which we no longer believe it.
  const typing = new Map();
  let socket, room, hasHistory = false, failures = 0, typingTold = -Infinity;

  function show(stateName, words, hintText) {
    state.dataset.state = stateName;
    find(".words").textContent = words;
    hint.textContent = hintText;
  }

  function timeElement(at) {
    const date = new Date(at);
    const isToday = date.toDateString() === new Date().toDateString();
    const made = element("time", "", date.toLocaleString([], isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" }));
    made.dateTime = at;
    return made;
  }

  function addLine(kind, who, said, { own = false, at, note, replyTo } = {}) {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    const line = element("span", own ? "line own" : "line", "");
    line.dataset.kind = kind;
    line.append(element("span", "who", who), " ");
    if (note) line.append(element("span", "note", note), " ");
    line.append(element("span", "said", said));
    if (at) line.append(" ", timeElement(at));
    if (replyTo) line.append(" ", nameButton(replyTo, "Reply"));
    log.append(line);
    if (log.children.length > LINES_KEPT) log.firstElementChild.remove();
    // Who scrolled up to read is left in peace.
    if (atEnd) log.scrollTop = log.scrollHeight;
    return line;
  }

  function addMessage({ id, at, from, msg, to, group = room }) {
    if (shown.has(id)) return;
    // A private message from another room finds us here, but it is not in this room's history.
    if (group === room) shown.add(id);
    const own = from === me;
    const confirmed = own ? unheard.findIndex((said) => said.msg === msg && said.to === to) : -1;
    if (confirmed >= 0) unheard.splice(confirmed, 1)[0].warning?.remove();
    setTyping(from, false);
    const note = to && `private, to ${to === me ? "you" : to}${group === room ? "" : `, in ${group}`}`;
    const line = addLine(to ? "private" : "message", own ? "you" : from, msg, { own, at, note, replyTo: to && !own && from });
    line.dataset.id = id;
    const later = [...log.children].find(({ dataset }) => Number(dataset.id) > id);
    if (later) log.insertBefore(line, later);
  }

  function whatIsMissing() {
    // A new page is shown the last messages.
    if (!hasHistory) return "";
    // Between two processes 8 may overtake 7, and the layer may lose 7: "all after 8" would leave it out for ever.
    return `?after=${[...shown].at(-OVERLAP) ?? 0}`;
  }

  function setTyping(name, isTyping) {
    clearTimeout(typing.get(name));
    typing.delete(name);
    if (isTyping && name !== me) typing.set(name, setTimeout(setTyping, TYPING_LASTS, name, false));
    const names = typing.size > 3 ? "Several people" : new Intl.ListFormat("en").format(typing.keys());
    find(".typing").textContent = names && `${names} ${typing.size > 1 ? "are" : "is"} typing…`;
  }

  // Whom the next message is for: a user, or "" for all in the room.
  function writeTo(name) {
    if (![...to.options].some((option) => option.value === name)) to.add(new Option(`${name} (not here)`, name));
    to.value = name;
    chat.classList.toggle("private", Boolean(name));
    find(".to-whom").textContent = name && `to ${name} alone`;
    if (state.dataset.state === "open") hint.textContent = howToSend();
  }

  function howToSend() {
    if (!me) return "You hear all that is said here.";
    return to.value ? `Enter sends, to ${to.value} alone.` : "Enter sends.";
  }

  function nameButton(name, words = name) {
    const button = element("button", "small", words);
    button.title = `Write to ${name} alone`;
    button.addEventListener("click", () => {
      writeTo(name);
      input.focus();
    });
    return button;
  }

  function showUsers(users) {
    find(".users ul").replaceChildren(...users.map((user) => {
      const item = element("li", "", user === me ? `${user} (you)` : "");
      if (user !== me) item.append(me ? nameButton(user) : user);
      return item;
    }));
    const chosen = to.value;
    const others = users.filter((user) => user !== me);
    to.replaceChildren(new Option("everyone", ""), ...others.map((user) => new Option(user)));
    // Whoever was chosen stays chosen, also when not here any more: what was meant for one must not go to all.
    writeTo(chosen);
  }

  const onFrame = {
    welcome(frame) {
      failures = 0;
      me = frame.from;
      room = frame.group;
      form.hidden = !me;
      guest.hidden = Boolean(me);
      show("open", me ? `connected as ${me}` : "connected, listening", howToSend());
    },
    history(frame) {
      hasHistory = true;
      frame.messages.forEach(addMessage);
    },
    message: addMessage,
    users: (frame) => showUsers(frame.users),
    typing: (frame) => setTyping(frame.from, true),
    join: (frame) => addLine("join", frame.from, "has come"),
    leave(frame) {
      setTyping(frame.from, false);
      addLine("leave", frame.from, "has gone");
    },
    notice: (frame) => addLine("notice", "notice", frame.msg, { at: frame.at }),
    error({ detail }) {
      // It is about what we said last, which goes back where it was written, if nothing else has begun there.
      const last = unheard.findLastIndex((said) => !said.warning);
      const [refused] = last < 0 ? [] : unheard.splice(last, 1);
      const isBack = refused && !input.value && refused.to === (to.value || undefined);
      if (isBack) input.value = refused.msg;
      addLine("error", "not sent", refused && !isBack ? `${detail} It was: “${refused.msg}”` : detail);
    },
  };

  // The server means it: whoever tries again is refused again.
  function end(code) {
    // What was typed stays in sight.
    form.hidden = !input.value;
    if (code === NO_MEMBER) return show("closed", "no member", "This room is private, and you are no member of it. Whoever runs this site can make you one.");
    guest.hidden = false;
    if (!me) return show("closed", "not logged in", "This room is private, and you are not logged in.");
    // "You are ann" is true no more.
    document.querySelector(".account").hidden = true;
    show("closed", "not logged in", "You are not logged in any more: you have logged out, here or in another tab.");
  }

  function connect() {
    socket = new WebSocket(socketUrl(chat.dataset.path) + whatIsMissing(), SUBPROTOCOL);
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(data);
      onFrame[frame.event]?.(frame);
    });
    socket.addEventListener("close", ({ code }) => {
      for (const name of typing.keys()) setTyping(name, false);
      for (const said of unheard) said.warning ??= addLine("error", "lost?", `Nobody has confirmed “${said.msg}”.`);
      if (code === NOT_LOGGED_IN || code === NO_MEMBER) return end(code);
      // Growing, so that a server in trouble is left alone; random, so that not all come back in the same moment.
      const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures) * (0.5 + Math.random() / 2);
      failures += 1;
      setTimeout(connect, pause);
      const next = `next try in ${(pause / 1000).toFixed(1)} s`;
      const typed = form.hidden ? "" : " What you type stays.";
      show("connecting", "reconnecting…", `The connection ended with ${code}, ${meaning(code)}: ${next}.${typed}`);
    });
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    input.focus();
    if (state.dataset.state !== "open" || !input.value.trim()) return;
    const said = { msg: input.value, to: to.value || undefined };
    socket.send(JSON.stringify(said));
    unheard.push(said);
    input.value = "";
    typingTold = -Infinity;
  });

  input.addEventListener("input", () => {
    // What is for one alone is nobody else's business, not even that it is being written.
    if (state.dataset.state !== "open" || !input.value || to.value || performance.now() - typingTold < TYPING_TOLD) return;
    typingTold = performance.now();
    socket.send(JSON.stringify({ typing: true }));
  });

  to.addEventListener("change", () => writeTo(to.value));

  connect();
}

document.querySelectorAll(".chat").forEach(startChat);
