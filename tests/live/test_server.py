"""The server against what a hostile page or client may send: clear refusals, and it goes on."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

from tests.live.pages import WHITE_LUMA, Live, running
from unveil.errors import CannotListen
from unveil.live import server as server_module
from unveil.live.server import PAGE, listen
from unveil.live.uploads import MAX_UPLOAD_BYTES

MEGABYTE = 1_000_000


async def still_works(live: Live) -> None:
    async with live.page() as page:
        assert (await page.protected(1)).luma[0, 0] == WHITE_LUMA


def picture_of(width: int, height: int, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(file, kind)
    return file.getvalue()


async def upload(live: Live, body: Any, **options: Any) -> tuple[int, dict[str, str]]:
    headers = {"Origin": live.origin} | options.pop("headers", {})
    url = live.server.url + "backgrounds"
    async with live.http.post(url, data=body, headers=headers, **options) as answer:
        return answer.status, await answer.json()


# Pages and files


def test_the_page_and_its_files_are_served() -> None:
    async def talk() -> None:
        async with running() as live:
            async with live.http.get(live.server.url) as answer:
                assert answer.status == 200
                assert answer.content_type == "text/html"
                assert await answer.text() == (PAGE / "index.html").read_text("utf-8")
            async with live.http.get(live.server.url + "page/index.html") as answer:
                assert answer.status == 200
            async with live.http.get(live.server.url + "health") as answer:
                assert await answer.text() == "ok"

    asyncio.run(talk())


@pytest.mark.parametrize(
    "path",
    [
        "page/../server.py",
        "page/..%2fserver.py",
        "page/%2e%2e/server.py",
        "page//etc/passwd",
        "page/none.js",
        "page/",
        "server.py",
        "backgrounds/none.jpg",
        "backgrounds/..%2f..%2fserver.py.jpg",
        "meter/room.png",
    ],
)
def test_no_other_file_is_served(path: str) -> None:
    from yarl import URL

    async def talk() -> None:
        async with running() as live:
            url = URL(live.server.url + path, encoded=True)
            async with live.http.get(url) as answer:
                assert answer.status == 404
            await still_works(live)

    asyncio.run(talk())


# Origin and Host


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://evil.example",
        "null",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://{authority}",
        "http://{authority}.evil.example",
        "http://localhost:{port}",
    ],
)
def test_a_foreign_origin_is_refused_everywhere(origin: str) -> None:
    async def talk() -> None:
        async with running() as live:
            authority = live.origin.removeprefix("http://")
            port = authority.rpartition(":")[2]
            headers = {"Origin": origin.format(authority=authority, port=port)}
            for path in ("", "health", "meter/room.png", "page/index.html"):
                async with live.http.get(live.server.url + path, headers=headers) as answer:
                    assert answer.status == 403
                    assert "another site may not use this server" in await answer.text()
            url = live.server.url + "backgrounds"
            body = picture_of(8, 8)
            async with live.http.post(url, data=body, headers=headers) as answer:
                assert answer.status == 403
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await live.http.ws_connect(live.server.url + "session", headers=headers)
            assert refused.value.status == 403
            assert [b for b in live.service.backgrounds.entries() if "upload" in b.id] == []
            await still_works(live)

    asyncio.run(talk())


def test_a_socket_and_an_upload_need_an_origin() -> None:
    async def talk() -> None:
        async with running() as live:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await live.http.ws_connect(live.server.url + "session")
            assert refused.value.status == 403
            async with live.http.post(live.server.url + "backgrounds", data=b"x") as answer:
                assert answer.status == 403
                assert "Origin: is missing" in await answer.text()
            await still_works(live)

    asyncio.run(talk())


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1.evil.example:{port}",
        "127.0.0.2:{port}",
        "[::1]:{port}",
        "localhost.:{port}",
        "2130706433:{port}",
        "127.1:{port}",
        "",
    ],
)
def test_a_foreign_host_is_refused(host: str) -> None:
    """A name that leads here by DNS rebinding is no name of this server."""

    async def talk() -> None:
        async with running() as live:
            port = live.origin.rpartition(":")[2]
            named = host.format(port=port)
            headers = {"Host": named, "Origin": f"http://{named}"}
            async with live.http.get(live.server.url, headers=headers) as answer:
                assert answer.status == 403
                assert "Host: is not an address of this server" in await answer.text()
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await live.http.ws_connect(live.server.url + "session", headers=headers)
            assert refused.value.status == 403
            await still_works(live)

    asyncio.run(talk())


def test_localhost_and_capitals_are_names_of_this_server() -> None:
    async def talk() -> None:
        async with running() as live:
            port = live.origin.rpartition(":")[2]
            for name in (f"localhost:{port}", f"LocalHost:{port}"):
                headers = {"Host": name, "Origin": f"http://{name}"}
                async with live.http.get(live.server.url, headers=headers) as answer:
                    assert answer.status == 200

    asyncio.run(talk())


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_may_link_to_the_page_and_embed_nothing(site: str) -> None:
    async def talk() -> None:
        async with running() as live:
            linked = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
            async with live.http.get(live.server.url, headers=linked) as answer:
                assert answer.status == 200
            embedded = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
            for path in ("meter/room.png", "backgrounds/wall.jpg", "page/index.html", ""):
                async with live.http.get(live.server.url + path, headers=embedded) as answer:
                    assert answer.status == 403

    asyncio.run(talk())


def test_every_answer_has_the_headers_that_bind_the_page() -> None:
    async def talk() -> None:
        async with running() as live:
            for method, path, status in (
                ("GET", "", 200),
                ("GET", "none", 404),
                ("DELETE", "", 403),
                ("PUT", "backgrounds", 403),
                ("GET", "backgrounds/wall.jpg", 200),
                ("GET", "backgrounds", 405),
            ):
                async with live.http.request(method, live.server.url + path) as answer:
                    assert answer.status == status, path
                    policy = answer.headers["Content-Security-Policy"]
                    assert policy.startswith("default-src 'none'; script-src 'self';")
                    assert "connect-src 'self'" in policy
                    assert "frame-ancestors 'none'" in policy
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"
                    assert answer.headers["Referrer-Policy"] == "no-referrer"
                    assert answer.headers["Cache-Control"] == "no-store"
                    assert answer.headers["Permissions-Policy"].startswith("camera=(self)")
                    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
                    assert "Access-Control-Allow-Origin" not in answer.headers
                    assert answer.headers["Server"] == "unveil"

    asyncio.run(talk())


# Token

TOKEN = "correct-horse-battery"


def test_a_token_is_exchanged_for_a_cookie_and_then_needed() -> None:
    async def talk() -> None:
        async with running(token=TOKEN) as live:
            url = live.server.url
            for path in ("", "health", "page/index.html", "backgrounds/wall.jpg"):
                async with live.http.get(url + path) as answer:
                    assert answer.status == 403
                    assert "token: is missing" in await answer.text()
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await live.http.ws_connect(url + "session", origin=live.origin)
            assert refused.value.status == 403
            for wrong in ("", "x", TOKEN[:-1], TOKEN + "x", "%00", "%ff"):
                async with live.http.get(f"{url}?token={wrong}") as answer:
                    assert answer.status == 403
                    assert answer.cookies == {}
            async with live.http.get(f"{url}page/index.html?token={TOKEN}") as answer:
                assert answer.status == 403  # only the first address takes it
            async with live.http.get(f"{url}?token={TOKEN}", allow_redirects=False) as answer:
                assert answer.status == 303
                assert answer.headers["Location"] == "/"
                (cookie,) = answer.cookies.values()
            assert cookie["httponly"]
            assert cookie["samesite"] == "Strict"
            assert TOKEN not in cookie.value
            live.http.cookie_jar.update_cookies({cookie.key: cookie.value}, answer.url)
            sent = {"Cookie": f"{cookie.key}={cookie.value}"}
            async with live.http.get(url, headers=sent) as answer:
                assert answer.status == 200
            async with live.page(headers=sent) as page:
                assert (await page.protected(1)).luma[0, 0] == WHITE_LUMA
            bad = {"Cookie": f"{cookie.key}=\udcff"}
            async with aiohttp.ClientSession() as other, other.get(url, headers=bad) as answer:
                assert answer.status == 403

    asyncio.run(talk())


def test_the_token_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async def talk() -> None:
        async with running(token=TOKEN) as live:
            for query in (TOKEN, TOKEN + "x"):
                async with live.http.get(f"{live.server.url}?token={query}", allow_redirects=False):
                    pass
            reader, writer = await connected(live)
            writer.write(f"GET /?token={TOKEN} HTTP/9.9\r\n\x00\r\n\r\n".encode())
            await reader.read()
            writer.close()

    with caplog.at_level(logging.DEBUG):
        asyncio.run(talk())
    ours = [r for r in caplog.records if not r.name.startswith("asyncio")]
    assert [r for r in ours if TOKEN in r.getMessage() + str(r.exc_info)] == []


# Sessions


def test_of_a_hundred_sessions_one_runs_and_the_others_are_told() -> None:
    async def open_one(live: Live) -> aiohttp.ClientWebSocketResponse | int:
        try:
            return await live.http.ws_connect(live.server.url + "session", origin=live.origin)
        except aiohttp.WSServerHandshakeError as error:
            return error.status

    async def talk() -> None:
        async with running() as live:
            opened = await asyncio.gather(*(open_one(live) for _ in range(100)))
            statuses = [one for one in opened if isinstance(one, int)]
            (running_one,) = (one for one in opened if not isinstance(one, int))
            assert statuses == [409] * 99
            async with live.http.get(live.server.url + "session") as answer:
                assert answer.status == 409
                assert await answer.text() == "another page uses the camera; close it first\n"
            await running_one.close()
            await still_works(live)

    asyncio.run(talk())


async def is_taken(live: Live) -> bool:
    async with live.http.get(live.server.url + "session") as answer:
        return answer.status == 409


def test_a_page_that_vanishes_frees_the_session() -> None:
    async def talk() -> None:
        async with running() as live:
            async with live.page() as page:
                await page.protected(0)
                transport = page.socket._conn.transport
                transport.abort()
            async with asyncio.timeout(10):
                while await is_taken(live):
                    await asyncio.sleep(0.02)
            await still_works(live)

    asyncio.run(talk())


def test_the_page_is_told_when_the_server_stops() -> None:
    async def talk() -> None:
        async with running() as live:
            socket = await live.http.ws_connect(
                live.server.url + "session", origin=live.origin, autoclose=True
            )
            closing = asyncio.create_task(live.server.close())
            async for message in socket:
                assert message.type is aiohttp.WSMsgType.TEXT
            assert socket.close_code == aiohttp.WSCloseCode.GOING_AWAY
            await closing

    asyncio.run(talk())


def test_no_session_without_an_upgrade() -> None:
    async def talk() -> None:
        async with running() as live:
            async with live.http.get(live.server.url + "session") as answer:
                assert answer.status == 400
            await still_works(live)

    asyncio.run(talk())


async def connected(live: Live) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = live.origin.removeprefix("http://").rpartition(":")
    return await asyncio.open_connection(host, int(port))


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\xff\x16\x03\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /backgrounds HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /backgrounds HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_malformed_requests_are_refused(garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def talk() -> None:
        async with running() as live:
            reader, writer = await connected(live)
            writer.write(garbage)
            status = await asyncio.wait_for(reader.readline(), 20)
            assert status.split()[1] in (b"400", b"403")
            writer.close()
            await still_works(live)

    asyncio.run(talk())
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


# Uploads


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


# Listening


def test_a_port_in_use_is_told() -> None:
    (taken,) = listen("127.0.0.1", 0)
    port = taken.getsockname()[1]
    try:
        with pytest.raises(CannotListen, match=f"port {port} of 127.0.0.1: is in use; choose"):
            listen("127.0.0.1", port)
    finally:
        taken.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a..b", "x" * 70])
def test_a_host_that_is_not_this_machine_is_told(host: str) -> None:
    with pytest.raises(CannotListen, match="is no address of this machine; choose another --host"):
        listen(host, 0)


def test_localhost_listens_on_one_port_of_all_its_addresses() -> None:
    sockets = listen("localhost", 0)
    assert len({listening.getsockname()[1] for listening in sockets}) == 1
    assert len({listening.family for listening in sockets}) == len(sockets)
    for listening in sockets:
        listening.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_an_address_of_ipv6() -> None:
    try:
        for listening in listen("::1", 0):
            listening.close()
    except CannotListen:
        pytest.skip("this machine has no ::1")

    async def talk() -> None:
        async with running(host="::1") as live:
            assert live.server.url.startswith("http://[::1]:")
            await still_works(live)

    asyncio.run(talk())


def test_all_addresses_are_shown_as_this_machine() -> None:
    async def talk() -> None:
        async with running(host="0.0.0.0", token=TOKEN) as live:
            assert live.server.url.startswith("http://127.0.0.1:")
            async with live.http.get(live.server.url) as answer:
                assert "token" in await answer.text()

    asyncio.run(talk())
