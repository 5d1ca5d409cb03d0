// The leak meter's panel.

import { say } from "./notices.js";

function element(id) {
  return document.getElementById(id);
}

function percent(share) {
  return `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
}

/** Shows what the process sends of the leak meter, and switches it. */
export class MeterPanel {
  #isOn = false;

  constructor(session) {
    element("meter-switch").addEventListener("click", () => {
      session.send({ type: "meter", on: !this.#isOn });
    });
    session.addEventListener("state", ({ detail }) => this.#mirror(detail.meter));
    session.addEventListener("meter", ({ detail }) => this.#show(detail));
    element("room").addEventListener("error", () => (element("room").hidden = true));
    element("room").addEventListener("load", () => (element("room").hidden = false));
  }

  #mirror(on) {
    if (on && !this.#isOn) this.#clear();
    this.#isOn = on;
    element("meter").hidden = !on;
    element("meter-switch").setAttribute("aria-pressed", String(on));
  }

  #clear() {
    for (const id of ["leaked", "confident", "observed", "skipped"]) say(id, "–");
    say("meter-notes", "");
    element("leaked-bar").value = 0;
    element("room").hidden = true;
    element("room-wait").hidden = false;
  }

  #show({ seconds, frames, skipped, leaked_share, confident_share, notes, picture_url }) {
    if (!this.#isOn) return;
    say("meter-notes", (notes ?? []).join(" "));
    say("leaked", percent(leaked_share));
    say("confident", percent(confident_share));
    say("observed", `${Math.round(seconds)} s, ${frames} frames`);
    say("skipped", String(skipped));
    element("leaked-bar").value = leaked_share;
    element("room-wait").hidden = true;
    // The address stays the same while the picture changes.
    const address = new URL(picture_url, window.location.href);
    address.searchParams.set("at", frames);
    element("room").src = address.href;
  }
}
