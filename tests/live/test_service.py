"""What the page switches besides the settings: leak meter, publishing, virtual camera."""

from __future__ import annotations

import asyncio
import io
import threading
from dataclasses import dataclass
from functools import partial
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests import sitter
from tests.live.pages import WHITE_LUMA, Page, running
from tests.sitter import INSIDE, OUTSIDE, Watcher, luma_of, picture, seated
from unveil.errors import InvalidParameter, OutputUnwritable
from unveil.live.meter import LeakMeter
from unveil.live.virtual_camera import VirtualCamera
from unveil.protection.sinks.sink import Sink
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Layout

QUICK = partial(LeakMeter, parameters=Parameters("transitions", threads=1), refresh_seconds=0.1)


async def keep_sending(page: Page) -> None:
    """Send frames until cancelled; the answers are left to whoever waits for texts."""
    number = 0
    while True:
        await page.send(number)
        number += 1
        await asyncio.sleep(0.005)


# Leak meter


def test_the_meter_measures_the_protected_frames() -> None:
    """The segmenter misses a part of the room at times, and that part is found."""

    def answer(number: int) -> sitter.Answer:
        mask = seated()
        if number % 6 == 0:
            mask.probability[4:12, 18:22] = 1.0
        return mask

    async def talk() -> None:
        async with running(Watcher(answer), make_meter=QUICK) as live, live.page() as page:
            await page.say(type="meter", on=True)
            assert (await page.text("state", lambda s: s["meter"]))["meter"] is True
            sending = asyncio.create_task(keep_sending(page))
            # A busy meter skips frames, and may have missed those that leak so far.
            reading = await page.text(
                "meter", lambda m: m["frames"] > 100 and m["leaked_share"] > 0
            )
            assert reading["leaked_share"] < 0.5
            assert 0 <= reading["confident_share"] <= reading["leaked_share"]
            assert reading["skipped"] >= 0
            assert reading["seconds"] > 0
            while True:  # until enough of the leaking frames have reached the meter
                async with live.http.get(live.origin + reading["picture_url"]) as got:
                    assert got.content_type == "image/png"
                    room = np.array(Image.open(io.BytesIO(await got.read())))
                assert room.shape == (sitter.HEIGHT, sitter.WIDTH, 4)
                assert (room[:, :24, 3] == 0).all()
                leaked = room[18:46, 74:86, 3]
                if (leaked == 255).mean() > 0.9:
                    break
                reading = await page.text("meter")
            await page.say(type="meter", on=False)
            await page.text("state", lambda s: not s["meter"])
            sending.cancel()
            async with live.http.get(live.origin + "/meter/room.png") as got:
                assert got.status == 404

    asyncio.run(talk())


def test_the_meter_begins_anew_with_other_settings_and_ends_with_the_page() -> None:
    meters: list[LeakMeter] = []

    def make(*arguments: Any) -> LeakMeter:
        meters.append(QUICK(*arguments))
        return meters[-1]

    async def talk() -> None:
        async with running(make_meter=make) as live:
            async with live.page() as page:
                await page.say(type="meter", on=True)
                await page.say(type="meter", on=True)  # is on already
                sending = asyncio.create_task(keep_sending(page))
                before = await page.text("meter", lambda m: m["frames"] > 100)
                await page.settled(background="#000000")
                after = await page.text("meter", lambda m: m["frames"] < before["frames"])
                assert after["seconds"] > 0
                sending.cancel()
            async with live.page() as page:
                assert (await page.text("state"))["meter"] is False
            (meter,) = meters
            assert meter.join(20)

    asyncio.run(talk())


def test_a_meter_that_fails_is_switched_off_and_told() -> None:
    class Failing(LeakMeter):
        def _count_all(self) -> None:
            raise MemoryError

    async def talk() -> None:
        async with running(make_meter=Failing) as live, live.page() as page:
            await page.say(type="meter", on=True)
            error = await page.text("error")
            assert error["message"] == "leak meter: not enough memory; it is switched off"
            assert (await page.settled(blur=20))["meter"] is False
            assert (await page.protected(1)).luma[0, 0] == WHITE_LUMA

    asyncio.run(talk())


# Publishing


@dataclass
class Told:
    """How publishing goes."""

    state: str
    message: str


class Publisher:
    """Keeps what it is given, as a publisher sends it."""

    def __init__(self, url: str) -> None:
        if url.startswith("http:"):
            raise InvalidParameter("WHIP address: use https")
        self.url = url
        self.status = Told("waiting", "waiting for the first protected frame")
        self.frames: list[av.VideoFrame] = []
        self.started = self.closed = False

    def start(self) -> None:
        """Note it."""
        self.started = True

    def push(self, frame: av.VideoFrame) -> None:
        """Keep a frame."""
        assert self.started
        assert not self.closed
        self.frames.append(frame)
        self.status = Told("publishing", "publishing to meet.example")

    def close(self) -> None:
        """Note it."""
        self.closed = True


async def until_closed(publisher: Publisher) -> None:
    """Wait: a publisher closes beside the session."""
    async with asyncio.timeout(60):
        while not publisher.closed:
            await asyncio.sleep(0.01)


