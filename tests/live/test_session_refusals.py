"""What a session refuses: lying headers, texts not understood, and a page that reads nothing."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import aiohttp
import pytest

from tests.live.pages import HEADER, WHITE, assert_room_is_white, header_of, planes_of, running

# Frames


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


# Texts


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


# Reading


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
