"use strict";
// A panel: one WebSocket, what state it is in, and a log of what went through it.

const KEPT = 200;
const MEANINGS = {
  1000: "a normal end",
  1001: "one side is going away: the server stops, or the page was left",
  1005: "closed without a code",
  1006: "lost or never accepted, without a close frame (is the server running? see its terminal)",
  1009: "a message was too big for the other side",
  1011: "the server failed (its terminal shows the traceback)",
  4013: "the server cannot reach its channel layer or database, try again later (are Redis and the database running?)",
};

function meaning(code) {
  return MEANINGS[code] ?? "a code that this page does not know";
}

function socketUrl(path) {
  // http: becomes ws:, https: becomes wss:, and host and port stay those of the page.
  return location.origin.replace(/^http/, "ws") + path;
}

function secondsSince(start) {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}

// A disabled button loses the focus, and a keyboard would start again at the top of the page.
function swap(enabled, disabled) {
  enabled.disabled = false;
  if (document.activeElement === disabled) enabled.focus();
  disabled.disabled = true;
}

function readable(data) {
  if (typeof data === "string") {
    const characters = [...data];
    if (characters.length <= 300) return data || "(empty)";
    return `${characters.slice(0, 300).join("")}… (${characters.length.toLocaleString("en")} characters)`;
  }
  const bytes = new Uint8Array(data);
  if (!bytes.length) return "(empty)";
  const hex = Array.from(bytes.subarray(0, 48), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const unit = bytes.length === 1 ? "byte" : "bytes";
  return `${hex}${bytes.length > 48 ? " …" : ""} · ${bytes.length.toLocaleString("en")} ${unit}`;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  // Never innerHTML: what comes out of a socket was written by somebody else.
  made.textContent = text;
  return made;
}

function addToLog(log, direction, kind, data) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const now = new Date();
  const time = `${now.toTimeString().slice(0, 8)}.${String(now.getMilliseconds()).padStart(3, "0")}`;
  const item = element("li", "", "");
  Object.assign(item.dataset, { direction, kind });
  item.append(
    element("time", "", time), " ",
    element("span", "direction", { sent: "→ sent", received: "← received", event: "· event" }[direction]), " ",
    element("span", "kind", kind === "binary" ? "bytes" : kind), " ",
    element("span", "payload", readable(data)),
  );
  log.append(item);
  if (log.children.length > KEPT) log.firstElementChild.remove();
  // Who scrolled up to read is left in peace.
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function startPanel(panel) {
  const find = (selector) => panel.querySelector(selector);
  const [state, connect, close, log, form] = ["[data-state]", ".connect", ".close", ".frames", "form"].map(find);
  let socket, started, opened, gaveUp, clock;

  function show(name, words, hint) {
    state.dataset.state = name;
    find(".words").textContent = words;
    find(".hint").textContent = hint;
    const isOpen = name === "open";
    clearInterval(clock);
    find(".clock").textContent = "";
    if (!form) return;
    // The input stays enabled, so that a "bye" does not take the focus away from it.
    if (!isOpen && document.activeElement?.matches("button") && form.contains(document.activeElement)) close.focus();
    for (const button of form.querySelectorAll("button")) button.disabled = !isOpen;
    find(".reason").textContent = isOpen ? "Enter sends as text." : "Nothing can be sent: the connection is not open.";
  }

  function whyNeverOpen() {
    const waited = secondsSince(started);
    if (gaveUp) return `You gave up after ${waited}, before the server had answered.`;
    // Refused comes at once, unanswered takes its time.
    const unanswered = performance.now() - started > 1000 && panel.dataset.unanswered;
    if (unanswered) return unanswered.replace("{time}", waited);
    return `The handshake failed after ${waited}. Is the server running, and free to answer? Look at its terminal.`;
  }

  // Firefox keeps over a reload what was disabled.
  swap(connect, close);
  connect.addEventListener("click", () => {
    started = performance.now();
    opened = gaveUp = false;
    socket = new WebSocket(socketUrl(panel.dataset.path));
    // Otherwise bytes come as a Blob, which can only be read later.
    socket.binaryType = "arraybuffer";
    show("connecting", "connecting…", panel.dataset.connecting ?? "The handshake is on its way. The server has not answered it yet.");
    swap(close, connect);
    addToLog(log, "event", "handshake", `asking for ${socket.url}`);
    clock = setInterval(() => (find(".clock").textContent = secondsSince(started)), 100);
    socket.addEventListener("open", () => {
      opened = true;
      show("open", "open", "The server has accepted. Frames can go both ways.");
      addToLog(log, "event", "open", "the server has accepted");
    });
    socket.addEventListener("message", ({ data }) => {
      addToLog(log, "received", typeof data === "string" ? "text" : "binary", data);
      find(".spoken").textContent = `received: ${readable(data)}`;
    });
    socket.addEventListener("error", () => {
      addToLog(log, "event", "error", "a script is not told why: see the server's terminal");
    });
    socket.addEventListener("close", ({ code, reason }) => {
      state.dataset.code = code;
      show("closed", `closed, code ${code}`, opened ? `${code}: ${meaning(code)}.` : whyNeverOpen());
      swap(connect, close);
      addToLog(log, "event", "close", `${code} · ${meaning(code)}${reason && ` (“${reason}”)`}`);
    });
  });

  close.addEventListener("click", () => {
    gaveUp = !opened;
    show("closing", "closing", "The close is on its way to the server.");
    socket.close(1000);
  });

  find(".clear").addEventListener("click", () => log.replaceChildren());

  function send(data) {
    if (socket?.readyState !== WebSocket.OPEN) return;
    socket.send(data);
    addToLog(log, "sent", typeof data === "string" ? "text" : "binary", data);
  }

  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    const input = find("input");
    // Enter counts as a press of the first button, which sends text.
    send(event.submitter?.value === "bytes" ? new TextEncoder().encode(input.value) : input.value);
    // The next word typed replaces this one, and the same can be sent again.
    if (document.activeElement === input) input.select();
  });
}

document.querySelectorAll(".panel").forEach(startPanel);
