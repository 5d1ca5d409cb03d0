// Recording and snapshots of the protected picture, saved as downloads.

const TYPES = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm", "video/mp4"];

/** Records a ProtectedCanvas, without sound. */
export class Recorder {
  #canvas;
  #recorder = null;

  constructor(canvas) {
    this.#canvas = canvas;
  }

  /** Why recording is impossible in this browser; "" if it is possible. */
  static get missing() {
    if (!("MediaRecorder" in window)) return "This browser lacks MediaRecorder.";
    if (!TYPES.some((type) => MediaRecorder.isTypeSupported(type))) {
      return "This browser records neither WebM nor MP4.";
    }
    return "";
  }

  get isOn() {
    return this.#recorder !== null;
  }

  /** Start; the file is saved when `stop` is called, or when recording fails. */
  start() {
    const { stream, release } = this.#canvas.capture();
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    const recorder = new MediaRecorder(stream, { mimeType, videoBitsPerSecond: 4_000_000 });
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const saved = new Promise((resolve) => {
      recorder.onstop = () => {
        this.#recorder = null;
        release();
        const extension = mimeType.startsWith("video/mp4") ? "mp4" : "webm";
        save(new Blob(parts, { type: mimeType }), extension);
        resolve();
      };
    });
    recorder.start(1000);
    this.#recorder = recorder;
    return saved;
  }

  stop() {
    this.#recorder?.stop();
  }
}

/** Save what the canvas shows. */
export async function saveSnapshot(canvas) {
  save(await canvas.toBlob(), "png");
}

function save(blob, extension) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  const now = new Date();
  const local = new Date(now.getTime() - 60_000 * now.getTimezoneOffset());
  link.download = `unveil-${local.toISOString().slice(0, 19).replace(/[:T]/g, "-")}.${extension}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
