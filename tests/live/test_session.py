"""Frames over a real socket: protected, answered once each, never raw; state and figures."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np

from tests import sitter
from tests.live.pages import Answered, assert_room_is_white, frame_message, header_of, running
from tests.sitter import INSIDE, Watcher, picture, seated

# Frames


def test_the_person_is_shown_on_the_background() -> None:
    async def talk() -> None:
        async with running() as live, live.page() as page:
            for number in range(3):
                shown = await page.protected(number)
                header = shown.sequence, shown.width, shown.height, shown.timestamp_us
                assert header == (number, sitter.WIDTH, sitter.HEIGHT, 40_000.0 * number)
                np.testing.assert_array_equal(shown.luma[INSIDE], picture(number)[INSIDE])
                assert (shown.cb[14:28, 22:27] == 90).all()
                assert (shown.cr[14:28, 22:27] == 160).all()
                assert_room_is_white(shown)

    asyncio.run(talk())


def test_every_message_is_answered_once_and_the_newest_frames_win() -> None:
    n_frames = 40

    def answer(number: int) -> sitter.Answer:
        time.sleep(0.02)  # longer than frames take to come
        return seated()

    async def talk() -> list[Answered]:
        async with running(Watcher(answer)) as live, live.page() as page:
            for number in range(n_frames):
                await page.send(number)
            answers = [await page.answer() for _ in range(n_frames)]
            figures = await page.text("figures", lambda f: f["frames"] + f["dropped"] == n_frames)
            assert figures["dropped"] == sum(shown.width == 0 for shown in answers)
            return answers

    answers = asyncio.run(talk())
    assert sorted(shown.sequence for shown in answers) == list(range(n_frames))
    shown = [answer for answer in answers if answer.width]
    assert 0 < len(shown) < n_frames
    assert shown[-1].sequence == n_frames - 1
    assert [one.sequence for one in shown] == sorted(one.sequence for one in shown)
    for one in shown:
        np.testing.assert_array_equal(one.luma[INSIDE], picture(one.sequence)[INSIDE])
        assert_room_is_white(one)


def test_two_frames_in_flight_lose_none() -> None:
    async def talk() -> None:
        async with running() as live, live.page() as page:
            await page.send(0)
            for number in range(1, 20):
                await page.send(number)
                assert (await page.answer()).width == sitter.WIDTH
            assert (await page.answer()).width == sitter.WIDTH

    asyncio.run(talk())


def test_the_largest_frame_is_taken() -> None:
    async def talk() -> None:
        async with running() as live, live.page() as page:
            await page.socket.send_bytes(header_of(1920, 1080) + bytes(1920 * 1080 * 3 // 2))
            shown = await page.answer()
            assert (shown.width, shown.height) == (1920, 1080)

    asyncio.run(talk())


def test_frames_are_protected_off_the_loop() -> None:
    async def talk() -> set[str]:
        async with running() as live, live.page() as page:
            await page.socket.send_bytes(frame_message(1))
            await page.answer()
            return live.watcher.threads

    names = asyncio.run(talk())
    assert names
    assert all(name.startswith("unveil-protect") for name in names - {"MainThread"})
    assert threading.current_thread().name == "MainThread"


# State and figures


def test_the_page_is_told_the_state_at_first() -> None:
    async def talk() -> dict[str, object]:
        async with running() as live, live.page() as page:
            return await page.text("state")

    state = asyncio.run(talk())
    assert state["settings"] == {
        "mode": "replace",
        "model": "auto",
        "background": "#ffffff",
        "blur": None,
        "edge": 0.6,
        "smooth": 1,
        "careful": False,
        "matrix": None,
    }
    assert state["models"] == ["auto", "lite", "full", "heavy", "selfie", "selfie-landscape"]
    assert state["busy"] is None
    assert state["warning"] is None
    assert state["meter"] is False
    assert state["publish"] == {"on": False, "url": "", "status": "off", "message": ""}
    assert state["publish_available"] is False
    assert state["virtual_camera"] == {"on": False, "message": ""}
    assert state["limits"] == {
        "max_width": 1920,
        "max_height": 1080,
        "edge": [0.05, 0.95],
        "blur": [4, 1000],
        "smooth": [0, 100],
    }


def test_figures_come_every_second() -> None:
    async def talk() -> None:
        async with running() as live, live.page() as page:
            await page.protected(0)
            await page.say(type="figures", frames_per_second=29.5, glass_ms_median=None)
            figures = await page.text("figures", lambda f: f["frames"] == 1)
            assert figures["person_ms"] >= 0
            assert figures["compose_ms"] > 0
            assert figures["wait_ms"] >= 0
            assert figures["failed"] == figures["dropped"] == 0
            assert figures["memory_mb"] is None or figures["memory_mb"] > 10
            idle = await page.text("figures")
            assert idle["frames_per_second"] == 0
            assert idle["person_ms"] is None

    asyncio.run(talk())
