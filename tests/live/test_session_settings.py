"""Camera and settings of a session: they change between frames, and failures change nothing."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from tests.live.pages import WHITE_LUMA, assert_room_is_white, header_of, running
from tests.sitter import INSIDE, OUTSIDE, Watcher, picture
from unveil.live.settings import LiveSettings

# Camera


@pytest.mark.parametrize("on", [True, False])
def test_the_camera_switched_forgets_earlier_frames(on: bool) -> None:
    async def talk() -> None:
        async with running() as live, live.page() as page:
            await page.protected(0)
            before = live.watcher.n_resets
            await page.say(type="camera", on=on)
            await page.protected(1)
            assert live.watcher.n_resets == before + 1
            await page.protected(2)
            assert live.watcher.n_resets == before + 1

    asyncio.run(talk())


def test_a_new_page_begins_anew() -> None:
    async def talk() -> None:
        async with running() as live:
            async with live.page() as page:
                await page.protected(0)
            before = live.watcher.n_resets
            async with live.page() as page:
                await page.protected(1)
            assert live.watcher.n_resets > before

    asyncio.run(talk())


# Settings


def test_settings_change_between_frames_and_never_flicker() -> None:
    """While the background changes, every frame shows the old or the new one, and the person."""

    async def talk() -> None:
        settings = LiveSettings("replace", background="#ffffff", smooth=5)
        async with running(settings=settings) as live, live.page() as page:
            for number in range(10):
                await page.protected(number)
            rooms = []
            await page.say(type="settings", background="#000000")
            for number in range(10, 10_000):
                shown = await page.protected(number)
                np.testing.assert_array_equal(shown.luma[INSIDE], picture(number)[INSIDE])
                (room,) = {int(level) for outside in OUTSIDE for level in shown.luma[outside].flat}
                rooms.append(room)
                if room != WHITE_LUMA:
                    break
            assert rooms == [WHITE_LUMA] * (len(rooms) - 1) + [16]
            await page.text(
                "state",
                lambda s: s["busy"] is None and s["settings"]["background"] == "#000000",
            )

    asyncio.run(talk())


def test_the_protector_is_built_off_the_loop_while_frames_go_on() -> None:
    may_build = threading.Event()
    made: list[Watcher] = []

    def make(settings: LiveSettings) -> Watcher:
        if made:
            may_build.wait(20)
        made.append(Watcher())
        return made[-1]

    async def talk() -> None:
        async with running(make_segmenter=make) as live, live.page() as page:
            await page.say(type="settings", model="lite")
            state = await page.text("state", lambda s: s["busy"] is not None)
            assert state["busy"] == "loading model lite"
            for number in range(5):
                assert_room_is_white(await page.protected(number))
            assert len(made) == 1
            may_build.set()
            await page.text("state", lambda s: s["busy"] is None)
            # It has run on the last frame already.
            assert made[1].n_asked == 2
            assert {name[:12] for name in made[1].threads} == {"unveil-build"}
            before = made[0].n_asked
            assert_room_is_white(await page.protected(6))
            assert made[1].n_asked == 3
            assert made[0].n_asked == before

    asyncio.run(talk())


def test_settings_that_fail_leave_the_old_ones() -> None:
    def make(settings: LiveSettings) -> Watcher:
        if settings.model == "heavy":
            raise OSError("the model is damaged")
        return Watcher()

    async def talk() -> None:
        async with running(make_segmenter=make) as live, live.page() as page:
            await page.say(type="settings", model="heavy")
            error = await page.text("error")
            assert "settings are not applied" in error["message"]
            assert "the model is damaged" in error["message"]
            state = await page.text("state", lambda s: s["busy"] is None)
            assert state["settings"]["model"] == "auto"
            assert_room_is_white(await page.protected(1))
            assert (await page.settled(background="#000000"))["busy"] is None

    asyncio.run(talk())


def test_the_last_of_many_changes_applies() -> None:
    async def talk() -> None:
        async with running() as live, live.page() as page:
            for blur in range(10, 40):
                await page.say(type="settings", mode="blur", blur=blur)
            state = await page.text(
                "state", lambda s: s["busy"] is None and s["settings"]["blur"] == 39
            )
            assert state["settings"]["mode"] == "blur"
            assert live.pipeline.settings.blur == 39

    asyncio.run(talk())


def test_the_matrix_needs_no_new_protector() -> None:
    made: list[LiveSettings] = []

    def make(settings: LiveSettings) -> Watcher:
        made.append(settings)
        return Watcher()

    async def talk() -> None:
        settings = LiveSettings("replace", background="#00ff00", smooth=1)
        async with running(make_segmenter=make, settings=settings) as live, live.page() as page:
            sd = await page.protected(0)
            await page.say(type="settings", matrix="bt709")
            hd = await page.protected(1)
            await page.say(type="settings", matrix="bt601")
            again = await page.protected(2)
            assert len(made) == 1
        # Luma of pure green: 16 + 219 * 0.587 and 16 + 219 * 0.7152.
        assert abs(int(sd.luma[0, 0]) - 144.6) < 1
        assert abs(int(hd.luma[0, 0]) - 172.6) < 1
        assert again.luma[0, 0] == sd.luma[0, 0]

    asyncio.run(talk())


def test_a_weak_blur_is_warned_of_when_the_size_is_known() -> None:
    async def talk() -> None:
        async with running() as live, live.page() as page:
            assert (await page.settled(mode="blur", blur=4))["warning"] is None
            await page.socket.send_bytes(header_of(640, 480) + bytes(640 * 720))
            state = await page.text("state", lambda s: s["warning"] is not None)
            assert state["warning"].startswith("the blur of 4 pixels is weak: letters 24 pixels")
            assert (await page.settled(blur=None))["warning"] is None

    asyncio.run(talk())
