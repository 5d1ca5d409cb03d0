"""Delay of publishing: from `Publisher.push` through a meeting server to the viewer's decoder.

The server is Janus (Debian's package `janus`), the viewer aiortc; both run on this machine, so the
network takes no time. Each frame carries its number as light and dark squares. aiortc's viewer
passes on a frame when the next one begins to arrive, so a frame's period is part of the delay.
Prints one line and writes no file.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from aiohttp import web
from tests.protection.whip.janus import JanusEndpoint, janus_running, library

from unveil.protection.whip.publisher import Publisher

SQUARE, BITS = 16, 16


class Picture:
    """Frames with their numbers in the first rows, over a texture that moves."""

    def __init__(self, height: int, width: int) -> None:
        rng = np.random.default_rng(1)
        small = rng.integers(40, 200, (height // 8 + 1, width // 8 + 1), np.uint8)
        self._texture = np.kron(small, np.ones((8, 8), np.uint8))[:height, :width]

    def frame(self, number: int) -> av.VideoFrame:
        """Make a yuv420p frame."""
        height, width = self._texture.shape
        planes = np.full((height * 3 // 2, width), 128, np.uint8)
        planes[:height] = np.roll(self._texture, 2 * number, axis=1)
        bits = number >> np.arange(BITS) & 1
        planes[:SQUARE, : SQUARE * BITS] = np.repeat(np.where(bits, 220, 30), SQUARE)
        return av.VideoFrame.from_ndarray(planes, "yuv420p")

    @staticmethod
    def number(frame: av.VideoFrame) -> int:
        """Read the number of a frame back."""
        luma = frame.to_ndarray(format="yuv420p")
        bits = luma[SQUARE // 2, SQUARE // 2 : SQUARE * BITS : SQUARE] > 125
        return int((bits << np.arange(BITS)).sum())


async def serve(api: str) -> None:
    """Serve a WHIP endpoint in front of Janus; print its address."""
    endpoint = JanusEndpoint(api)
    await endpoint.wait_until_janus_answers()
    runner = web.AppRunner(endpoint.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}{endpoint.path}", flush=True)
    await asyncio.Event().wait()


async def measure(api: str, picture: Picture, rate: int, seconds: float) -> tuple[list[float], int]:
    """Publish and watch; return delays in seconds, and the number of frames that were pushed."""
    endpoint = JanusEndpoint(api)
    await endpoint.wait_until_janus_answers()
    runner = web.AppRunner(endpoint.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pushed: dict[int, float] = {}
    delays: list[float] = []
    stop = threading.Event()

    def push() -> None:
        begin = time.perf_counter()
        for number in range(1 << BITS):
            frame = picture.frame(number)
            frame.pts, frame.time_base = number, Fraction(1, rate)
            stop.wait(max(0.0, begin + number / rate - time.perf_counter()))
            if stop.is_set():
                return
            pushed[number] = time.perf_counter()
            publisher.push(frame)

    first = [0.0, 0]

    def seen(frame: av.VideoFrame) -> bool:
        now = time.perf_counter()
        number = picture.number(frame)
        if not first[0]:
            first[:] = now, number
        if number in pushed:
            delays.append(now - pushed[number])
        return now - first[0] > seconds

    with Publisher(f"http://127.0.0.1:{runner.addresses[0][1]}{endpoint.path}") as publisher:
        thread = threading.Thread(target=push, daemon=True)
        thread.start()
        while publisher.status.state in ("waiting", "connecting"):
            await asyncio.sleep(0.02)
        await endpoint.watch(seen)
        stop.set()
        thread.join()
        await asyncio.to_thread(publisher.close)
    await runner.cleanup()
    return delays, len(pushed) - int(first[1])


def main() -> None:
    """Run the measurement that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--rate", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--serve", action="store_true", help="only serve; print the WHIP address")
    options = parser.parse_args()
    if library() is None:
        parser.error("Janus is not installed: apt-get install janus")
    if options.serve:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        with tempfile.TemporaryDirectory() as folder, janus_running(Path(folder)) as api:
            asyncio.run(serve(api))
        return
    picture = Picture(options.height, options.width)
    with tempfile.TemporaryDirectory() as folder, janus_running(Path(folder)) as api:
        before = time.process_time()
        delays, n_pushed = asyncio.run(measure(api, picture, options.rate, options.seconds))
        busy = time.process_time() - before
    median, late = np.percentile(delays, (50, 95)) * 1000
    print(
        f"{options.width}x{options.height} at {options.rate}/s through Janus: median "
        f"{median:.0f} ms, p95 {late:.0f} ms; {len(delays)} of {n_pushed} frames received; "
        f"{1000 * busy / len(delays):.0f} CPU ms a frame, publisher and viewer together"
    )


if __name__ == "__main__":
    main()
