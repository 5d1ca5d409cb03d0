// The connection to the process: messages, credit for two frames, and reconnection.

/** Frames that may be unanswered at a time: newer frames are dropped, so the delay never grows. */
export const CREDIT = 2;

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5000;
const STALL_MS = 4000;
const GIVE_UP_MS = 10000;

/**
 * A WebSocket session that reconnects by itself.
 *
 * Events, each with `detail`:
 *
 * - "connection": `{status, message, retryMs}`; status is "connecting", "open", "stalled" (open,
 *   but frames are not answered), "lost", "taken" (another page has the session) or "refused".
 * - "frame": `{buffer, ...what send_frame was given}`, one for each frame that was sent.
 * - "state", "figures", "meter", "error": the message of that type.
 */
export class Session extends EventTarget {
  #address;
  #socket = null;
  #sequence = 0;
  #unanswered = new Map();
  #retryMs = FIRST_RETRY_MS;
  #retryTimer = null;
  #stallTimer = null;
  #closed = false;
  #status = "closed";
  #lostBecause = "";
  #dueSince = 0;

  /** @param {string|URL} address of the server; the page's own by default. */
  constructor(address = window.location.origin) {
    super();
    this.#address = new URL("/session", address);
  }

  get status() {
    return this.#status;
  }

  /** How many frames may be sent now. */
  get credit() {
    return this.isOpen ? CREDIT - this.#unanswered.size : 0;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    this.#closed = false;
    clearTimeout(this.#retryTimer);
    this.#setStatus("connecting");
    const address = new URL(this.#address);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.#lostBecause = "";
      this.#setStatus("open");
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = (event) => this.#onClose(socket, opened, event);
    this.#socket = socket;
  }

  /** Close for good: no reconnection follows. */
  close() {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    clearInterval(this.#stallTimer);
    this.#socket?.close();
    this.#setStatus("closed");
  }

  /** Send a JSON message; false if there is no connection. */
  send(message) {
    if (!this.isOpen) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Take a sequence number, and with it one of the credits, before the frame is packed. */
  reserve() {
    this.#sequence = (this.#sequence + 1) >>> 0;
    if (this.#unanswered.size === 0) this.#dueSince = performance.now();
    this.#unanswered.set(this.#sequence, null);
    return this.#sequence;
  }

  /** Give a reserved number back, because its frame could not be packed. */
  release(sequence) {
    this.#unanswered.delete(sequence);
  }

  /** Send a packed frame; `about` comes back with the answer. False if the connection went. */
  sendFrame(sequence, message, about) {
    if (!this.isOpen || !this.#unanswered.has(sequence)) {
      this.#unanswered.delete(sequence);
      return false;
    }
    this.#unanswered.set(sequence, about);
    this.#socket.send(message);
    return true;
  }

  #receive(data) {
    if (data instanceof ArrayBuffer) {
      const sequence = new DataView(data).getUint32(0, true);
      const about = this.#unanswered.get(sequence);
      if (!about) return; // of a frame that this page did not send
      this.#unanswered.delete(sequence);
      this.#dueSince = performance.now();
      if (this.#status === "stalled") this.#setStatus("open");
      this.#emit("frame", { buffer: data, ...about });
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "state") this.#retryMs = FIRST_RETRY_MS;
    if (["state", "figures", "meter", "error"].includes(message.type)) {
      this.#emit(message.type, message);
    }
  }

  async #onClose(socket, opened, event) {
    if (socket !== this.#socket) return;
    this.#unanswered.clear();
    if (this.#closed) return;
    const retryMs = this.#retryMs;
    this.#retryMs = Math.min(2 * retryMs, LAST_RETRY_MS);
    if (opened) this.#lostBecause = event.reason;
    const [status, message] = opened ? this.#loss() : await this.#reasonOfRefusal();
    if (this.#closed || socket !== this.#socket) return;
    this.#setStatus(status, message, retryMs);
    this.#retryTimer = setTimeout(() => this.connect(), retryMs);
  }

  /** A browser hides why a WebSocket was refused; a plain request to the same address says it. */
  async #reasonOfRefusal() {
    try {
      const answer = await fetch(this.#address, { cache: "no-store" });
      const text = (await answer.text()).trim().slice(0, 300);
      if (answer.status === 409) return ["taken", text];
      if (answer.status === 401 || answer.status === 403) return ["refused", text];
      return this.#loss();
    } catch {
      return this.#loss();
    }
  }

  /** What the server said as it closed stays true while every new try fails. */
  #loss() {
    return ["lost", this.#lostBecause];
  }

  #watch() {
    clearInterval(this.#stallTimer);
    this.#stallTimer = setInterval(() => {
      if (!this.isOpen || this.#unanswered.size === 0) return;
      const waitedMs = performance.now() - this.#dueSince;
      if (waitedMs > GIVE_UP_MS) this.#drop();
      else if (waitedMs > STALL_MS && this.#status === "open") this.#setStatus("stalled");
    }, 500);
  }

  /** Leave a connection that does not answer: its own closing handshake could take minutes. */
  #drop() {
    const socket = this.#socket;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
    this.#onClose(socket, true, { reason: "" });
  }

  #setStatus(status, message = "", retryMs = 0) {
    this.#status = status;
    if (status === "open") this.#watch();
    this.#emit("connection", { status, message, retryMs });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
