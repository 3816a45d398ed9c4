"use strict";
// The experiment: how long does one connection leave a "stop" waiting while it counts?

function startTurn(card) {
  const log = card.querySelector(".frames");
  const verdict = card.querySelector(".verdict");
  let socket;

  function end(sentence) {
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
    verdict.textContent = sentence;
  }

  function send(text) {
    socket.send(text);
    addToLog(log, "sent", "text", text);
  }

  function run(command) {
    if (socket) end("");
    log.replaceChildren();
    verdict.textContent = `Sending “${command}”…`;
    let stoppedAt;
    socket = new WebSocket(socketUrl(card.dataset.path));
    socket.onopen = () => send(command);
    socket.onclose = ({ code }) => end(`The socket was closed with code ${code}: ${meaning(code)}.`);
    socket.onmessage = ({ data }) => {
      addToLog(log, "received", "text", data);
      if (data === "1") {
        stoppedAt = performance.now();
        send("stop");
      } else if (!/^\d+$/.test(data)) {
        end(stoppedAt ? `“${command}”: stop was answered after ${secondsSince(stoppedAt)}, with “${data}”.` : `Got “${data}”`);
      }
    };
  }

  for (const button of card.querySelectorAll("button")) button.addEventListener("click", () => run(button.value));
}

document.querySelectorAll(".turn").forEach(startTurn);
