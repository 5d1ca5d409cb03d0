// Camera -> session -> canvas, and how long each step takes.

import { framesOf } from "./camera.js";
import { FramePacker, defaultMatrix, readHeader, unpack } from "./frames.js";

const RECENT_MS = 10_000;

/**
 * Sends the frames of a track to a session, and shows the answers on a canvas.
 *
 * Only answers are ever shown: a camera frame has no way to the canvas.
 */
export class Pipeline {
  /** Called after each protected frame that was shown. */
  onShown = () => {};

  #session;
  #canvas;
  #stop = null;
  #matrix = null;
  #times = [];
  #glass = [];
  #shown = 0;
  #shownBefore = 0;
  #dropped = 0;
  #sent = 0;
  #since = performance.now();
  #lastShown = -Infinity;

  constructor(session, canvas) {
    this.#session = session;
    this.#canvas = canvas;
    session.addEventListener("frame", ({ detail }) => this.#show(detail));
    session.addEventListener("state", ({ detail }) => (this.#matrix = detail.settings.matrix));
  }

  /** Send the frames of a track until it ends, or until `stop`. */
  async run(track, limits) {
    this.stop();
    const stop = new AbortController();
    this.#stop = stop;
    const packer = new FramePacker(limits);
    for await (const frame of framesOf(track, stop.signal)) {
      const readable = performance.now();
      try {
        if (this.#session.credit > 0) await this.#send(packer, frame, readable);
        else if (this.#session.isOpen) this.#dropped++;
      } finally {
        frame.close();
      }
    }
  }

  /** Stop sending; answers to frames on their way are not shown any more. */
  stop() {
    this.#stop?.abort();
    this.#stop = null;
  }

  /** Milliseconds since a protected frame was shown. */
  get silenceMs() {
    return performance.now() - this.#lastShown;
  }

  /**
   * Figures of the time since the last call; the 95th percentile is of the last ten seconds.
   *
   * "Glass" is from a camera frame that can be read to its protected twin in the canvas. A time is
   * null if no frame was shown; `shown`, `sent` and `dropped` are totals.
   */
  takeFigures() {
    const now = performance.now();
    this.#glass = this.#glass.filter(({ at }) => now - at < RECENT_MS);
    const figures = {
      frames_per_second: (1000 * (this.#shown - this.#shownBefore)) / (now - this.#since),
      glass_ms_median: quantile(this.#times.map((time) => time.glass), 0.5),
      glass_ms_p95: quantile(this.#glass.map(({ glass }) => glass), 0.95),
      copy_ms: quantile(this.#times.map((time) => time.copy), 0.5),
      draw_ms: quantile(this.#times.map((time) => time.draw), 0.5),
      shown: this.#shown,
      sent: this.#sent,
      dropped: this.#dropped,
    };
    this.#times = [];
    this.#shownBefore = this.#shown;
    this.#since = now;
    return figures;
  }

  async #send(packer, frame, readable) {
    const session = this.#session;
    const sequence = session.reserve();
    let packed;
    try {
      packed = await packer.pack(frame, sequence);
    } catch (error) {
      session.release(sequence);
      throw error;
    }
    const { message, height, matrix, colorSpace } = packed;
    if (matrix !== (this.#matrix ?? defaultMatrix(height))) {
      this.#matrix = matrix;
      session.send({ type: "settings", matrix });
    }
    const copy = performance.now() - readable;
    const run = this.#stop;
    if (session.sendFrame(sequence, message, { colorSpace, readable, copy, run })) this.#sent++;
  }

  #show({ buffer, colorSpace, readable, copy, run }) {
    if (readHeader(buffer).width === 0) {
      this.#dropped++; // the process refused the frame, or took a newer one instead
      return;
    }
    if (run !== this.#stop || run === null) return;
    const arrived = performance.now();
    const frame = unpack(buffer, colorSpace);
    try {
      this.#canvas.show(frame);
    } finally {
      frame.close();
    }
    const now = performance.now();
    this.#lastShown = now;
    this.#shown++;
    this.onShown();
    const glass = now - readable;
    this.#times.push({ glass, copy, draw: now - arrived });
    this.#glass.push({ glass, at: now });
  }
}

function quantile(values, q) {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}
