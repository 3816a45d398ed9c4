window.sockets = [];
window.WebSocket = class extends EventTarget {
  static OPEN = 1;
  static CLOSING = 2;
  readyState = 0;
  sent = [];
  closes = [];
  constructor(url, protocol) {
    super();
    Object.assign(this, { url, protocol });
    sockets.push(this);
    if (window.socketsOpen) setTimeout(() => this.open());
  }
  happens(event) {
    this.dispatchEvent(event);
    this[`on${event.type}`]?.(event);
  }
  open() {
    this.readyState = WebSocket.OPEN;
    this.happens(new Event("open"));
  }
  hear(...all) {
    for (const data of all) this.happens(new MessageEvent("message", { data }));
  }
  end(code, reason) { this.happens(new CloseEvent("close", { code, reason })); }
  send(data) { this.sent.push(data); }
  close(code) { this.closes.push(code); }
};
