"""The server: files of the page and no others, one session, and malformed requests."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
import pytest

from tests.live.clients import connected, still_works
from tests.live.pages import Live, running
from unveil.live.server import PAGE

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


# Malformed requests


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
