"""Frames whose protection fails or whose mask is late: the background, never the room."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np

from tests import sitter
from tests.live.pages import WHITE_LUMA, Answered, assert_room_is_white, running
from tests.sitter import INSIDE, Watcher, picture, seated
from unveil.live.settings import LiveSettings
from unveil.protection.protector import MAX_FAILURES_IN_A_ROW


def assert_all_white(shown: Answered) -> None:
    assert (shown.luma == WHITE_LUMA).all()
    assert (shown.cb == 128).all()
    assert (shown.cr == 128).all()


def test_a_frame_whose_protection_fails_shows_the_background() -> None:
    def answer(number: int) -> sitter.Answer:
        return ValueError("no mask today") if number % 2 else seated()

    async def talk() -> None:
        async with running(Watcher(answer)) as live, live.page() as page:
            for number in range(6):
                shown = await page.protected(number)
                if number % 2:
                    assert_all_white(shown)
                else:
                    np.testing.assert_array_equal(shown.luma[INSIDE], picture(number)[INSIDE])
            error = await page.text("error")
            assert "shows the background" in error["message"]
            assert "no mask today" in error["message"]
            assert (await page.text("figures"))["failed"] == 3

    asyncio.run(talk())


def test_protection_goes_on_after_it_has_failed_for_good() -> None:
    """`Protector` raises after 30 failures; it is made anew a second later."""
    works = threading.Event()

    def answer(number: int) -> sitter.Answer:
        return seated() if works.is_set() else RuntimeError("broken")

    async def talk() -> None:
        async with running(Watcher(answer)) as live, live.page() as page:
            n_failed = MAX_FAILURES_IN_A_ROW + 10
            for number in range(n_failed):
                assert_all_white(await page.protected(number))
            assert live.watcher.n_asked <= MAX_FAILURES_IN_A_ROW
            works.set()
            deadline = time.monotonic() + 20
            while (await page.protected(1)).luma[INSIDE].max() == WHITE_LUMA:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            assert_room_is_white(await page.protected(2))

    asyncio.run(talk())


def test_green_is_shown_where_removing_the_background_fails() -> None:
    async def talk() -> None:
        settings = LiveSettings("remove", smooth=1)
        failing = Watcher(lambda number: RuntimeError("broken") if number else seated())
        async with running(failing, settings=settings) as live, live.page() as page:
            removed = await page.protected(0)
            for number in range(1, MAX_FAILURES_IN_A_ROW + 3):
                shown = await page.protected(number)
                assert (shown.luma == removed.luma[0, 0]).all()
                assert (shown.cb == removed.cb[0, 0]).all()
                assert (shown.cr == removed.cr[0, 0]).all()
            assert removed.cb[0, 0] < 128
            assert removed.cr[0, 0] < 100  # green

    asyncio.run(talk())


def test_a_mask_is_used_on_its_own_frame_only() -> None:
    """The person jumps from side to side: each frame shows the person where that frame has it."""
    left, right = np.s_[16:, 4:20], np.s_[16:, 72:88]

    def answer(number: int) -> sitter.Answer:
        mask = seated()
        mask.probability[:] = 0
        mask.probability[4:, 1:5] = number % 2
        mask.probability[4:, 18:22] = 1 - number % 2
        return mask

    async def talk() -> None:
        async with running(Watcher(answer)) as live, live.page() as page:
            await page.send(0)
            for number in range(10):
                await page.send(number + 1)
                shown = await page.answer()
                there, gone = (left, right) if shown.sequence % 2 else (right, left)
                assert (shown.luma[gone] == WHITE_LUMA).all()
                np.testing.assert_array_equal(
                    shown.luma[there][8:-2, 4:12], picture(shown.sequence)[there][8:-2, 4:12]
                )

    asyncio.run(talk())
