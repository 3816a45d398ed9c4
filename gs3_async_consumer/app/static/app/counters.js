"use strict";
// The experiment: three sockets get the same number at once. When does each of them count?

function startCounters(card) {
  const find = (selector) => card.querySelector(selector);
  const [form, lanes, start, stop] = ["form", ".lanes", ".start", ".stop"].map(find);
  let sockets = [];
  let running = false;
  let sentAt;

  const elapsed = () => (performance.now() - sentAt) / 1000;
  const inWords = (seconds) => `${seconds.toFixed(1)} s`;

  function end(sentence) {
    running = false;
    for (const socket of sockets) {
      // What an old socket still has to say must not end the next run.
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
    }
    find(".verdict").textContent = sentence;
    swap(start, stop);
  }

  function drawUntil(now, last, pace = 1) {
    // Room for three counts one after another, so that every run is drawn to the same measure.
    const span = Math.max(now, sockets.length * last * pace);
    lanes.style.setProperty("--now", now);
    lanes.style.setProperty("--span", span);
    find(".span").textContent = inWords(span);
  }

  function verdict(ends) {
    const [one, all] = [ends[0].last, ends.at(-1).last];
    const figures = `${inWords(one)} for the first, ${inWords(all)} for all three.`;
    // By how far each was when another ended: how long each took is no measure where the computer is busy.
    if (ends.every(({ half }) => half < one)) return `Side by side: ${figures}`;
    if (ends.slice(1).every(({ half }, before) => half >= ends[before].last)) return `One after another: ${figures}`;
    return `Partly side by side: ${figures} Is there more than one server process?`;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (running) return;
    running = true;
    const last = Number(find("input").value);
    const ends = [];
    sentAt = 0;
    let pace;
    lanes.replaceChildren();
    // More numbers than this would lie on top of each other.
    lanes.classList.toggle("many", last > 5);
    find(".verdict").textContent = "Opening three sockets…";
    swap(stop, start);

    function begin() {
      sentAt = performance.now();
      find(".verdict").textContent = `All three are open and told “${last}”.`;
      for (const socket of sockets) socket.send(String(last));
      requestAnimationFrame(function draw() {
        if (!running) return;
        drawUntil(elapsed(), last, pace);
        requestAnimationFrame(draw);
      });
    }

    sockets = [1, 2, 3].map((number) => {
      const lane = element("li", "", "");
      const track = element("div", "track", "");
      const said = element("span", "", "waiting");
      const line = element("p", "", `socket ${number} `);
      let first, half;
      line.append(said);
      track.setAttribute("aria-hidden", "true");
      lane.append(line, track);
      lanes.append(lane);

      const socket = new WebSocket(socketUrl(card.dataset.path));
      // A sync counter that has begun leaves no thread for a handshake, so first all of them open.
      socket.onopen = () => sockets.every((each) => each.readyState === WebSocket.OPEN) && begin();
      socket.onclose = ({ code }) => end(sentAt
        ? `Ended early: socket ${number} was closed with code ${code}: ${meaning(code)}.`
        : `Socket ${number} was not accepted. Is the server running, or does a sync counter still keep its thread?`);
      socket.onmessage = ({ data }) => {
        if (data.startsWith("error:")) return end(`Socket ${number} got “${data}”`);
        const at = elapsed();
        first ??= at;
        pace ??= at;
        if (data === String(Math.ceil(last / 2))) half = at;
        const dot = element("i", "", data);
        dot.style.setProperty("--at", at);
        track.append(dot);
        said.textContent = `first number after ${inWords(first)}, last after ${inWords(at)}`;
        if (data !== String(last)) return;
        ends.push({ half, last: at });
        if (ends.length < sockets.length) return;
        drawUntil(at, last, pace);
        end(verdict(ends));
      };
      return socket;
    });
  });

  stop.addEventListener("click", () => end("Stopped: the three sockets are closed."));
}

document.querySelectorAll(".counters").forEach(startCounters);
