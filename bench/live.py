"""Delay, rate and cost of `unveil live` in Chromium, without a debugger.

A debugger that is attached slows WebSockets down several times. So Chromium is started alone, with
real footage as its camera, and the figures are those that the page sends the process once a second.
Each row has a server process and a browser of its own. The rows with WHIP also publish to Janus
(Debian's package `janus`), a process of its own whose time is not counted. The rows of WebRTC, the
other way to do it (`bench/webrtc/`), run in a network namespace, for which they need root.

The delay is from a camera frame that the page can read to its protected twin in the canvas: of the
figures of each second (the median of the second, the 95th percentile of the last ten) the medians
over the whole time. CPU time is that of the server and of all of the browser's processes. Writes
`bench/results/live.json` and the table in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench import footage, report
from bench.calls import WORK
from bench.machine import describe
from bench.processes import cpu_seconds, resident_bytes, with_descendants
from bench.webrtc import server as webrtc_server
from bench.webrtc.camera import coded
from bench.webrtc.network import namespace
from unveil.video.chunk import Layout

CHROMIUM = "chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)
SIZES = {"480p": (480, 640), "720p": (720, 1280)}
BACKGROUND = "dusk"
CAMERA_FRAMES = 150
CAMERA_RATE = 30
WARM_UP_SECONDS = 12
MINUTE = 60


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    size: str
    model: str
    meter: bool = False
    whip: bool = False
    webrtc: bool = False

    @property
    def label(self) -> str:
        """Name for `--rows`, such as "480p-full-meter"."""
        marks = [name for name in ("meter", "whip", "webrtc") if getattr(self, name)]
        return "-".join([self.size, self.model, *marks])


ROWS = (
    Row("480p", "lite"),
    Row("480p", "full"),
    Row("720p", "lite"),
    Row("720p", "full"),
    Row("480p", "full", meter=True),
    Row("720p", "lite", meter=True),
    Row("480p", "full", meter=True, whip=True),
    Row("720p", "lite", meter=True, whip=True),
    Row("480p", "lite", webrtc=True),
    Row("720p", "lite", webrtc=True),
)


def main() -> None:
    """Run the measurement that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    labels = [row.label for row in ROWS]
    parser.add_argument("--rows", nargs="+", default=labels, choices=labels)
    parser.add_argument("--seconds", type=int, default=60, help="measured time of a row")
    parser.add_argument("--minutes", type=int, default=0, help="measured time instead of --seconds")
    parser.add_argument("--trial", action="store_true", help="print the table, store nothing")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--publish", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        row = Row(**json.loads(options.serve))
        own = webrtc_server.serve(row.model, BACKGROUND) if row.webrtc else None
        asyncio.run(own or _serve(row, options.publish))
        return

    # Ended from outside, it must not leave the server and the browser behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    machine = describe()
    seconds = MINUTE * options.minutes or options.seconds
    rows = []
    for row in ROWS:
        if row.label in options.rows:
            rows.append({**asdict(row), **_measured(row, seconds)})
            print(f"{row.label}: {rows[-1]}", file=sys.stderr, flush=True)
    version = subprocess.run([CHROMIUM, "--version"], capture_output=True, text=True, check=True)
    result = {
        "machine": machine,
        "browser": version.stdout.strip(),
        "clip": footage.talking_head().name,
        "camera_rate": CAMERA_RATE,
        "seconds": seconds,
        "rows": rows,
    }
    if options.trial:
        print(report.TABLES["live"](result))
    else:
        report.save("live", result)