def test_every_published_frame_was_protected() -> None:
    publishers: list[Publisher] = []

    def make(url: str) -> Publisher:
        publishers.append(Publisher(url))
        return publishers[-1]

    def answer(number: int) -> sitter.Answer:
        return ValueError("broken") if number % 3 == 2 else seated()

    async def talk() -> None:
        async with running(Watcher(answer), make_publisher=make) as live, live.page() as page:
            assert (await page.text("state"))["publish_available"] is True
            url = "https://meet.example/group/test/.whip"
            await page.say(type="publish", on=True, url=url)
            state = await page.text("state", lambda s: s["publish"]["on"])
            assert state["publish"] == {
                "on": True,
                "url": url,
                "status": "waiting",
                "message": "waiting for the first protected frame",
            }
            for number in range(30):
                await page.protected(number)
            await page.text("state", lambda s: s["publish"]["status"] == "publishing")
            await page.say(type="publish", on=False)
            await page.text("state", lambda s: not s["publish"]["on"])
            await page.protected(31)
            (publisher,) = publishers
            await until_closed(publisher)
            assert len(publisher.frames) == 30
            for number, frame in enumerate(publisher.frames):
                shown = luma_of(frame)
                if number % 3 == 2:
                    assert (shown == WHITE_LUMA).all()
                else:
                    np.testing.assert_array_equal(shown[INSIDE], picture(number)[INSIDE])
                for outside in OUTSIDE:
                    assert (shown[outside] == WHITE_LUMA).all()
                assert frame.time == pytest.approx(0.04 * number)

    asyncio.run(talk())


def test_an_address_that_is_not_allowed_leaves_the_old_one() -> None:
    publishers: list[Publisher] = []

    def make(url: str) -> Publisher:
        publishers.append(Publisher(url))
        return publishers[-1]

    async def talk() -> None:
        async with running(make_publisher=make) as live, live.page() as page:
            await page.say(type="publish", on=True, url="https://meet.example/a")
            await page.say(type="publish", on=True, url="http://meet.example/b")
            assert (await page.text("error"))["message"] == "publish: WHIP address: use https"
            await page.say(type="publish", on=True, url="https://meet.example/c")
            await page.text("state", lambda s: s["publish"]["url"] == "https://meet.example/c")
            await page.protected(1)
            await until_closed(publishers[0])
            assert [p.closed for p in publishers] == [True, False]
            assert [len(p.frames) for p in publishers] == [0, 1]
        assert publishers[1].closed  # with the server

    asyncio.run(talk())


def test_a_publisher_that_cannot_be_made_is_told() -> None:
    def make(url: str) -> Publisher:
        raise ModuleNotFoundError("No module named 'aiortc'")

    async def talk() -> None:
        async with running(make_publisher=make) as live, live.page() as page:
            await page.say(type="publish", on=True, url="https://meet.example/a")
            message = (await page.text("error"))["message"]
            assert message == "publish: ModuleNotFoundError: No module named 'aiortc'"
            assert (await page.settled(blur=20))["publish"]["on"] is False

    asyncio.run(talk())


def test_publishing_outlasts_the_page() -> None:
    publishers: list[Publisher] = []

    def make(url: str) -> Publisher:
        publishers.append(Publisher(url))
        return publishers[-1]

    async def talk() -> None:
        async with running(make_publisher=make) as live:
            async with live.page() as page:
                await page.say(type="publish", on=True, url="https://meet.example/a")
                await page.text("state", lambda s: s["publish"]["on"])
            async with live.page() as page:
                assert (await page.text("state"))["publish"]["on"] is True
                await page.protected(5)
            assert len(publishers[0].frames) == 1
            assert not publishers[0].closed

    asyncio.run(talk())


def test_an_output_that_fails_harms_no_frame() -> None:
    class Failing(Publisher):
        def push(self, frame: av.VideoFrame) -> None:
            raise OSError("gone")

    async def talk() -> None:
        async with running(make_publisher=Failing) as live, live.page() as page:
            await page.say(type="publish", on=True, url="https://meet.example/a")
            await page.text("state", lambda s: s["publish"]["on"])
            for number in range(3):
                shown = await page.protected(number)
                np.testing.assert_array_equal(shown.luma[INSIDE], picture(number)[INSIDE])

    asyncio.run(talk())


# Virtual camera


def test_the_virtual_camera_shows_the_protected_frames() -> None:
    shown: list[np.ndarray[Any, Any]] = []
    seen = threading.Event()

    class Camera:
        notes = ()

        def write(self, frame: av.VideoFrame, pts: int) -> None:
            shown.append(luma_of(frame))
            seen.set()

        def finish(self, end_pts: int | None = None) -> None: ...

        def discard(self) -> None: ...

    def open_camera(layout: Layout) -> Sink:
        return Camera()

    async def talk() -> None:
        camera = VirtualCamera("Unveil", open_camera=open_camera)
        async with running(virtual_camera=camera) as live, live.page() as page:
            state = await page.text("state")
            assert state["virtual_camera"] == {
                "on": False,
                "device": "Unveil",
                "message": "the virtual camera waits for the first frame",
            }
            await page.protected(3)
            state = await page.text("state", lambda s: s["virtual_camera"]["on"])
            assert state["virtual_camera"]["message"] == ""
        assert seen.wait(20)
        np.testing.assert_array_equal(shown[0][INSIDE], picture(3)[INSIDE])
        assert (shown[0][OUTSIDE[0]] == WHITE_LUMA).all()

    asyncio.run(talk())


def test_a_virtual_camera_that_does_not_open_is_told() -> None:
    def refuse(layout: Layout) -> Sink:
        raise OutputUnwritable("virtual camera: does not open; is one installed?")

    async def talk() -> None:
        camera = VirtualCamera(None, open_camera=refuse)
        async with running(virtual_camera=camera) as live, live.page() as page:
            await page.protected(3)
            state = await page.text("state", lambda s: "open" in s["virtual_camera"]["message"])
            assert state["virtual_camera"] == {
                "on": False,
                "device": "",
                "message": "virtual camera: does not open; is one installed?",
            }
            assert (await page.protected(4)).luma[0, 0] == WHITE_LUMA

    asyncio.run(talk())
