// The form of settings: it mirrors the process, and sends what the user changes.

import { say } from "./notices.js";

const DEBOUNCE_MS = 200;
const SETTLE_MS = 4000;

/** Ends of the sliders: the process takes more, but a slider of 1000 steps is hard to set. */
const MOST = { blur: 120, edge: 1, smooth: 30 };

const MODEL_NAMES = {
  auto: "Automatic",
  lite: "Lite: fastest, one person",
  full: "Full: one person",
  heavy: "Heavy: best, slow, one person",
  selfie: "Selfie: everyone close",
  "selfie-landscape": "Selfie landscape: everyone close, fast",
};

function element(id) {
  return document.getElementById(id);
}

/** Settings of the protection. */
export class Controls {
  #session;
  #backgrounds = "";
  #unsent = {};
  #unconfirmed = new Map();
  #timer = null;
  #chosen = null;
  #uploaded = new Map();

  constructor(session) {
    this.#session = session;
    session.addEventListener("state", ({ detail }) => this.#mirror(detail));
    session.addEventListener("error", () => this.#unconfirmed.clear());
    const form = element("settings");
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", ({ target }) => this.#onChange(target));
    for (const id of ["blur", "edge", "smooth"]) {
      element(id).addEventListener("input", () => {
        this.#label(id);
        this.#send({ [id]: Number(element(id).value) });
      });
    }
    element("upload").addEventListener("change", ({ target }) => this.#upload(target));
    element("colour").addEventListener("change", ({ target }) =>
      this.#send({ mode: "replace", background: target.value }),
    );
  }

  /** After the process was started anew: send what the user had chosen before. */
  async restore(state) {
    const wanted = this.#chosen;
    if (wanted === null) return;
    // The process knows an uploaded picture by its content: the same one gets the same id.
    const picture = isKnown(wanted.background ?? "#", state.backgrounds)
      ? undefined
      : this.#uploaded.get(wanted.background);
    if (picture !== undefined) {
      await fetch("/backgrounds", { method: "POST", body: picture }).catch(() => {});
    }
    const changed = Object.entries(wanted).filter(
      ([name, value]) =>
        state.settings[name] !== value &&
        (name !== "background" || picture !== undefined || isKnown(value, state.backgrounds)),
    );
    if (changed.length === 0) return;
    this.#session.send({ type: "settings", ...Object.fromEntries(changed) });
  }

  #onChange(target) {
    if (target.name === "mode") this.#send({ mode: target.value });
    else if (target.name === "model") this.#send({ model: target.value });
    else if (target.name === "background") this.#send({ background: target.value });
    else if (target.id === "blur-auto") {
      this.#send({ blur: target.checked ? null : Number(element("blur").value) });
    }
  }

  /** Send changes when the user has stopped changing something. */
  #send(changes) {
    this.#chosen = { ...this.#chosen, ...changes };
    this.#unsent = { ...this.#unsent, ...changes };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const now = performance.now();
      for (const [name, value] of Object.entries(this.#unsent)) {
        this.#unconfirmed.set(name, { value, until: now + SETTLE_MS });
      }
      this.#session.send({ type: "settings", ...this.#unsent });
      this.#unsent = {};
    }, DEBOUNCE_MS);
  }

  /** Whether a state of the process is older than what the user has just chosen. */
  #isOutdated(name, value) {
    if (name in this.#unsent) return true;
    const sent = this.#unconfirmed.get(name);
    if (sent === undefined) return false;
    if (sent.value !== value && performance.now() < sent.until) return true;
    this.#unconfirmed.delete(name);
    return false;
  }

  #mirror(state) {
    for (const [id, [low, high]] of Object.entries(state.limits).filter(([id]) => id in MOST)) {
      element(id).min = low;
      element(id).max = Math.min(high, MOST[id]);
    }
    this.#mirrorModels(state.models);
    this.#mirrorBackgrounds(state.backgrounds);
    for (const [name, value] of Object.entries(state.settings)) {
      if (!this.#isOutdated(name, value)) this.#set(name, value);
    }
    const busy = state.busy ?? "";
    say("busy", busy === "" ? "" : `${sentence(busy)} …`);
    say("warning", sentence(state.warning ?? ""));
    this.#showParts(state.settings.mode);
  }

  #mirrorModels(models) {
    const list = element("model");
    if (list.children.length === models.length) return;
    list.replaceChildren(
      ...models.map((name) => new Option(MODEL_NAMES[name] ?? name, name)),
    );
  }

  #mirrorBackgrounds(backgrounds) {
    const now = JSON.stringify(backgrounds);
    if (now === this.#backgrounds) return;
    this.#backgrounds = now;
    element("backgrounds").replaceChildren(...backgrounds.map(thumbnail));
  }

  #set(name, value) {
    if (name === "mode" || name === "background") {
      for (const radio of document.querySelectorAll(`input[name="${name}"]`)) {
        radio.checked = radio.value === value;
      }
      if (name === "background" && /^#[0-9a-f]{6}$/i.test(value ?? "")) {
        element("colour").value = value.toLowerCase();
      }
    } else if (name === "model") {
      element("model").value = value;
    } else if (name === "blur") {
      element("blur-auto").checked = value === null;
      element("blur").disabled = value === null;
      if (value !== null) element("blur").value = value;
      this.#label("blur");
    } else if (name === "edge" || name === "smooth") {
      element(name).value = value;
      this.#label(name);
    }
  }

  #label(id) {
    const value = Number(element(id).value);
    const texts = {
      blur: element("blur-auto").checked ? "automatic" : `${value} pixels`,
      edge: value.toFixed(2),
      smooth: value === 1 ? "1 frame" : `${value} frames`,
    };
    say(`${id}-value`, texts[id]);
    element(id).setAttribute("aria-valuetext", texts[id]);
  }

  #showParts(mode) {
    element("backgrounds-part").hidden = mode !== "replace";
    element("blur-part").hidden = mode !== "blur";
    element("remove-hint").hidden = mode !== "remove";
  }

  async #upload(input) {
    const [file] = input.files;
    input.value = "";
    if (file === undefined) return;
    const report = (text) => say("upload-result", text);
    report(`Uploading ${file.name} …`);
    try {
      const answer = await fetch("/backgrounds", { method: "POST", body: file });
      const result = await answer.json().catch(() => ({}));
      if (!answer.ok) {
        report(result.error ?? `The picture was refused (HTTP ${answer.status}).`);
        return;
      }
      report("");
      this.#uploaded.set(result.id, file);
      this.#send({ mode: "replace", background: result.id });
    } catch {
      report("The picture was not sent: there is no connection to unveil, or it is too large.");
    }
  }
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function isKnown(background, backgrounds) {
  return background.startsWith("#") || backgrounds.some(({ id }) => id === background);
}

function thumbnail({ id, name, thumbnail_url: address }) {
  const label = document.createElement("label");
  const radio = document.createElement("input");
  radio.type = "radio";
  radio.name = "background";
  radio.value = id;
  const picture = document.createElement("img");
  picture.src = address;
  picture.alt = "";
  picture.loading = "lazy";
  const text = document.createElement("span");
  text.textContent = name;
  label.append(radio, picture, text);
  return label;
}
