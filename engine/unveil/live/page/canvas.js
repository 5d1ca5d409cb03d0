// The canvas with the protected picture, and the media stream of it.

/** Shows protected frames; keeps the last one until the next. */
export class ProtectedCanvas {
  #canvas;
  #context;
  #writers = new Set();
  #timestamp = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false });
  }

  /** Draw a protected VideoFrame; the caller closes it. */
  show(frame) {
    const { displayWidth: width, displayHeight: height } = frame;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
      this.#canvas.dispatchEvent(new CustomEvent("sizechange", { detail: { width, height } }));
    }
    this.#context.drawImage(frame, 0, 0);
    this.#timestamp = frame.timestamp;
    for (const writer of this.#writers) write(writer, frame.clone());
  }

  /** Show nothing: an even dark grey. */
  blank() {
    this.#context.fillStyle = "#202428";
    this.#context.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    for (const writer of this.#writers) write(writer, this.#asFrame());
  }

  /** The picture as a PNG. */
  toBlob() {
    return new Promise((resolve) => this.#canvas.toBlob(resolve, "image/png"));
  }

  /**
   * A media stream of what the canvas shows, until `release` is called.
   *
   * Where there is MediaStreamTrackGenerator, the stream goes on in a hidden tab, in which
   * browsers stop capturing a canvas.
   *
   * @returns {{stream: MediaStream, release: () => void}}
   */
  capture() {
    if (!("MediaStreamTrackGenerator" in window)) {
      const stream = this.#canvas.captureStream();
      return { stream, release: () => stream.getTracks().forEach((track) => track.stop()) };
    }
    const track = new MediaStreamTrackGenerator({ kind: "video" });
    const writer = track.writable.getWriter();
    this.#writers.add(writer);
    write(writer, this.#asFrame());
    const release = () => {
      this.#writers.delete(writer);
      writer.close().catch(() => {});
      track.stop();
    };
    return { stream: new MediaStream([track]), release };
  }

  #asFrame() {
    this.#timestamp += 1;
    return new VideoFrame(this.#canvas, { timestamp: this.#timestamp });
  }
}

function write(writer, frame) {
  if (writer.desiredSize > 0) writer.write(frame).catch(() => frame.close());
  else frame.close(); // whoever reads the stream is slower: the newest frame wins
}
