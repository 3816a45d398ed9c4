"use strict";
// Server-sent events: the browser asks once, comes back by itself, and says which event was its last.

function startStream(stream) {
  const find = (selector) => stream.querySelector(selector);
  const [state, connect, close, log] = ["[data-state]", ".connect", ".close", ".frames"].map(find);
  let source;

  function show(name, words, hint) {
    state.dataset.state = name;
    find(".words").textContent = words;
    find(".hint").textContent = hint;
    if (name === "closed" || name === "idle") swap(connect, close);
    else swap(close, connect);
  }

  connect.addEventListener("click", () => {
    source = new EventSource(stream.dataset.path);
    show("connecting", "connecting…", "The request is on its way.");
    source.addEventListener("open", () => show("open", "listening", "The response has begun. It ends when you stop, or the server does."));
    source.addEventListener("message", ({ data }) => addToLog(log, "received", "text", data));
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) show("closed", "refused", "The answer was no event stream. See the server's terminal for its status.");
      else show("connecting", "reconnecting…", "The response has ended. The browser asks again, and says which message was its last.");
    });
  });

  close.addEventListener("click", () => {
    source.close();
    show("idle", "not listening", "Stopped: the browser has closed the connection.");
  });

  find(".clear").addEventListener("click", () => log.replaceChildren());
}

document.querySelectorAll(".stream").forEach(startStream);
