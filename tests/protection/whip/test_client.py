"""WHIP over HTTP: each answer of a server, redirects, and where the token goes."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohttp import web

from tests.protection.whip.certificate import write_certificate
from tests.protection.whip.server import PATH, TOKEN, WhipServer, serving
from unveil.errors import OutputUnwritable
from unveil.protection.whip import client as client_module
from unveil.protection.whip.address import whip_address
from unveil.protection.whip.client import Session, WhipClient
from unveil.protection.whip.refusals import PublishingFailed

ANSWER = "v=0\r\n"


def ask(url: str, token: str | None = TOKEN, *, end: bool = False) -> Session:
    """Send an offer that only the tests' answers take, and end the session if wanted."""

    async def publish() -> Session:
        async with WhipClient(whip_address(url), token) as client:
            session = await client.publish("v=0\r\n", 2.0)
            if end:
                await client.end(session)
            return session

    return asyncio.run(publish())


def created(**headers: str) -> web.Response:
    """Accept whatever was offered."""
    return web.Response(status=201, text=ANSWER, content_type="application/sdp", headers=headers)


@pytest.fixture
def serve() -> Iterator[Callable[..., WhipServer]]:
    """Start servers that give an answer to each POST, and their own one to other requests."""
    with ExitStack() as opened:

        def start(answer: Callable[[web.Request], web.Response | None]) -> WhipServer:
            def to_post(request: web.Request) -> web.Response | None:
                return answer(request) if request.method == "POST" else None

            return opened.enter_context(serving(WhipServer(answer=to_post)))

        yield start


# Answers


def test_an_answer_is_taken_with_the_sessions_address_and_ended_with_the_token(
    serve: Callable[..., WhipServer],
) -> None:
    server = serve(lambda request: created(Location=f"{PATH}/session-9", ETag="*"))
    session = ask(server.url, end=True)
    assert session.answer == ANSWER
    assert str(session.url) == f"http://127.0.0.1:{server.port}{PATH}/session-9"
    assert ANSWER not in repr(session)
    post, delete = server.requests
    assert post[:2] == ("POST", PATH)
    assert post[2]["Content-Type"] == "application/sdp"
    assert delete[:2] == ("DELETE", f"{PATH}/session-9")
    assert [request[2]["Authorization"] for request in (post, delete)] == [f"Bearer {TOKEN}"] * 2


def test_without_a_token_none_is_sent(serve: Callable[..., WhipServer]) -> None:
    server = serve(lambda request: created(Location="/s"))
    ask(server.url, None, end=True)
    assert [("Authorization" in headers) for _, _, headers in server.requests] == [False, False]


REFUSALS = {
    (400, TOKEN): "does not understand the offer",
    (401, TOKEN): "the token has expired or is not accepted; get a new one",
    (401, None): "wants a token; give one by --token-file or UNVEIL_WHIP_TOKEN",
    (403, None): "wants a token; give one by --token-file or UNVEIL_WHIP_TOKEN",
    (403, TOKEN): "the token does not permit to publish there",
    (404, TOKEN): "knows no such place, or the token does not belong to it",
    (404, None): "knows no such place; check the address",
    (
        405,
        TOKEN,
    ): "takes no video at this address; it must be the WHIP endpoint (Galene: /group/NAME/.whip",
    (409, TOKEN): "has a publisher at this address already",
    (415, TOKEN): "takes no offer at this address",
    (418, TOKEN): "refuses; check the address",
    (429, TOKEN): "too many attempts",
    (500, TOKEN): "failed on the offer; its log says why",
    (502, TOKEN): "the server behind it does not answer",
    (503, TOKEN): "is not available now",
    (599, TOKEN): "fails",
    (200, TOKEN): "does not answer as a WHIP endpoint does",
    (204, TOKEN): "does not answer as a WHIP endpoint does",
    (302, TOKEN): "redirects in a way that WHIP does not have",
}
PASSING = {409, 429, 500, 502, 503, 599}
"""Those after which another attempt may succeed."""


@pytest.mark.parametrize(("status", "token"), REFUSALS)
def test_a_refusal_is_told_in_plain_words(
    serve: Callable[..., WhipServer], status: int, token: str | None
) -> None:
    page = f"<html>{TOKEN}</html>"
    server = serve(lambda request: web.Response(status=status, text="" if status == 204 else page))
    with pytest.raises(PublishingFailed) as caught:
        ask(server.url, token)
    said = str(caught.value)
    assert said.startswith(f"WHIP server 127.0.0.1:{server.port}: {REFUSALS[status, token]}")
    assert said.endswith(f"(HTTP {status})")
    assert TOKEN not in said
    assert isinstance(caught.value, OutputUnwritable)
    assert (caught.value.retry_after_seconds is not None) == (status in PASSING)


