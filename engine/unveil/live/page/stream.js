// The protected camera as a MediaStream, for a web page of one's own.
//
//     import { protectedStream } from "/page/stream.js";
//     const camera = await protectedStream({ settings: { mode: "blur" } });
//     peerConnection.addTrack(camera.stream.getVideoTracks()[0], camera.stream);
//     camera.set({ mode: "replace", background: "#204060" });
//     camera.close();
//
// The page must have the server's own origin: the server refuses every other one.

import { openCamera } from "./camera.js";
import { ProtectedCanvas } from "./canvas.js";
import { Pipeline } from "./pipeline.js";
import { Session } from "./session.js";

/**
 * Open the camera and protect it.
 *
 * @param {object} options
 * @param {string|URL} options.url of the server; the page's own origin by default.
 * @param {object} options.constraints `{deviceId, width, height, frameRate}`, all optional.
 * @param {object} options.settings `{mode, model, background, blur, edge, smooth}`, all optional.
 * @returns {Promise<{stream: MediaStream, close: () => void, set: (settings: object) => boolean,
 *   session: Session}>} The stream carries protected frames only, and none before the settings
 *   apply. `set` changes settings, and is false without a connection; `session` has the events.
 * @throws {CameraProblem} there is no camera, no permission, or it is in use.
 * @throws {Error} the server cannot be reached, refuses the page or a setting, or has a session
 *   already.
 */
export async function protectedStream({ url, constraints = {}, settings = {} } = {}) {
  const session = new Session(url);
  let chosen = { ...settings };
  const state = await firstState(session);
  await applied(session, settings);
  let camera;
  try {
    camera = await openCamera(constraints);
  } catch (error) {
    session.close();
    throw error;
  }
  const canvas = new ProtectedCanvas(document.createElement("canvas"));
  const pipeline = new Pipeline(session, canvas);
  session.send({ type: "camera", on: true });
  session.addEventListener("connection", ({ detail }) => {
    if (detail.status !== "open") return;
    if (Object.keys(chosen).length > 0) session.send({ type: "settings", ...chosen });
    session.send({ type: "camera", on: true });
  });
  const first = new Promise((resolve) => (pipeline.onShown = resolve));
  pipeline.run(camera.getVideoTracks()[0], state.limits);
  await first;
  const { stream, release } = canvas.capture();
  return {
    stream,
    session,
    set(changes) {
      chosen = { ...chosen, ...changes };
      return session.send({ type: "settings", ...changes });
    },
    close() {
      pipeline.stop();
      camera.getTracks().forEach((track) => track.stop());
      release();
      session.close();
    },
  };
}

function firstState(session) {
  return new Promise((resolve, reject) => {
    session.addEventListener("state", ({ detail }) => resolve(detail), { once: true });
    session.addEventListener("connection", ({ detail: { status, message } }) => {
      if (!["lost", "taken", "refused"].includes(status)) return;
      session.close();
      reject(new Error(message || "the server of unveil cannot be reached"));
    });
    session.connect();
  });
}

/** Send settings, and wait until the process works by them. */
function applied(session, settings) {
  const names = Object.keys(settings);
  if (names.length === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const listening = new AbortController();
    const end = (finish, value) => {
      listening.abort();
      finish(value);
    };
    const { signal } = listening;
    const refuse = (message) => {
      session.close();
      end(reject, new Error(message));
    };
    session.addEventListener(
      "state",
      ({ detail }) => {
        const chosen = names.every((name) => detail.settings[name] === settings[name]);
        if (chosen && !detail.busy) end(resolve);
      },
      { signal },
    );
    session.addEventListener("error", ({ detail }) => refuse(detail.message), { signal });
    session.send({ type: "settings", ...settings });
  });
}
