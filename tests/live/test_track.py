"""`ProtectTrack` around a track of aiortc: protected, the newest frame, never raw, ends cleanly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError

from tests import sitter
from tests.protection.whip.server import use_loopback_if_alone
from tests.sitter import INSIDE, OUTSIDE, Watcher, frame, luma_of, picture, seated
from unveil.errors import InvalidParameter
from unveil.live import ProtectTrack
from unveil.video.pixel_format import PlaneReader

WHITE = 235


class Camera(MediaStreamTrack):
    """Gives frames at a pace, or each one when the one before was taken, then ends."""

    kind = "video"

    def __init__(
        self,
        n_frames: int = 10**6,
        seconds: float | None = None,
        made: Callable[[int], av.VideoFrame] = frame,
    ) -> None:
        super().__init__()
        self.step = asyncio.Event()
        self.n_given = 0
        self._n_frames, self._seconds, self._made = n_frames, seconds, made

    async def recv(self) -> av.VideoFrame:
        """Give the next frame."""
        if self._seconds is not None:
            await asyncio.sleep(self._seconds)
        elif self.n_given:
            await self.step.wait()
            self.step.clear()
        if self.n_given == self._n_frames or self.readyState != "live":
            raise MediaStreamError
        given = self._made(self.n_given)
        given.pts, given.time_base = 3600 * self.n_given, Fraction(1, 90_000)
        self.n_given += 1
        return given


def whitened(camera: MediaStreamTrack, watcher: Watcher | None = None) -> ProtectTrack:
    return ProtectTrack(
        camera, "replace", background="white", smooth=1, segmenter=watcher or Watcher()
    )


async def all_of(track: ProtectTrack) -> list[av.VideoFrame]:
    """Receive until the track ends; the camera gives a frame after each that was received."""
    frames: list[av.VideoFrame] = []
    camera = track._source
    assert isinstance(camera, Camera)
    with suppress(MediaStreamError):
        while True:
            frames.append(await track.recv())
            camera.step.set()
    assert track.readyState == "ended"
    return frames


def number_of(shown: av.VideoFrame) -> int:
    assert shown.time_base == Fraction(1, 90_000)
    assert shown.pts is not None
    return shown.pts // 3600


def assert_room_is_white(shown: av.VideoFrame) -> None:
    for outside in OUTSIDE:
        assert (luma_of(shown)[outside] == WHITE).all()


def test_frames_are_protected_and_keep_their_times() -> None:
    async def talk() -> None:
        track = whitened(Camera(10))
        frames = await all_of(track)
        assert track.kind == "video"
        assert [number_of(shown) for shown in frames] == list(range(10))
        for number, shown in enumerate(frames):
            np.testing.assert_array_equal(luma_of(shown)[INSIDE], picture(number)[INSIDE])
            assert_room_is_white(shown)
        assert (track.n_frames, track.n_dropped, track.n_failed) == (10, 0, 0)

    asyncio.run(talk())


def test_the_newest_frame_wins_when_nobody_asks() -> None:
    async def talk() -> None:
        camera = Camera(30, 0.001)
        track = whitened(camera)
        await track.recv()
        while camera.n_given < 30:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        frames = await all_of(track)
        assert [number_of(shown) for shown in frames] == [29]
        assert track.n_frames + track.n_dropped == 30

    asyncio.run(talk())


def test_a_frame_that_cannot_be_protected_shows_the_background() -> None:
    def answer(number: int) -> sitter.Answer:
        return ValueError("broken") if number % 2 else seated()

    async def talk() -> None:
        track = whitened(Camera(6), Watcher(answer))
        for shown in await all_of(track):
            assert_room_is_white(shown)
            if number_of(shown) % 2:
                assert (luma_of(shown) == WHITE).all()
        assert track.n_failed == 3

    asyncio.run(talk())


def test_a_frame_that_cannot_be_read_shows_the_background(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = PlaneReader.copy_into

    def fail_sometimes(self: PlaneReader, given: av.VideoFrame, *arguments: Any) -> None:
        if given.pts == 3600:
            raise MemoryError
        read(self, given, *arguments)

    monkeypatch.setattr(PlaneReader, "copy_into", fail_sometimes)

    async def talk() -> None:
        track = whitened(Camera(3))
        first, second, third = await all_of(track)
        assert (luma_of(second) == WHITE).all()
        assert (second.width, second.height, second.pts) == (96, 64, 3600)
        for shown in (first, third):
            assert luma_of(shown)[INSIDE].min() < WHITE
            assert_room_is_white(shown)
        assert (track.n_frames, track.n_failed) == (3, 1)

    asyncio.run(talk())


@pytest.mark.parametrize("name", ["nv12", "yuv422p", "yuv444p", "rgb24", "gray"])
def test_any_pixel_format(name: str) -> None:
    def made(number: int) -> av.VideoFrame:
        return frame(number).reformat(format=name)

    async def talk() -> None:
        for shown in await all_of(whitened(Camera(2, made=made))):
            rgb = shown.to_ndarray(format="rgb24")
            assert (rgb[:, :24] >= 253).all()
            assert rgb[INSIDE][..., 1].max() < 253

    asyncio.run(talk())


def test_stopping_stops_both_tracks() -> None:
    async def talk() -> None:
        camera = Camera(seconds=0.001)
        track = whitened(camera)
        await track.recv()
        track.stop()
        track.stop()
        assert camera.readyState == track.readyState == "ended"
        with pytest.raises(MediaStreamError):
            await track.recv()

    asyncio.run(talk())


def test_stopping_ends_a_recv_that_waits() -> None:
    async def talk() -> None:
        track = whitened(Camera(seconds=60))
        waiting = asyncio.create_task(track.recv())
        await asyncio.sleep(0.01)
        track.stop()
        with pytest.raises(MediaStreamError):
            await asyncio.wait_for(waiting, 20)

    asyncio.run(talk())


def test_a_source_that_fails_ends_the_track(caplog: pytest.LogCaptureFixture) -> None:
    def made(number: int) -> av.VideoFrame:
        if number == 2:
            raise OSError("unplugged")
        return frame(number)

    async def talk() -> None:
        assert len(await all_of(whitened(Camera(5, made=made)))) == 2

    asyncio.run(talk())
    assert "the track to protect failed" in caplog.text


def test_sound_is_no_video() -> None:
    class Microphone(MediaStreamTrack):
        kind = "audio"

        async def recv(self) -> av.AudioFrame:
            return av.AudioFrame(format="s16", layout="mono", samples=480)

    with pytest.raises(InvalidParameter, match="track: is one of audio, not of video"):
        asyncio.run(asyncio.to_thread(lambda: whitened(Microphone())))


def test_parameters_are_checked_at_once() -> None:
    with pytest.raises(InvalidParameter, match=r"^edge: 2\.0 is outside"):
        ProtectTrack(Camera(), "blur", edge=2.0, segmenter=Watcher())


def test_a_peer_receives_protected_frames_only() -> None:
    """Through two peer connections of aiortc, from the first received frame on."""

    async def talk() -> None:
        local = RTCConfiguration(iceServers=[])
        sender, receiver = RTCPeerConnection(local), RTCPeerConnection(local)
        received: asyncio.Queue[av.VideoFrame] = asyncio.Queue()

        @receiver.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            async def take() -> None:
                while True:
                    received.put_nowait(await track.recv())

            tasks.append(asyncio.create_task(take()))

        tasks: list[asyncio.Task[None]] = []
        sender.addTrack(whitened(Camera(seconds=0.03)))
        try:
            await sender.setLocalDescription(await sender.createOffer())
            await receiver.setRemoteDescription(sender.localDescription)
            await receiver.setLocalDescription(await receiver.createAnswer())
            await sender.setRemoteDescription(receiver.localDescription)
            async with asyncio.timeout(60):
                frames = [await received.get() for _ in range(10)]
        finally:
            for task in tasks:
                task.cancel()
            await sender.close()
            await receiver.close()
        for shown in frames:
            # VP8 loses detail, but a raw room has a mean of 75.
            assert luma_of(shown)[:, :20].mean() > 215
            assert luma_of(shown)[INSIDE].mean() < 215

    use_loopback_if_alone()
    asyncio.run(talk())