@pytest.mark.parametrize(
    ("told", "seconds"), [("7", 7.0), ("100000", 60.0), ("Fri, 31 Dec 1999", 0.0), ("-1", 0.0)]
)
def test_a_server_says_when_to_try_again(
    serve: Callable[..., WhipServer], told: str, seconds: float
) -> None:
    server = serve(lambda request: web.Response(status=503, headers={"Retry-After": told}))
    with pytest.raises(PublishingFailed) as caught:
        ask(server.url)
    assert caught.value.retry_after_seconds == seconds


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: web.Response(status=201, text="<html>", content_type="text/html"),
        lambda request: web.Response(status=201, body=b"\xff", content_type="application/sdp"),
        lambda request: web.Response(
            status=201, text="v" * 2_000_000, content_type="application/sdp"
        ),
    ],
    ids=["html", "no text", "too long"],
)
def test_an_answer_without_a_description_is_refused(
    serve: Callable[..., WhipServer], answer: Callable[[web.Request], web.Response]
) -> None:
    with pytest.raises(PublishingFailed, match="answers without a session description"):
        ask(serve(answer).url)


# Addresses that the server names


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("absolute", [False, True])
def test_a_redirect_within_the_origin_is_followed(
    serve: Callable[..., WhipServer], status: int, absolute: bool
) -> None:
    def answer(request: web.Request) -> web.Response:
        if request.path == "/other/.whip":
            return created(Location="session")
        target = "/other/.whip"
        if absolute:
            target = f"http://{request.host}{target}"
        return web.Response(status=status, headers={"Location": target})

    server = serve(answer)
    session = ask(server.url)
    assert str(session.url) == f"http://127.0.0.1:{server.port}/other/session"
    assert [request[2]["Content-Type"] for request in server.requests] == ["application/sdp"] * 2


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{other}/whip?s3cr3t",
        "//127.0.0.1:{other}/whip",
        "http://localhost:{own}/whip",
        "https://127.0.0.1:{own}/whip",
        "http://me:s3cr3t@127.0.0.1:{own}/whip",
        "http://127.0.0.1:{own}@127.0.0.1:{other}/whip",
        "file:///etc/passwd",
        "http://[",
        "",
    ],
)
def test_a_redirect_elsewhere_is_told_and_gets_no_request(
    serve: Callable[..., WhipServer], target: str
) -> None:
    other = serve(lambda request: created())
    server = serve(lambda request: web.Response(status=307, headers={"Location": place}))
    place = target.format(own=server.port, other=other.port)
    with pytest.raises(
        PublishingFailed, match=r"redirects to .*, which is another server"
    ) as caught:
        ask(server.url)
    assert caught.value.retry_after_seconds is None
    assert "s3cr3t" not in str(caught.value)
    assert other.requests == []
    assert len(server.requests) == 1


def test_redirects_in_a_circle_end(serve: Callable[..., WhipServer]) -> None:
    server = serve(lambda request: web.Response(status=307, headers={"Location": PATH}))
    with pytest.raises(PublishingFailed, match="redirects in a circle"):
        ask(server.url)
    assert len(server.requests) < 10


@pytest.mark.parametrize(
    "place", [None, "http://127.0.0.1:{other}/s", "//example.org/s", "http://["]
)
def test_a_session_elsewhere_gets_no_token(
    serve: Callable[..., WhipServer], place: str | None
) -> None:
    other = serve(lambda request: created())
    headers = {} if place is None else {"Location": place.format(other=other.port)}
    server = serve(lambda request: created(**headers))
    session = ask(server.url, end=True)
    assert session.url is None
    assert [request[0] for request in server.requests] == ["POST"]
    assert other.requests == []


# Servers that do not answer


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(
            PublishingFailed, match=r"cannot be reached \(Connection refused\)"
        ) as it:
            ask(f"http://127.0.0.1:{port}/s3cr3t")
    assert it.value.retry_after_seconds == 0
    assert "s3cr3t" not in str(it.value)


def test_a_name_that_is_not_known_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(PublishingFailed, match=r"meet\.invalid: the name is not known"):
        ask("https://meet.invalid/s3cr3t")


def test_http_on_a_port_for_https_is_told(serve: Callable[..., WhipServer]) -> None:
    server = serve(lambda request: created())
    with pytest.raises(PublishingFailed, match="speaks no TLS there"):
        ask(f"https://127.0.0.1:{server.port}/s3cr3t")


def test_a_silent_server_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_ANSWER_SECONDS", -1.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(PublishingFailed, match="does not answer in time") as caught:
            ask(f"http://127.0.0.1:{port}/whip")
    assert caught.value.retry_after_seconds == 0


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 201 Created\r\n"])
def test_an_answer_that_breaks_off_is_told(said: bytes) -> None:
    async def publish() -> None:
        async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            writer.close()

        server = await asyncio.start_server(break_off, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, WhipClient(whip_address(f"http://127.0.0.1:{port}/"), TOKEN) as client:
            await client.publish("v=0\r\n")

    with pytest.raises(PublishingFailed, match="breaks off without a readable answer"):
        asyncio.run(publish())


def test_no_log_line_has_the_token(
    serve: Callable[..., WhipServer], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(lambda request: created(Location="/s"))
    with caplog.at_level(logging.DEBUG):
        ask(server.url + "?key=s3cr3t", end=True)
    told = [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]
    assert any("session ended" in line for line in told)
    assert not any("s3cr3t" in line for line in told)


def test_a_certificate_that_nobody_vouches_for_is_told(tmp_path: Path) -> None:
    _, tls = write_certificate(tmp_path)
    with (
        serving(WhipServer(), tls=tls) as server,
        pytest.raises(PublishingFailed, match="its certificate is not valid") as caught,
    ):
        ask(server.url)
    assert server.requests == []
    assert caught.value.retry_after_seconds is None
