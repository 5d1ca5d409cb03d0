"""Frames over a real socket: protected, answered once each, never raw; settings, failures."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import suppress

import aiohttp
import numpy as np
import pytest

from tests import sitter
from tests.live.pages import (
    HEADER,
    WHITE,
    WHITE_LUMA,
    Answered,
    frame_message,
    planes_of,
    running,
)
from tests.sitter import INSIDE, OUTSIDE, Watcher, picture, seated
from unveil.live.settings import LiveSettings
from unveil.protection.protector import MAX_FAILURES_IN_A_ROW


def assert_room_is_white(shown: Answered) -> None:
    for outside in OUTSIDE:
        assert (shown.luma[outside] == WHITE_LUMA).all()


def assert_all_white(shown: Answered) -> None:
    assert (shown.luma == WHITE_LUMA).all()
    assert (shown.cb == 128).all()
    assert (shown.cr == 128).all()


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


def header_of(width: int, height: int, timestamp_us: float = 0.0) -> bytes:
    return HEADER.pack(9, width, height, timestamp_us)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (header_of(97, 64) + bytes(97 * 96), "97x64 is odd"),
        (header_of(96, 65) + bytes(96 * 97), "96x65 is odd"),
        (header_of(62, 64) + bytes(62 * 96), "62x64 is not between 64x64 and 1920x1080"),
        (header_of(1922, 64) + bytes(1922 * 96), "1922x64 is not between 64x64 and 1920x1080"),
        (header_of(64, 1082) + bytes(96 * 1082), "64x1082 is not between 64x64 and 1920x1080"),
        (header_of(65534, 65534), "65534x65534 is not between 64x64 and 1920x1080"),
        (header_of(0, 0), "0x0 is not between 64x64 and 1920x1080"),
        (header_of(1920, 1080) + bytes(100), "a message of 116 bytes, but 1920x1080 needs 3110416"),
        (header_of(96, 64) + planes_of(0) + b"x", "a message of 9233 bytes, but 96x64 needs 9232"),
        (header_of(96, 64) + planes_of(0)[:-1], "a message of 9231 bytes, but 96x64 needs 9232"),
        (header_of(96, 64, float("nan")) + planes_of(0), "its timestamp is not a finite number"),
        (header_of(96, 64, float("inf")) + planes_of(0), "its timestamp is not a finite number"),
    ],
)
def test_lying_headers_are_refused_without_a_picture(message: bytes, reason: str) -> None:
    async def talk() -> None:
        async with running() as live, live.page() as page:
            await page.socket.send_bytes(message)
            refused = await page.answer()
            assert (refused.sequence, refused.width, refused.height) == (9, 0, 0)
            assert reason in (await page.text("error"))["message"]
            assert_room_is_white(await page.protected(1))  # and the session goes on
            assert live.watcher.n_asked == 1

    asyncio.run(talk())


def test_a_message_without_a_header_is_told() -> None:
    async def talk() -> None:
        async with running() as live, live.page() as page:
            await page.socket.send_bytes(b"short")
            assert "5 bytes is shorter than its header" in (await page.text("error"))["message"]
            assert_room_is_white(await page.protected(1))

    asyncio.run(talk())


def test_a_message_over_the_limit_ends_the_session_and_not_the_server() -> None:
    async def talk() -> None:
        async with running() as live:
            async with live.page() as page:
                await page.socket.send_bytes(bytes(HEADER.size + 1920 * 1080 * 3 // 2 + 1))
                with pytest.raises(ConnectionError):
                    await page.answer()
                assert page.socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
            async with live.page() as page:
                assert_room_is_white(await page.protected(1))

    asyncio.run(talk())


def test_the_largest_frame_is_taken() -> None:
    async def talk() -> None:
        async with running() as live, live.page() as page:
            await page.socket.send_bytes(header_of(1920, 1080) + bytes(1920 * 1080 * 3 // 2))
            shown = await page.answer()
            assert (shown.width, shown.height) == (1920, 1080)

    asyncio.run(talk())


# Failing closed


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


# Camera and settings


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


# What is refused


def test_a_text_that_is_no_text_ends_the_session_and_not_the_server() -> None:
    async def talk() -> None:
        async with running() as live:
            async with live.page() as page:
                await page.socket.send_frame(b"\xff\xfe", aiohttp.WSMsgType.TEXT)
                with pytest.raises(ConnectionError):
                    await page.answer()
            async with live.page() as page:
                assert_room_is_white(await page.protected(1))

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ("[" * 10_000, "is not JSON"),
        ("NaN", "is not a JSON object"),
        ("[]", "is not a JSON object"),
        ('{"type": 5}', "is not a JSON object"),
        ('{"type": "boil"}', "type 'boil' is not known"),
        ('{"type": "settings", "pizza": 1}', "no setting is called 'pizza'"),
        (
            '{"type": "settings", "mode": "glow"}',
            "mode: 'glow' is not one of remove, blur, replace",
        ),
        ('{"type": "settings", "mode": null}', "mode: None is not a text"),
        ('{"type": "settings", "model": "huge"}', "model: 'huge' is not one of auto, lite"),
        ('{"type": "settings", "edge": "0.5"}', "edge: '0.5' is not a number"),
        ('{"type": "settings", "edge": NaN}', "edge: nan is not a number"),
        ('{"type": "settings", "edge": 0.99}', "edge: 0.99 is outside 0.05 to 0.95"),
        ('{"type": "settings", "blur": 3}', "blur: 3 is outside 4 to 1000"),
        ('{"type": "settings", "blur": true}', "blur: True is not an integer or null"),
        ('{"type": "settings", "smooth": 101}', "smooth: 101 is outside 0 to 100"),
        ('{"type": "settings", "smooth": 1.5}', "smooth: 1.5 is not an integer"),
        ('{"type": "settings", "background": "../x"}', "'../x' is no background"),
        ('{"type": "settings", "background": "/etc/passwd"}', "'/etc/passwd' is no background"),
        ('{"type": "settings", "background": "http://a/b.png"}', "is no background"),
        ('{"type": "settings", "matrix": "rgb"}', "matrix: 'rgb' is not one of bt601, bt709"),
        ('{"type": "camera"}', "on: is not true or false"),
        ('{"type": "meter", "on": 1}', "on: is not true or false"),
        ('{"type": "publish", "on": true}', "url: is not a text"),
        ('{"type": "publish", "on": true, "url": "https://a/b"}', "without a publisher"),
        (json.dumps({"type": "settings", "mode": "x" * 20_000}), "over 16384"),
        (json.dumps({"type": "settings", "edge": 10**400}), "edge: "),
    ],
)
def test_a_text_that_is_not_understood_is_told_and_the_session_goes_on(
    text: str, reason: str
) -> None:
    async def talk() -> None:
        async with running() as live, live.page() as page:
            await page.socket.send_str(text)
            error = await page.text("error")
            assert reason in error["message"]
            assert len(error["message"]) < 300
            assert_room_is_white(await page.protected(1))
            assert live.pipeline.wanted == WHITE

    asyncio.run(talk())


def test_a_page_that_does_not_read_is_dropped() -> None:
    async def talk() -> None:
        async with running(send_seconds=0.3) as live:
            reader, writer = await raw_session(live.server.url)
            reader._limit = 1  # reads no further
            message = HEADER.pack(1, 1920, 1080, 0.0) + bytes(1920 * 1080 * 3 // 2)
            framed = masked(message)
            async with asyncio.timeout(30):
                with suppress(ConnectionError):
                    while not writer.is_closing():
                        writer.write(framed)
                        await writer.drain()
            writer.close()
            async with live.page() as page:  # the session is free again
                assert_room_is_white(await page.protected(1))

    asyncio.run(talk())


async def raw_session(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a WebSocket by hand, which aiohttp's client would go on reading."""
    authority = url.removeprefix("http://").rstrip("/")
    host, _, port = authority.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET /session HTTP/1.1\r\nHost: {authority}\r\nOrigin: http://{authority}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readline()
    return reader, writer


def masked(message: bytes) -> bytes:
    """Frame a binary message as a client does, with a mask of zeros."""
    return bytes([0x82, 0x80 | 127]) + len(message).to_bytes(8, "big") + bytes(4) + message


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