def _measured(row: Row, seconds: int) -> dict[str, Any]:
    """Measure a row; the first seconds are left out."""
    camera = camera_file(*SIZES[row.size], with_numbers=row.webrtc)
    with (
        namespace() if row.webrtc else nullcontext([]) as inside,
        meeting() if row.whip else nullcontext(None) as publish,
        server(row, inside, publish) as serving,
        TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        assert serving.stdout is not None
        url = serving.stdout.readline().strip()
        flags = [f"--use-file-for-fake-video-capture={camera}", f"--user-data-dir={profile}"]
        with running([*inside, CHROMIUM, *FLAGS, *flags, url]) as browser:
            pids = [serving.pid, browser.pid]
            seen = []
            until = time.monotonic() + WARM_UP_SECONDS + seconds
            begin = until - seconds
            # A page that sends nothing must not be waited for.
            watchdog = threading.Timer(WARM_UP_SECONDS + seconds + MINUTE, serving.terminate)
            watchdog.start()
            for line in serving.stdout:
                now = time.monotonic()
                if now >= begin:
                    seen.append({**json.loads(line), **_costs(pids, serving.pid), "at": now})
                if now >= until:
                    break
            watchdog.cancel()
    if len(seen) < 3:
        raise SystemExit(f"{row.label}: the page sent no figures; is {CHROMIUM} installed?")
    if row.whip and {one["published"] for one in seen} != {"publishing"}:
        raise SystemExit(f"{row.label}: nothing was published; is janus installed?")
    return _summary(seen)


def _costs(pids: list[int], serving: int) -> dict[str, float]:
    everyone = [child for pid in pids for child in with_descendants(pid)]
    return {
        "cpu_seconds": cpu_seconds(everyone),
        "process_cpu_seconds": cpu_seconds(with_descendants(serving)),
        "resident_bytes": resident_bytes(serving),
    }


def _summary(seen: list[dict[str, Any]]) -> dict[str, Any]:
    first, last = seen[0], seen[-1]
    shown = last["shown"] - first["shown"]
    taken = last["dropped"] + last["sent"] - first["dropped"] - first["sent"]
    wall = last["at"] - first["at"]

    def medians(begin: float, end: float) -> float:
        return median(one["glass_ms_median"] for one in seen if begin <= one["at"] <= end)

    def spent(field: str) -> float:
        return 1e3 * (last[field] - first[field]) / max(1, shown)

    result = {
        "median_ms": medians(first["at"], last["at"]),
        "p95_ms": median(one["glass_ms_p95"] for one in seen),
        "frames_per_second": shown / wall,
        "dropped_share": (last["dropped"] - first["dropped"]) / max(1, taken),
        "cpu_ms_per_frame": spent("cpu_seconds"),
        "process_cpu_ms_per_frame": spent("process_cpu_seconds"),
        "resident_bytes": last["resident_bytes"],
    }
    if "measured" in last:  # frames of WebRTC whose number could be read
        result["measured_share"] = (last["measured"] - first["measured"]) / max(1, shown)
    if wall > 2 * MINUTE:
        after = next(one for one in seen if one["at"] >= first["at"] + MINUTE)
        result |= {
            "first_minute_median_ms": medians(first["at"], first["at"] + MINUTE),
            "last_minute_median_ms": medians(last["at"] - MINUTE, last["at"]),
            "growth_bytes": last["resident_bytes"] - after["resident_bytes"],
        }
    return result


def camera_file(height: int, width: int, *, with_numbers: bool = False) -> Path:
    """Return real footage as a Y4M file, which Chromium takes for its camera."""
    path = WORK / f"camera-{height}p{'-numbers' if with_numbers else ''}.y4m"
    if not path.exists():
        frames = footage.scaled(footage.talking_head(), Layout(height, width, 1, 1), CAMERA_FRAMES)
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            file.write(f"YUV4MPEG2 W{width} H{height} F{CAMERA_RATE}:1 Ip A1:1 C420jpeg\n".encode())
            for number, planes in enumerate(frames):
                if with_numbers:
                    coded(planes, number)
                file.write(b"FRAME\n" + b"".join(plane.tobytes() for plane in planes))
        unfinished.replace(path)
    return path


@contextmanager
def server(
    row: Row, inside: Sequence[str] = (), publish: str | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run the server of a row; its first line is the address, further ones are figures."""
    command = [*inside, sys.executable, "-m", "bench.live", "--serve", json.dumps(asdict(row))]
    if publish is not None:
        command += ["--publish", publish]
    with running(command, cwd=report.ROOT, stdout=subprocess.PIPE, text=True) as process:
        yield process


@contextmanager
def meeting() -> Iterator[str]:
    """Run Janus; give the WHIP address of its room."""
    command = [sys.executable, "-m", "bench.whip", "--serve"]
    with running(command, cwd=report.ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a program until the end of the block."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


async def _serve(row: Row, publish: str | None) -> None:
    """Serve the page; print its address, then the figures that it sends."""
    from unveil.live.backgrounds import Backgrounds
    from unveil.live.pipeline import Pipeline
    from unveil.live.server import LiveServer, listen, serve
    from unveil.live.service import LiveService
    from unveil.live.settings import LiveSettings
    from unveil.protection.whip.publisher import Publisher
    from unveil.recovery.warmup import prepare

    backgrounds = Backgrounds()
    settings = LiveSettings("replace", model=row.model, background=BACKGROUND)
    pipeline = Pipeline(settings, backgrounds)
    pipeline.prepare()
    prepare("farend")
    service = LiveService(pipeline, backgrounds, make_publisher=Publisher)
    if publish is not None:
        await service.publish(publish)
    serving = LiveServer(service, listen("127.0.0.1", 0), "127.0.0.1")

    class Figures(logging.Handler):
        """Takes what the session logs of the page's figures."""

        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.args, dict) and "glass_ms_median" in record.args:
                service.switch_meter(on=row.meter)
                published = service.state()["publish"]["status"]
                print(json.dumps({**record.args, "published": published}), flush=True)

    logger = logging.getLogger("unveil.live.session")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(Figures())
    await serve(serving, ready=lambda: print(serving.url, flush=True))


if __name__ == "__main__":
    main()
