// Sends the camera to the process by WebRTC, draws what comes back, and measures the delay.
//
// Each camera frame carries its number as a row of black and white squares, which the person's
// protected twin still has: see `coded` in camera.py.

const N_BITS = 8;
const RECENT_MS = 10_000;

const canvas = document.getElementById("shown");
const context = canvas.getContext("2d", { alpha: false });
const readableAt = new Map();
let delays = [];
let recent = [];
let shown = 0;
let shownBefore = 0;
let measured = 0;
let sent = 0;
let since = performance.now();

/** Read the number in a frame; null if its pixels cannot be read. */
async function numberOf(frame) {
  if (frame.format !== "I420" && frame.format !== "NV12") return null;
  const { codedWidth: width, codedHeight: height } = frame;
  const side = height / 30;
  const y = 2 * Math.floor((height - 1.5 * side) / 2);
  const planes = new Uint8Array(frame.allocationSize({ rect: { x: 0, y, width, height: 2 } }));
  await frame.copyTo(planes, { rect: { x: 0, y, width, height: 2 } });
  let number = 0;
  for (let bit = 0; bit < N_BITS; bit++) {
    const x = Math.round(width / 2 + (bit + 0.5 - N_BITS / 2) * side);
    number = 2 * number + (planes[x] > 127);
  }
  return number;
}

async function read(track, take) {
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  for (;;) {
    const { value: frame, done } = await reader.read();
    if (done) return;
    await take(frame, performance.now());
    frame.close();
  }
}

async function takeCamera(frame, now) {
  const number = await numberOf(frame);
  sent++;
  if (number !== null) readableAt.set(number, now);
}

async function takeProtected(frame) {
  const { displayWidth: width, displayHeight: height } = frame;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.drawImage(frame, 0, 0);
  const now = performance.now();
  shown++;
  const begun = readableAt.get(await numberOf(frame));
  if (begun === undefined) return;
  measured++;
  delays.push(now - begun);
  recent.push({ delay: now - begun, at: now });
}

function quantile(values, q) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? null;
}

function report() {
  const now = performance.now();
  recent = recent.filter(({ at }) => now - at < RECENT_MS);
  const figures = {
    frames_per_second: (1000 * (shown - shownBefore)) / (now - since),
    glass_ms_median: quantile(delays, 0.5),
    glass_ms_p95: quantile(recent.map(({ delay }) => delay), 0.95),
    shown,
    sent,
    dropped: Math.max(0, sent - shown),
    measured,
  };
  delays = [];
  shownBefore = shown;
  since = now;
  fetch("/figures", { method: "POST", body: JSON.stringify(figures) });
}

const camera = await navigator.mediaDevices.getUserMedia({
  video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } },
});
const [track] = camera.getVideoTracks();
read(track.clone(), takeCamera);
const peer = new RTCPeerConnection({ iceServers: [] });
peer.addEventListener("track", ({ track: remote }) => read(remote, takeProtected));
peer.addTrack(track, camera);
await peer.setLocalDescription();
while (peer.iceGatheringState !== "complete") {
  await new Promise((resolve) => {
    peer.addEventListener("icegatheringstatechange", resolve, { once: true });
  });
}
const answer = await fetch("/offer", { method: "POST", body: JSON.stringify(peer.localDescription) });
await peer.setRemoteDescription(await answer.json());
setInterval(report, 1000);
