// The panel that publishes the protected picture to a meeting by WHIP.

import { say } from "./notices.js";

/** Mirrors "state".publish, and switches it. The token stays in the process. */
export class PublishPanel {
  #isOn = false;

  constructor(session) {
    const form = document.getElementById("publish");
    const address = document.getElementById("whip-url");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      session.send({ type: "publish", on: !this.#isOn, url: address.value.trim() });
    });
    session.addEventListener("state", ({ detail }) => {
      form.hidden = !detail.publish_available;
      if (!form.hidden) this.#mirror(detail.publish ?? {}, address);
    });
  }

  #mirror({ on = false, url, status, message }, address) {
    this.#isOn = on;
    if (url && document.activeElement !== address) address.value = url;
    address.readOnly = on;
    say("publish-switch", on ? "Stop publishing" : "Publish");
    say("publish-status", on ? message || status : "");
    document.getElementById("publish-status").dataset.status = status ?? "";
  }
}
