// Camera frames as binary messages, and binary messages as frames.
//
// A message is a header of 16 bytes, little-endian (u32 sequence, u16 width, u16 height, f64
// timestamp in microseconds), and the I420 planes: Y of w * h bytes, U and V of w/2 * h/2 each. An
// answer of 0 x 0 is a header alone: there is nothing to show.

export const HEADER_BYTES = 16;

/** Number of bytes of a message with a frame of this size. */
export function messageBytes(width, height) {
  return HEADER_BYTES + (width * height * 3) / 2;
}

/** Largest even size within limits that has the proportions of `width` x `height`. */
export function fittedSize(width, height, limits) {
  const scale = Math.min(1, limits.max_width / width, limits.max_height / height);
  const even = (length) => 2 * Math.floor((length * scale) / 2);
  return { width: even(width), height: even(height) };
}

/** Packs VideoFrames into messages; one call at a time. */
export class FramePacker {
  #canvas = null;
  #context = null;
  #limits;

  constructor(limits) {
    this.#limits = limits;
  }

  /**
   * Copy a frame into a message.
   *
   * The frame is not closed. I420 and NV12 are copied as they are, cropped to an even size; every
   * other format, and a frame that is rotated or larger than the limits, is drawn and converted.
   *
   * @returns {Promise<{message: Uint8Array, height: number, matrix: "bt601"|"bt709",
   *   colorSpace: object}>} `colorSpace` is what a VideoFrame of the planes needs to be shown in the
   *   right colours.
   */
  async pack(frame, sequence) {
    const upright = !frame.rotation && !frame.flip;
    const { width, height } = upright ? frame.visibleRect : uprightSize(frame);
    const size = fittedSize(width, height, this.#limits);
    const unscaled = upright && width - size.width < 2 && height - size.height < 2;
    const planar = frame.format === "I420" || frame.format === "NV12";
    if (unscaled && planar) return this.#copied(frame, size, sequence);
    return this.#drawn(frame, size, sequence);
  }

  async #copied(frame, { width, height }, sequence) {
    const nv12 = frame.format === "NV12";
    const luma = width * height;
    const chroma = luma / 4;
    const bytes = messageBytes(width, height);
    // The interleaved chroma of NV12 is copied behind the message, and taken apart into it.
    const buffer = new ArrayBuffer(nv12 ? bytes + 2 * chroma : bytes);
    const { x, y } = frame.visibleRect;
    const layout = [{ offset: HEADER_BYTES, stride: width }];
    if (nv12) {
      layout.push({ offset: bytes, stride: width });
    } else {
      layout.push({ offset: HEADER_BYTES + luma, stride: width / 2 });
      layout.push({ offset: HEADER_BYTES + luma + chroma, stride: width / 2 });
    }
    await frame.copyTo(buffer, { rect: { x, y, width, height }, layout });
    const message = new Uint8Array(buffer, 0, bytes);
    if (nv12) {
      splitChroma(
        new Uint8Array(buffer, bytes),
        message.subarray(HEADER_BYTES + luma, HEADER_BYTES + luma + chroma),
        message.subarray(HEADER_BYTES + luma + chroma),
      );
    }
    const matrix = matrixOf(frame.colorSpace, height);
    if (frame.colorSpace.fullRange) limitRange(message, luma);
    writeHeader(buffer, sequence, width, height, frame.timestamp);
    return { message, height, matrix, colorSpace: colorSpaceOf(frame.colorSpace, matrix) };
  }

  #drawn(frame, { width, height }, sequence) {
    if (this.#canvas?.width !== width || this.#canvas?.height !== height) {
      // A canvas of its own, which is never in the page: what is drawn here is not protected.
      this.#canvas = new OffscreenCanvas(width, height);
      this.#context = this.#canvas.getContext("2d", { willReadFrequently: true });
    }
    this.#context.drawImage(frame, 0, 0, width, height);
    const { data } = this.#context.getImageData(0, 0, width, height);
    const buffer = new ArrayBuffer(messageBytes(width, height));
    const matrix = defaultMatrix(height);
    rgbaToI420(data, width, height, matrix, new Uint8Array(buffer, HEADER_BYTES));
    writeHeader(buffer, sequence, width, height, frame.timestamp);
    const message = new Uint8Array(buffer);
    return { message, height, matrix, colorSpace: colorSpaceOf({}, matrix) };
  }
}

