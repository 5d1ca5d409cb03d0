"""Publishing to Janus's VideoRoom, seen by a viewer of the room."""

from __future__ import annotations

import asyncio
from pathlib import Path

import av
import numpy as np
import pytest
from aiohttp import web

from tests.protection.whip.feed import feeding
from tests.protection.whip.janus import JanusEndpoint, janus_running, library
from tests.protection.whip.server import own_address
from tests.sitter import INSIDE, OUTSIDE, SKIN, Watcher, frame, luma_of
from unveil.protection import Protector
from unveil.protection.whip.publisher import Publisher

pytestmark = [
    pytest.mark.skipif(library() is None, reason="Janus is not installed: apt-get install janus"),
    pytest.mark.skipif(own_address() is None, reason="Janus needs an address but loopback"),
]

N_FRAMES = 30
WHITE = 235


async def watch(api: str) -> list[av.VideoFrame]:
    """Publish protected frames to the room until a viewer has the first ones."""
    endpoint = JanusEndpoint(api)
    await endpoint.wait_until_janus_answers()
    frames: list[av.VideoFrame] = []

    def seen(shown: av.VideoFrame) -> bool:
        frames.append(shown)
        return len(frames) == N_FRAMES

    runner = web.AppRunner(endpoint.application())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        publisher = Publisher(f"http://127.0.0.1:{runner.addresses[0][1]}{endpoint.path}")
        publisher.start()
        with (
            Protector("replace", background="white", segmenter=Watcher(), smooth=1) as protector,
            feeding(publisher, lambda number: protector.frame(frame(number))),
        ):
            while publisher.status.state in ("waiting", "connecting"):
                await asyncio.sleep(0.02)
            assert publisher.status.state == "publishing", publisher.status
            await asyncio.wait_for(endpoint.watch(seen), 30)
        await asyncio.to_thread(publisher.close)
        await asyncio.wait_for(endpoint.ended.wait(), 10)
    finally:
        await runner.cleanup()
    return frames


def test_a_viewer_of_the_room_sees_protected_frames_from_the_first_on(tmp_path: Path) -> None:
    with janus_running(tmp_path) as api:
        frames = asyncio.run(watch(api))
    for shown in frames:
        luma = luma_of(shown).astype(int)
        assert np.abs(luma[INSIDE] - SKIN).mean() < 6
        for outside in OUTSIDE:
            assert np.abs(luma[outside] - WHITE).max() < 12
