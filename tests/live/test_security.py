"""Whom the server answers: origins, hosts, other sites, and who knows the token."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
import pytest

from tests.live.clients import TOKEN, connected, picture_of, still_works
from tests.live.pages import WHITE_LUMA, running

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
