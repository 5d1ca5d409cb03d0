// The camera: choosing one, opening it, and reading its frames one by one.

/** Why there is no camera, in words for the user. */
export class CameraProblem extends Error {}

const PROBLEMS = {
  NotAllowedError:
    "The browser does not let this page use the camera. Allow it in the address bar or in the " +
    "browser's settings for this site, then start the camera again.",
  NotFoundError: "No camera was found. Plug one in, then start the camera again.",
  NotReadableError:
    "The camera cannot be read: another program may be using it. Close that program, then start " +
    "the camera again.",
  OverconstrainedError: "The chosen camera is gone. Choose another one.",
};

/**
 * Open a camera.
 *
 * @param {{deviceId?: string, width?: number, height?: number, frameRate?: number}} wanted
 *   Size and rate are wishes: the camera gives the nearest that it can.
 * @returns {Promise<MediaStream>} of one video track.
 * @throws {CameraProblem} there is no camera, no permission, or it is in use.
 */
export async function openCamera({ deviceId, width, height, frameRate }) {
  const video = {};
  if (deviceId) video.deviceId = { exact: deviceId };
  if (width) video.width = { ideal: width };
  if (height) video.height = { ideal: height };
  if (frameRate) video.frameRate = { ideal: frameRate };
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (error) {
    throw new CameraProblem(PROBLEMS[error.name] ?? `The camera does not start: ${error.message}`);
  }
}

/** List cameras as `{id, name}`; names are empty until the user has allowed a camera. */
export async function listCameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter((device) => device.kind === "videoinput" && device.deviceId !== "")
    .map((device, n) => ({ id: device.deviceId, name: device.label || `Camera ${n + 1}` }));
}

/** Whether the user has allowed the camera before, so that opening it asks nothing. */
export async function cameraIsAllowed() {
  try {
    return (await navigator.permissions.query({ name: "camera" })).state === "granted";
  } catch {
    return false; // Firefox knows no such permission
  }
}

/**
 * Yield the frames of a track, the newest each time; whoever takes a frame closes it.
 *
 * With MediaStreamTrackProcessor frames come in hidden tabs, too; video callbacks stop there.
 * Ends when the track ends or `signal` is aborted.
 */
export async function* framesOf(track, signal) {
  const frames =
    "MediaStreamTrackProcessor" in window
      ? processedFrames(track, signal)
      : calledBackFrames(track, signal);
  yield* frames;
}

async function* processedFrames(track, signal) {
  const processor = new MediaStreamTrackProcessor({ track, maxBufferSize: 1 });
  const reader = processor.readable.getReader();
  const cancel = () => reader.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      if (signal.aborted) {
        value.close();
        return;
      }
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", cancel);
    cancel();
  }
}

async function* calledBackFrames(track, signal) {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.srcObject = new MediaStream([track]);
  const ended = new Promise((resolve) => {
    signal.addEventListener("abort", resolve, { once: true });
    track.addEventListener("ended", resolve, { once: true });
  });
  try {
    await video.play();
    for (;;) {
      const next = new Promise((resolve) => video.requestVideoFrameCallback(() => resolve(true)));
      if (!(await Promise.race([next, ended.then(() => false)]))) return;
      yield new VideoFrame(video, { timestamp: Math.round(1000 * performance.now()) });
    }
  } finally {
    video.srcObject = null;
  }
}
