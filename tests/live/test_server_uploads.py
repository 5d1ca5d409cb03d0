"""Uploads to the server: pictures are shown; too large, slow or hostile ones are refused."""

from __future__ import annotations

import asyncio
import io
import struct
import zlib
from collections.abc import AsyncIterator

import numpy as np
import pytest
from PIL import Image

from tests.live.clients import picture_of, still_works, upload
from tests.live.pages import running
from unveil.live import server as server_module
from unveil.live.uploads import MAX_UPLOAD_BYTES

MEGABYTE = 1_000_000


def test_an_uploaded_picture_can_be_shown() -> None:
    async def talk() -> None:
        async with running() as live, live.page() as page:
            await page.text("state")
            status, made = await upload(live, picture_of(400, 300))
            assert status == 200
            assert made["name"] == "Picture 1"
            state = await page.text("state")
            assert made in state["backgrounds"]
            async with live.http.get(live.origin + made["thumbnail_url"]) as answer:
                assert answer.content_type == "image/jpeg"
                thumbnail = Image.open(io.BytesIO(await answer.read()))
                assert thumbnail.size == (160, 90)
                assert np.abs(np.array(thumbnail)[45, 80] - np.array([200, 30, 30.0])).max() < 6
            await page.settled(mode="replace", background=made["id"])
            shown = await page.protected(1)
            # Luma of the picture's red: 16 + 219/255 * (0.299 * 200 + 0.587 * 30 + 0.114 * 30).
            assert abs(int(shown.luma[0, 0]) - 85.4) < 2
            assert shown.cr[0, 0] > 180

    asyncio.run(talk())


def test_the_same_picture_twice_is_one_background() -> None:
    async def talk() -> None:
        async with running() as live:
            first = await upload(live, picture_of(40, 30))
            assert await upload(live, picture_of(40, 30)) == first

    asyncio.run(talk())


@pytest.mark.parametrize("says_length", [True, False])
def test_an_upload_of_a_gigabyte_is_refused_while_it_comes(says_length: bool) -> None:
    n_sent = 0

    async def gigabyte() -> AsyncIterator[bytes]:
        nonlocal n_sent
        for _ in range(1000):
            n_sent += MEGABYTE
            yield bytes(MEGABYTE)

    async def talk() -> None:
        async with running() as live:
            headers = {"Content-Length": str(1000 * MEGABYTE)} if says_length else {}
            status, answer = await upload(live, gigabyte(), headers=headers)
            assert status == 413
            assert answer == {"error": "background: has more than 10 MB; scale it down"}
            assert n_sent < 100 * MEGABYTE
            await still_works(live)

    asyncio.run(talk())


def test_an_upload_just_over_the_limit_is_refused_and_one_below_is_read() -> None:
    async def talk() -> None:
        async with running() as live:
            assert (await upload(live, io.BytesIO(bytes(MAX_UPLOAD_BYTES + 1))))[0] == 413
            status, answer = await upload(live, io.BytesIO(bytes(MAX_UPLOAD_BYTES)))
            assert status == 400
            assert "is not a picture that can be read" in answer["error"]

    asyncio.run(talk())


def test_a_compressed_upload_is_limited_by_what_it_holds() -> None:
    async def talk() -> None:
        async with running() as live:
            packer = zlib.compressobj(9, wbits=31)
            body = b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(200))
            body += packer.flush()
            assert len(body) < MEGABYTE
            status, answer = await upload(live, body, headers={"Content-Encoding": "gzip"})
            assert status == 413
            assert "more than 10 MB" in answer["error"]
            await still_works(live)

    asyncio.run(talk())


def test_uploads_at_once_are_read_one_after_the_other() -> None:
    async def talk() -> None:
        async with running() as live:
            pictures = [picture_of(30 + n, 30) for n in range(6)]
            made = await asyncio.gather(*(upload(live, picture) for picture in pictures))
            assert [status for status, _ in made] == [200] * 6
            assert len({answer["id"] for _, answer in made}) == 6

    asyncio.run(talk())


def test_an_upload_that_does_not_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "UPLOAD_SECONDS", 0.2)

    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(30)

    async def talk() -> None:
        async with running() as live:
            status, answer = await upload(live, slow())
            assert status == 408
            assert "took over 0.2 s" in answer["error"]
            await still_works(live)

    asyncio.run(talk())


def chunk_of(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png_that_says(width: int, height: int) -> bytes:
    """Make a small PNG whose header promises a picture of this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    chunks = chunk_of(b"IHDR", header) + chunk_of(b"IDAT", rows) + chunk_of(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("side", [7_100, 9_500, 12_000, 50_000, 2**31 - 1])
def test_an_image_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    async def talk() -> None:
        async with running() as live:
            status, answer = await upload(live, png_that_says(side, side))
            assert status == 400
            assert answer["error"] == "background: has more than 50 million pixels; scale it down"
            await still_works(live)

    asyncio.run(talk())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"concat:/etc/passwd|/etc/hostname",
        b"file:///etc/passwd",
        b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n",
        b"RIFF\x00\x00\x00\x00AVI LIST",
        picture_of(8, 8)[:50],
        picture_of(8, 8, "TIFF"),
        picture_of(8, 8, "ICO"),
    ],
)
def test_what_is_no_picture_is_never_opened_by_name_or_protocol(body: bytes) -> None:
    async def talk() -> None:
        async with running() as live:
            headers = {"Content-Disposition": 'attachment; filename="concat:/etc/passwd"'}
            status, answer = await upload(live, body, headers=headers)
            assert status == 400
            assert "take a JPEG, PNG or WebP file" in answer["error"]
            await still_works(live)

    asyncio.run(talk())


@pytest.mark.parametrize("name", ["concat:a|b", "http://evil.example/a.png", "../../x", "a.mp4"])
def test_the_name_of_an_upload_is_not_used(name: str) -> None:
    async def talk() -> None:
        async with running() as live:
            headers = {
                "Content-Disposition": f'attachment; filename="{name}"',
                "Content-Type": "application/octet-stream",
            }
            status, made = await upload(live, picture_of(8, 8), headers=headers)
            assert status == 200
            assert made["name"] == "Picture 1"
            assert name not in str(made)

    asyncio.run(talk())
