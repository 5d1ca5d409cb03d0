// Messages to the user. A text that has not changed is not set again, so that a screen reader does
// not repeat it.

function element(id) {
  return document.getElementById(id);
}

/** Set the text of an element if it differs. */
export function say(id, text) {
  const place = element(id);
  if (place.textContent !== text) place.textContent = text;
}

let problemTimer = null;

/** Show a problem until it is cleared, or for some seconds. */
export function showProblem(text, { seconds = 0 } = {}) {
  clearTimeout(problemTimer);
  say("problem", text);
  if (seconds > 0) problemTimer = setTimeout(() => say("problem", ""), 1000 * seconds);
}

const PILL = {
  connecting: "Connecting",
  open: "Connected",
  stalled: "Waiting",
  lost: "Disconnected",
  taken: "In use elsewhere",
  refused: "Refused",
  closed: "Closed",
};

/** Show the state of the connection, and what it means. */
export function showConnection({ status, message }, cameraIsOn) {
  const pill = element("connection");
  if (status === "connecting" && pill.dataset.status !== "open") return; // a try among many
  pill.dataset.status = status;
  pill.textContent = PILL[status];
  const held = cameraIsOn ? " The last protected picture is held." : "";
  say("status", {
    lost: `The connection to unveil is lost${reason(message)}.${held} Trying again.`,
    stalled: `unveil does not answer.${held}`,
    taken:
      "Another page has the camera session: one at a time is allowed. Close the other page; this " +
      "one goes on by itself.",
    refused: `unveil refuses this page${reason(message)}. Open the address that it printed.`,
  }[status] ?? "");
}

function reason(text) {
  return text ? `: ${text.replace(/[.\s]*$/, "")}` : "";
}
