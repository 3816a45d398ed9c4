"use strict";
// The chat: one WebSocket that comes back by itself, and a line for each frame.

const LINES_KEPT = 500;
const FIRST_PAUSE = 500; // milliseconds
const LONGEST_PAUSE = 10_000;
const OVERLAP = 50; // messages

function startChat(chat) {
  const find = (selector) => chat.querySelector(selector);
  const [state, log, form, hint] = ["[data-state]", "#chat-log", "form", "#hint"].map(find);
  const input = form.elements.message;
  // What we said and have not heard back: should the connection be lost, so may these be, until the history tells.
  const unheard = [];
  // The ids of the messages in the log: what was shown is not shown again.
  const shown = new Set();
  // After each reconnect we have another name.
  const names = new Set();
  let socket, hasHistory = false, failures = 0;

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

  function addLine(kind, who, said, own = false, at = undefined) {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    const line = element("span", own ? "line own" : "line", "");
    line.dataset.kind = kind;
    line.append(element("span", "who", who), " ", element("span", "said", said));
    if (at) line.append(" ", timeElement(at));
    log.append(line);
    if (log.children.length > LINES_KEPT) log.firstElementChild.remove();
    // Who scrolled up to read is left in peace.
    if (atEnd) log.scrollTop = log.scrollHeight;
    return line;
  }

  function addMessage({ id, at, from, msg }) {
    if (shown.has(id)) return;
    shown.add(id);
    const own = names.has(from);
    const confirmed = own ? unheard.findIndex((said) => said.msg === msg) : -1;
    if (confirmed >= 0) unheard.splice(confirmed, 1)[0].warning?.remove();
    const line = addLine("message", own ? "you" : from, msg, own, at);
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

  const onFrame = {
    welcome(frame) {
      failures = 0;
      names.add(frame.from);
      show("open", `connected as ${frame.from}`, "Enter sends.");
    },
    history(frame) {
      hasHistory = true;
      frame.messages.forEach(addMessage);
    },
    message: addMessage,
    join: (frame) => addLine("join", frame.from, "has come"),
    leave: (frame) => addLine("leave", frame.from, "has gone"),
    notice: (frame) => addLine("notice", "notice", frame.msg),
    error({ detail }) {
      // It is about what we said last, which goes back into the field, if nothing else has begun there.
      const last = unheard.findLastIndex((said) => !said.warning);
      const [refused] = last < 0 ? [] : unheard.splice(last, 1);
      const isBack = refused && !input.value;
      if (isBack) input.value = refused.msg;
      addLine("error", "not sent", refused && !isBack ? `${detail} It was: “${refused.msg}”` : detail);
    },
  };

  function connect() {
    socket = new WebSocket(socketUrl(chat.dataset.path) + whatIsMissing());
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(data);
      onFrame[frame.event]?.(frame);
    });
    socket.addEventListener("close", ({ code }) => {
      for (const said of unheard) said.warning ??= addLine("error", "lost?", `Nobody has confirmed “${said.msg}”.`);
      // Growing, so that a server in trouble is left alone; random, so that not all come back in the same moment.
      const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures) * (0.5 + Math.random() / 2);
      failures += 1;
      setTimeout(connect, pause);
      const next = `next try in ${(pause / 1000).toFixed(1)} s`;
      show("connecting", "reconnecting…", `The connection ended with ${code}, ${meaning(code)}: ${next}. What you type stays.`);
    });
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    input.focus();
    if (state.dataset.state !== "open" || !input.value.trim()) return;
    socket.send(JSON.stringify({ msg: input.value }));
    unheard.push({ msg: input.value });
    input.value = "";
  });

  connect();
}

document.querySelectorAll(".chat").forEach(startChat);
