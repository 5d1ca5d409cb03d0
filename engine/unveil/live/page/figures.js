// The live figures: of the page, and of the process.

import { say } from "./notices.js";

const RECENT_SECONDS = 10;

export function milliseconds(value) {
  return value === null || value === undefined ? "–" : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

/** Shows the page's own figures beside those that the process sends. */
export class FiguresView {
  #ofProcess = {};
  #recent = [];

  /** Take a "figures" message. */
  update(message) {
    this.#ofProcess = message;
  }

  /** Show both; `own` is from `Pipeline.takeFigures`. */
  show(own) {
    const process = this.#ofProcess;
    say("rate", own.frames_per_second.toFixed(1));
    say("delay", milliseconds(own.glass_ms_median));
    say("delay-p95", milliseconds(own.glass_ms_p95));
    say("dropped", this.#dropped(own));
    say("failed", process.failed === undefined ? "–" : String(process.failed));
    say("memory", process.memory_mb === undefined ? "–" : `${Math.round(process.memory_mb)} MB`);
    this.#showStages(own);
  }

  /** Dropped frames of the last seconds, and their share: the first frames may wait for long. */
  #dropped({ dropped, sent }) {
    this.#recent.push({ dropped, sent });
    if (this.#recent.length > RECENT_SECONDS) this.#recent.shift();
    const [first] = this.#recent;
    const lately = dropped - first.dropped;
    const all = lately + sent - first.sent;
    return all === 0 ? "–" : `${lately} (${Math.round((100 * lately) / all)} %)`;
  }

  #showStages(own) {
    const { person_ms: person, compose_ms: compose, wait_ms: wait } = this.#ofProcess;
    const known = [own.copy_ms, wait, person, compose, own.draw_ms].map((value) => value ?? 0);
    const rest = (own.glass_ms_median ?? 0) - known.reduce((sum, value) => sum + value, 0);
    const rows = [
      ["Copy from the camera", own.copy_ms],
      ["Wait in the process", wait],
      ["Find the person", person],
      ["Blend", compose],
      ["Draw", own.draw_ms],
      ["Transport and rest", own.glass_ms_median === null ? null : Math.max(0, rest)],
    ];
    const list = document.getElementById("stages");
    if (list.children.length === 0) rows.forEach(() => list.append(stageRow()));
    const longest = Math.max(20, ...rows.map(([, value]) => value ?? 0));
    rows.forEach(([name, value], n) => {
      const [label, bar, text] = list.children[n].children;
      label.textContent = name;
      bar.firstChild.style.inlineSize = `${(100 * (value ?? 0)) / longest}%`;
      text.textContent = milliseconds(value);
    });
  }
}

function stageRow() {
  const row = document.createElement("p");
  const bar = document.createElement("span");
  bar.className = "bar";
  bar.append(document.createElement("span"));
  row.append(document.createElement("span"), bar, document.createElement("span"));
  return row;
}