/**
 * Make a VideoFrame of a message; the caller closes it.
 *
 * @throws {RangeError} the length of the message is not that of its header.
 */
export function unpack(buffer, colorSpace) {
  const { width, height, timestamp } = readHeader(buffer);
  if (buffer.byteLength !== messageBytes(width, height)) {
    throw new RangeError(`a frame of ${width}x${height} came with ${buffer.byteLength} bytes`);
  }
  return new VideoFrame(new Uint8Array(buffer, HEADER_BYTES), {
    format: "I420",
    codedWidth: width,
    codedHeight: height,
    timestamp,
    colorSpace,
    transfer: [buffer],
  });
}

/** Read the header of a message. */
export function readHeader(buffer) {
  const view = new DataView(buffer);
  return {
    sequence: view.getUint32(0, true),
    width: view.getUint16(4, true),
    height: view.getUint16(6, true),
    timestamp: view.getFloat64(8, true),
  };
}

function writeHeader(buffer, sequence, width, height, timestamp) {
  const view = new DataView(buffer);
  view.setUint32(0, sequence, true);
  view.setUint16(4, width, true);
  view.setUint16(6, height, true);
  view.setFloat64(8, timestamp, true);
}

function uprightSize(frame) {
  return { width: frame.displayWidth, height: frame.displayHeight };
}

/** Matrix of frames that name none, here and in the process. */
export function defaultMatrix(height) {
  return height < 720 ? "bt601" : "bt709";
}

function matrixOf(colorSpace, height) {
  const named = { bt709: "bt709", smpte170m: "bt601", bt470bg: "bt601" };
  return named[colorSpace.matrix] ?? defaultMatrix(height);
}

/** Colour space of the answer to a frame: its own where it is known, always of limited range. */
function colorSpaceOf(own, matrix) {
  return {
    primaries: own.primaries ?? (matrix === "bt709" ? "bt709" : "smpte170m"),
    transfer: own.transfer ?? (matrix === "bt709" ? "bt709" : "smpte170m"),
    matrix: own.matrix ?? (matrix === "bt709" ? "bt709" : "smpte170m"),
    fullRange: false,
  };
}

function splitChroma(interleaved, cb, cr) {
  for (let i = 0; i < cb.length; i++) {
    cb[i] = interleaved[2 * i];
    cr[i] = interleaved[2 * i + 1];
  }
}

const LEVELS = Array.from({ length: 256 }, (_, level) => level);
const LIMITED_LUMA = Uint8Array.from(LEVELS, (y) => 16.5 + (y * 219) / 255);
const LIMITED_CHROMA = Uint8Array.from(LEVELS, (c) => 128.5 + ((c - 128) * 224) / 255);

/** Convert planes of full range (0 to 255) to limited range (16 to 235, 16 to 240), in place. */
function limitRange(message, luma) {
  const end = HEADER_BYTES + luma;
  for (let i = HEADER_BYTES; i < end; i++) message[i] = LIMITED_LUMA[message[i]];
  for (let i = end; i < message.length; i++) message[i] = LIMITED_CHROMA[message[i]];
}

const WEIGHTS = { bt601: [0.299, 0.114], bt709: [0.2126, 0.0722] };

/** Convert RGBA pixels to I420 planes of limited range; chroma is the mean of 2 x 2 pixels. */
export function rgbaToI420(rgba, width, height, matrix, planes) {
  const [red, blue] = WEIGHTS[matrix];
  const green = 1 - red - blue;
  const toLuma = 219 / 255;
  const toCb = 224 / 255 / (2 * (1 - blue));
  const toCr = 224 / 255 / (2 * (1 - red));
  const cbStart = width * height;
  const crStart = cbStart + cbStart / 4;
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < width; x += 2) {
      let sumY = 0;
      let sumR = 0;
      let sumB = 0;
      for (let k = 0; k < 4; k++) {
        const pixel = (y + (k >> 1)) * width + x + (k & 1);
        const r = rgba[4 * pixel];
        const b = rgba[4 * pixel + 2];
        const luma = red * r + green * rgba[4 * pixel + 1] + blue * b;
        planes[pixel] = 16.5 + luma * toLuma;
        sumY += luma;
        sumR += r;
        sumB += b;
      }
      const chroma = ((y * width) / 2 + x) / 2;
      planes[cbStart + chroma] = 128.5 + ((sumB - sumY) / 4) * toCb;
      planes[crStart + chroma] = 128.5 + ((sumR - sumY) / 4) * toCr;
    }
  }
}
