"""Publishing from the page to a real WHIP receiver: nothing arrives that was not protected."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests import sitter
from tests.live.pages import WHITE_LUMA, Page, running
from tests.protection.whip.server import TOKEN, WhipServer, serving, use_loopback_if_alone
from tests.sitter import INSIDE, Watcher, luma_of, seated
from unveil.protection.whip.publisher import Publisher


@pytest.fixture(autouse=True, scope="module")
def network() -> None:
    use_loopback_if_alone()


@pytest.fixture
def whip() -> Iterator[WhipServer]:
    with serving(WhipServer()) as server:
        yield server


def with_token(url: str) -> Publisher:
    return Publisher(url, TOKEN)


def with_wrong_token(url: str) -> Publisher:
    return Publisher(url, "wrong")


async def send_until(page: Page, server: WhipServer, n_frames: int) -> None:
    """Send frames, as a camera does, until so many were received."""
    async with asyncio.timeout(60):
        number = 0
        while len(server.frames) < n_frames:
            await page.protected(number)
            number += 1
            await asyncio.sleep(0.02)


def test_the_first_frames_that_are_received_are_protected(whip: WhipServer) -> None:
    """Also where the network fails in the first frames, and the camera is switched meanwhile."""

    def answer(number: int) -> sitter.Answer:
        return ValueError("not yet") if number < 10 else seated()

    async def talk() -> None:
        async with running(Watcher(answer), make_publisher=with_token) as live, live.page() as page:
            await page.say(type="publish", on=True, url=whip.url)
            state = await page.text("state", lambda s: s["publish"]["on"])
            assert state["publish"]["status"] == "waiting"
            assert whip.requests == []  # nothing before the first protected frame
            await send_until(page, whip, 15)
            await page.say(type="camera", on=False)
            await page.say(type="camera", on=True)
            await send_until(page, whip, 30)
            state = await page.text("state", lambda s: s["publish"]["status"] == "publishing")
            assert TOKEN not in str(state)
            await page.say(type="publish", on=False)
            await page.text("state", lambda s: not s["publish"]["on"])

    asyncio.run(talk())
    assert len(whip.ended) == 1  # the session at the server, too
    for frame in whip.frames[:30]:
        shown = luma_of(frame).astype(int)
        # VP8 loses detail; the raw room has a mean of 75 and no level over 120.
        assert abs(shown[:, :20].mean() - WHITE_LUMA) < 6
        assert shown[:, :20].min() > 200
    assert luma_of(whip.frames[29])[INSIDE].mean() < 215


def test_a_refusal_is_told_and_frames_go_on(whip: WhipServer) -> None:
    async def talk() -> None:
        async with running(make_publisher=with_wrong_token) as live, live.page() as page:
            await page.say(type="publish", on=True, url=whip.url)
            await page.text("state", lambda s: s["publish"]["on"])
            await page.protected(0)
            state = await page.text("state", lambda s: s["publish"]["status"] == "failed")
            assert "404" in state["publish"]["message"] or "token" in state["publish"]["message"]
            assert "wrong" not in state["publish"]["message"]
            assert (await page.protected(1)).luma[0, 0] == WHITE_LUMA
            await page.say(type="publish", on=True, url="http://203.0.114.5/a")
            error = await page.text("error")
            assert "use https" in error["message"]

    asyncio.run(talk())
    assert whip.frames == []


def test_frames_go_on_while_a_server_does_not_answer() -> None:
    """A server that takes the connection and says nothing holds up no frame, nor the end."""

    async def talk() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        mute = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = mute.sockets[0].getsockname()[1]
        async with running(make_publisher=with_token) as live, live.page() as page:
            await page.say(type="publish", on=True, url=f"http://127.0.0.1:{port}/a")
            await page.text("state", lambda s: s["publish"]["on"])
            await page.protected(0)
            await page.text("state", lambda s: s["publish"]["status"] == "connecting")
            await page.say(type="publish", on=False)
            for number in range(1, 20):
                assert (await page.protected(number)).luma[0, 0] == WHITE_LUMA
            await page.text("state", lambda s: not s["publish"]["on"])
        mute.close()

    asyncio.run(talk())
