// Puts the page together: camera, session, canvas and panels.

import { CameraProblem, cameraIsAllowed, listCameras, openCamera } from "./camera.js";
import { ProtectedCanvas } from "./canvas.js";
import { Controls } from "./controls.js";
import { FiguresView } from "./figures.js";
import { MeterPanel } from "./meter.js";
import { say, showConnection, showProblem } from "./notices.js";
import { Pipeline } from "./pipeline.js";
import { PublishPanel } from "./publish.js";
import { Recorder, saveSnapshot } from "./recorder.js";
import { Session } from "./session.js";

const HELD_MS = 1500;
const FIGURES_MS = 1000;
const ERROR_SECONDS = 12;

function element(id) {
  return document.getElementById(id);
}

class Page {
  #session = new Session();
  #canvas = new ProtectedCanvas(element("protected"));
  #pipeline = new Pipeline(this.#session, this.#canvas);
  #recorder = new Recorder(this.#canvas);
  #figures = new FiguresView();
  #controls = new Controls(this.#session);
  #camera = null;
  #opening = 0;
  #isWanted = false; // the camera is on or being opened
  #limits = null;
  #wasConnected = false;
  #restores = false;

  start() {
    new MeterPanel(this.#session);
    new PublishPanel(this.#session);
    element("origin").textContent = window.location.host;
    this.#listen();
    setInterval(() => this.#everySecond(), FIGURES_MS);
    setInterval(() => this.#showHeld(), 250);
    this.#session.connect();
  }

  #listen() {
    const session = this.#session;
    session.addEventListener("connection", ({ detail }) => this.#onConnection(detail));
    session.addEventListener("state", ({ detail }) => this.#onState(detail));
    session.addEventListener("figures", ({ detail }) => this.#figures.update(detail));
    session.addEventListener("error", ({ detail }) =>
      showProblem(detail.message, { seconds: ERROR_SECONDS }),
    );
    this.#pipeline.onShown = () => this.#onShown();
    element("protected").addEventListener("sizechange", ({ detail }) => {
      element("picture").style.setProperty("--ratio", `${detail.width} / ${detail.height}`);
    });
    for (const id of ["camera-switch", "curtain-start"]) {
      element(id).addEventListener("click", () => (this.#isWanted ? this.#stop() : this.#open()));
    }
    for (const id of ["device", "size", "frame-rate"]) {
      element(id).addEventListener("change", () => this.#isWanted && this.#open());
    }
    element("self-view-switch").addEventListener("click", () => this.#toggleSelfView());
    element("snapshot").addEventListener("click", () => saveSnapshot(this.#canvas));
    element("record").addEventListener("click", () => this.#toggleRecording());
    if (Recorder.missing) element("record").title = Recorder.missing;
    navigator.mediaDevices.addEventListener?.("devicechange", () => this.#listCameras());
  }

  // The connection

  #onConnection(detail) {
    showConnection(detail, this.#camera !== null);
    if (detail.status === "open") {
      this.#restores = this.#wasConnected;
      this.#wasConnected = true;
      if (this.#camera) this.#session.send({ type: "camera", on: true });
    }
  }

  async #onState(state) {
    const first = this.#limits === null;
    this.#limits = state.limits;
    if (this.#restores) {
      this.#restores = false;
      this.#controls.restore(state);
    }
    this.#showVirtualCamera(state.virtual_camera);
    if (first) {
      await this.#listCameras();
      if (await cameraIsAllowed()) this.#open();
    }
  }

  #showVirtualCamera(camera) {
    const text = camera?.on ? `Other programs see the picture as camera ${camera.device}.` : "";
    say("virtual-camera", camera?.message ? `Virtual camera: ${camera.message}` : text);
  }

  // The camera

  async #open() {
    if (this.#limits === null) {
      showProblem("The camera starts when unveil is connected.", { seconds: ERROR_SECONDS });
      return;
    }
    const opening = ++this.#opening;
    this.#isWanted = true;
    const [width, height] = element("size").value.split("x").map(Number);
    this.#release();
    showProblem("");
    say("curtain-text", "Starting the camera …");
    let camera;
    try {
      camera = await openCamera({
        deviceId: element("device").value,
        width,
        height,
        frameRate: Number(element("frame-rate").value),
      });
    } catch (error) {
      if (opening === this.#opening) this.#onCameraProblem(error);
      return;
    }
    if (opening !== this.#opening) {
      camera.getTracks().forEach((track) => track.stop());
      return;
    }
    this.#camera = camera;
    const [track] = camera.getVideoTracks();
    track.addEventListener("ended", () => this.#camera === camera && this.#onUnplugged());
    this.#session.send({ type: "camera", on: true });
    this.#showGiven(track.getSettings());
    element("raw").srcObject = camera;
    this.#showCamera();
    this.#listCameras(track.getSettings().deviceId);
    this.#pipeline.run(track, this.#limits).catch((error) => {
      if (this.#camera !== camera) return;
      this.#stop();
      showProblem(`The camera's frames cannot be read: ${error.message}`);
    });
  }

  #release() {
    this.#pipeline.stop();
    this.#camera?.getTracks().forEach((track) => track.stop());
    this.#camera = null;
    element("raw").srcObject = null;
  }

  #stop() {
    this.#opening++;
    this.#isWanted = false;
    this.#release();
    this.#session.send({ type: "camera", on: false });
    this.#canvas.blank();
    say("curtain-text", "The camera is off.");
    say("camera-given", "");
    this.#showCamera();
  }

  #onUnplugged() {
    this.#stop();
    showProblem("The camera was unplugged or taken away.");
  }

  #onCameraProblem(error) {
    this.#stop();
    showProblem(error instanceof CameraProblem ? error.message : String(error));
  }

  #onShown() {
    element("curtain").hidden = true;
    element("snapshot").disabled = false;
    element("record").disabled = Recorder.missing !== "";
  }

  #showCamera() {
    const on = this.#camera !== null;
    say("camera-switch", on ? "Stop the camera" : "Start the camera");
    element("camera-switch").dataset.on = on;
    element("curtain-start").hidden = on;
    if (on) {
      say("curtain-text", "Waiting for the first protected picture …");
    } else {
      element("curtain").hidden = false;
      element("snapshot").disabled = true;
      element("record").disabled = !this.#recorder.isOn;
    }
    this.#showSelfView();
  }

  #showGiven({ width, height, frameRate }) {
    const rate = frameRate ? `, ${Math.round(frameRate)} frames/s` : "";
    say("camera-given", `The camera gives ${width} × ${height}${rate}.`);
  }

  async #listCameras(current) {
    const cameras = await listCameras();
    const list = element("device");
    const chosen = current ?? list.value;
    if (cameras.length > 0) {
      list.replaceChildren(...cameras.map(({ id, name }) => new Option(name, id)));
    } else {
      list.replaceChildren(new Option("Default camera", ""));
    }
    if (cameras.some(({ id }) => id === chosen)) list.value = chosen;
  }

  // The picture

  #toggleSelfView() {
    const pressed = element("self-view-switch").getAttribute("aria-pressed") === "true";
    element("self-view-switch").setAttribute("aria-pressed", String(!pressed));
    this.#showSelfView();
  }

  #showSelfView() {
    const wanted = element("self-view-switch").getAttribute("aria-pressed") === "true";
    element("self-view").hidden = !(wanted && this.#camera !== null);
  }

  #showHeld() {
    const held = this.#camera !== null && this.#pipeline.silenceMs > HELD_MS;
    element("held").hidden = !held || !element("curtain").hidden;
    document.title = held ? "Held · unveil live" : "unveil live";
  }

  #everySecond() {
    const figures = this.#pipeline.takeFigures();
    this.#figures.show(figures);
    if (this.#camera) this.#session.send({ type: "figures", ...figures });
  }

  async #toggleRecording() {
    if (this.#recorder.isOn) {
      this.#recorder.stop();
      return;
    }
    const begun = Date.now();
    const saved = this.#recorder.start();
    element("recording").hidden = false;
    element("record").dataset.on = "true";
    say("record", "Stop recording");
    const timer = setInterval(() => {
      const seconds = Math.floor((Date.now() - begun) / 1000);
      const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
      say("recording-time", text);
    }, 500);
    await saved;
    clearInterval(timer);
    say("recording-time", "0:00");
    element("recording").hidden = true;
    delete element("record").dataset.on;
    say("record", "Record");
    element("record").disabled = this.#camera === null;
  }
}

if (document.documentElement.dataset.missing === undefined) new Page().start();
