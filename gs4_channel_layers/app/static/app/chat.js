"use strict";
// The chat: one WebSocket that comes back by itself, and a line for each frame.

const LINES_KEPT = 500;
const FIRST_PAUSE = 500; // milliseconds
const LONGEST_PAUSE = 10_000;

function startChat(chat) {
  const find = (selector) => chat.querySelector(selector);
  const [state, log, form, hint] = ["[data-state]", "#chat-log", "form", "#hint"].map(find);
  const input = form.elements.message;
  // What we said and have not heard back: should the connection be lost, so may these be.
  const unheard = [];
  let socket, name, failures = 0;

  function show(stateName, words, hintText) {
    state.dataset.state = stateName;
    find(".words").textContent = words;
    hint.textContent = hintText;
  }

  function addLine(kind, who, said, own = false) {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    const line = element("span", own ? "line own" : "line", "");
    line.dataset.kind = kind;
    line.append(element("span", "who", who), " ", element("span", "said", said));
    log.append(line);
    if (log.children.length > LINES_KEPT) log.firstElementChild.remove();
    // Who scrolled up to read is left in peace.
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  const onFrame = {
    welcome(frame) {
      failures = 0;
      name = frame.from;
      show("open", `connected as ${name}`, "Enter sends.");
    },
    message(frame) {
      const own = frame.from === name;
      if (own) unheard.splice(unheard.indexOf(frame.msg), 1);
      addLine("message", own ? "you" : frame.from, frame.msg, own);
    },
    join: (frame) => addLine("join", frame.from, "has come"),
    leave: (frame) => addLine("leave", frame.from, "has gone"),
    notice: (frame) => addLine("notice", "notice", frame.msg),
    error: (frame) => addLine("error", "not sent", frame.detail),
  };

  function connect() {
    socket = new WebSocket(socketUrl(chat.dataset.path));
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(data);
      onFrame[frame.event]?.(frame);
    });
    socket.addEventListener("close", ({ code }) => {
      for (const msg of unheard.splice(0)) addLine("error", "lost?", `Nobody has confirmed “${msg}”.`);
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
    unheard.push(input.value);
    input.value = "";
  });

  connect();
}

document.querySelectorAll(".chat").forEach(startChat);
