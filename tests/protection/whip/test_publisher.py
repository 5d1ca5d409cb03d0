"""Publishing to a real receiver over the network: pictures, refusals, losses, and the end."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
import numpy as np
import pytest
from aiohttp import web
from yarl import URL

from tests.protection.whip.feed import RATE, eventually, feeding, trust_own_times, wait_for
from tests.protection.whip.server import TOKEN, WhipServer, line_of, server_process, serving
from unveil.errors import InvalidParameter, UnreadableVideo
from unveil.protection.whip import publisher as publisher_module
from unveil.protection.whip.picture import PictureForm
from unveil.protection.whip.publisher import Publisher

HEIGHT, WIDTH = 96, 160
LEFT, RIGHT = (32, 64, 96), (200, 80, 60)


def picture(number: int, height: int = HEIGHT, width: int = WIDTH) -> av.VideoFrame:
    """Make a frame of two colours, with a white bar in the middle that moves."""
    shown = np.empty((height, width, 3), np.uint8)
    shown[:, : width // 2], shown[:, width // 2 :] = LEFT, RIGHT
    begin = 2 * number % (height // 2)
    shown[begin : begin + 8, width // 2 - 8 : width // 2 + 8] = 255
    return av.VideoFrame.from_ndarray(shown, "rgb24")


def assert_shown(frame: av.VideoFrame, height: int = HEIGHT, width: int = WIDTH) -> None:
    """Check a received frame: its size, and the colours of its corners."""
    assert (frame.height, frame.width) == (height, width)
    shown = frame.to_ndarray(format="rgb24").astype(int)
    for column, colour in ((4, LEFT), (-5, RIGHT)):
        for row in (4, -5):
            assert np.abs(shown[row, column] - colour).max() <= 6, shown[row, column]


@contextmanager
def published(server: WhipServer, token: str | None = TOKEN) -> Iterator[Publisher]:
    """Publish to a server until the block ends."""
    with serving(server), Publisher(server.url, token) as publisher:
        yield publisher


def hang_up(server: WhipServer) -> None:
    """Let the server end the newest connection."""
    peer = next(reversed(server.sessions.values()))
    # Before that, its end says nothing to the publisher.
    eventually(lambda: peer.connectionState == "connected")
    loop = server.tasks[0].get_loop()
    loop.call_soon_threadsafe(lambda: server.tasks.append(loop.create_task(peer.close())))


def test_the_first_frames_that_are_received_are_what_was_pushed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trust_own_times(monkeypatch)
    server = WhipServer()
    with published(server) as publisher, feeding(publisher, picture):
        eventually(lambda: len(server.frames) >= 30)
        status = publisher.status
    assert status.state == "publishing"
    assert status.message == f"publishing to 127.0.0.1:{server.port}"
    assert status.frames_sent >= 30
    assert status.reconnects == 0
    for frame in server.frames[:30]:
        assert_shown(frame)
    # Their own times, whatever they took on the way; a frame may have been left out.
    gaps = np.diff([frame.pts for frame in server.frames])
    assert (gaps % (90000 // RATE) == 0).all()
    assert "rtpmap:97 VP8" in server.offers[0]
    assert publisher.status.state == "closed"
    assert len(server.ended) == 1
    assert server.requests[-1][0] == "DELETE"
    assert server.requests[-1][2]["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(("height", "width"), [(97, 161), (240, 320)])
def test_sizes_arrive_even(height: int, width: int) -> None:
    server = WhipServer()
    with (
        published(server) as publisher,
        feeding(publisher, lambda number: picture(number, height, width)),
    ):
        eventually(lambda: len(server.frames) >= 2)
    assert_shown(server.frames[1], round(height / 2) * 2, round(width / 2) * 2)


def test_a_server_that_takes_h264_alone_gets_that() -> None:
    server = WhipServer(codecs=("video/H264",))
    with published(server) as publisher, feeding(publisher, picture):
        eventually(lambda: len(server.frames) >= 5)
    for frame in server.frames[:5]:
        assert_shown(frame)


def test_a_change_of_size_arrives() -> None:
    server = WhipServer()
    with published(server) as publisher:
        with feeding(publisher, picture):
            eventually(lambda: len(server.frames) >= 3)
        with feeding(publisher, lambda number: picture(number, 64, 96)):
            eventually(lambda: server.frames[-1].width == 96)
    assert_shown(server.frames[-1], 64, 96)


def test_no_server_is_contacted_before_the_first_frame() -> None:
    server = WhipServer()
    with published(server) as publisher:
        time.sleep(0.3)
        assert publisher.status.state == "waiting"
    assert server.requests == []
    assert publisher.status.state == "closed"


def test_the_last_frame_is_sent_again_while_no_other_comes() -> None:
    server = WhipServer()
    with published(server) as publisher:
        publisher.push(picture(0))
        eventually(lambda: len(server.frames) >= 3)
        status = publisher.status
    assert (status.frames_sent, status.frames_dropped) == (1, 0)
    for frame in server.frames:
        assert_shown(frame)


def test_a_pushed_frame_is_not_changed() -> None:
    server = WhipServer()
    pushed = picture(0)
    pushed.pict_type = av.video.frame.PictureType.B
    with published(server) as publisher:
        publisher.push(pushed)
        eventually(lambda: len(server.frames) >= 2)
    assert (pushed.pts, pushed.format.name) == (None, "rgb24")
    assert pushed.pict_type == av.video.frame.PictureType.B


def test_a_frame_that_cannot_be_converted_is_left_out(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = PictureForm.of

    def fail_on_small(form: PictureForm, frame: av.VideoFrame) -> av.VideoFrame:
        if frame.width < WIDTH:
            raise UnreadableVideo("its format cannot be read")
        return convert(form, frame)

    monkeypatch.setattr(PictureForm, "of", fail_on_small)
    server = WhipServer()
    with published(server) as publisher:
        publisher.push(picture(0, 16, 16))
        eventually(lambda: "its format cannot be read" in caplog.text)
        with feeding(publisher, picture):
            eventually(lambda: len(server.frames) >= 2)
    assert_shown(server.frames[0])


# Refusals


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (None, "wants a token"),
        ("expired", "the token has expired"),
        ("wrong", "or the token does not belong to it"),
    ],
)
def test_a_refusal_is_final(token: str | None, said: str) -> None:
    server = WhipServer()
    with published(server, token) as publisher, feeding(publisher, picture):
        eventually(lambda: publisher.status.state == "failed")
        time.sleep(0.3)
        assert said in publisher.status.message
    assert len(server.requests) == 1
    assert publisher.status.state == "failed"
    assert said in publisher.status.message


def test_a_rejected_codec_is_final_and_told() -> None:
    server = WhipServer(rewrite=lambda sdp: re.sub(r"m=video \d+", "m=video 0", sdp))
    with published(server) as publisher, feeding(publisher, picture):
        eventually(lambda: publisher.status.state == "failed")
        eventually(lambda: server.ended)
    assert "takes neither VP8 nor H.264" in publisher.status.message


def test_a_server_that_is_busy_is_asked_again() -> None:
    def busy(request: web.Request) -> web.Response | None:
        first = len(server.requests) == 1
        return web.Response(status=503, headers={"Retry-After": "1"}) if first else None

    server = WhipServer(answer=busy)
    with published(server) as publisher, feeding(publisher, picture):
        eventually(lambda: publisher.status.state == "reconnecting")
        assert "is not available now (HTTP 503)" in publisher.status.message
        wait_for(publisher, "publishing")
        assert publisher.status.reconnects == 0
    assert [request[0] for request in server.requests] == ["POST", "POST", "DELETE"]


def test_an_address_that_is_not_allowed_is_refused_at_once() -> None:
    with pytest.raises(InvalidParameter, match="would send token"):
        Publisher("http://meet.example.org/whip", TOKEN)
    with pytest.raises(InvalidParameter, match="cannot be the name of a host"):
        Publisher("https://a\u00ad.org/", TOKEN)


# Losses


def test_a_server_that_is_killed_is_missed_and_found_again() -> None:
    with (
        server_process() as (server, url),
        Publisher(url, TOKEN) as publisher,
        feeding(publisher, picture),
    ):
        wait_for(publisher, "publishing")
        # Until the receiver has reported, only ICE says that it is gone, after half a minute.
        for _ in range(3 * RATE):
            assert line_of(server).startswith("frame")
        server.kill()
        server.wait()
        wait_for(publisher, "reconnecting")
        assert "does not answer any more" in publisher.status.message
        eventually(lambda: "cannot be reached" in publisher.status.message)
        with server_process(URL(url).port or 0) as (server, _):
            wait_for(publisher, "publishing")
            assert line_of(server) == f"frame {WIDTH}x{HEIGHT}"
            assert publisher.status.reconnects == 1
            publisher.close()
            while (line := line_of(server)).startswith("frame"):
                pass
            assert line == "ended"


def test_a_connection_that_the_server_ends_is_restored() -> None:
    server = WhipServer()
    with published(server) as publisher, feeding(publisher, picture):
        wait_for(publisher, "publishing")
        hang_up(server)
        eventually(lambda: publisher.status.reconnects == 1)
        before = len(server.frames)
        eventually(lambda: len(server.frames) > before)


def test_refusals_right_after_a_loss_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy answers for a server that is being started."""

    def answer(request: web.Request) -> web.Response | None:
        is_again = request.method == "POST" and server.offers
        return web.Response(status=404) if is_again else None

    server = WhipServer(answer=answer)
    with published(server) as publisher, feeding(publisher, picture):
        wait_for(publisher, "publishing")
        hang_up(server)
        eventually(lambda: "HTTP 404" in publisher.status.message)
        assert publisher.status.state == "reconnecting"
        monkeypatch.setattr(publisher_module, "_PATIENT_SECONDS", 0.0)
        server.answer = lambda request: None
        wait_for(publisher, "publishing")
        server.answer = answer
        hang_up(server)
        eventually(lambda: publisher.status.state == "failed")


# The end


def test_close_ends_a_session_that_the_server_is_only_making(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    class SlowServer(WhipServer):
        async def _publish(self, offer: str) -> web.Response:
            asked.set()
            while not go_on.is_set():
                await asyncio.sleep(0.01)
            return await super()._publish(offer)

    server = SlowServer()
    with published(server) as publisher:
        publisher.push(picture(0))
        assert asked.wait(10)
        closing = threading.Thread(target=publisher.close)
        closing.start()
        go_on.set()
        closing.join()
        assert publisher.status.state == "closed"
        assert len(server.ended) == 1


def test_close_may_be_called_at_any_time_and_again() -> None:
    publisher = Publisher("https://meet.example.org/whip", TOKEN)
    publisher.close()
    publisher.close()
    assert publisher.status.state == "closed"
    publisher.push(picture(0))
    started = Publisher("https://meet.example.org/whip", TOKEN)
    started.start()
    started.close()
    assert started.status.state == "closed"


def test_threads_may_push_and_ask_while_another_closes() -> None:
    server = WhipServer()
    with published(server) as publisher, feeding(publisher, picture), feeding(publisher, picture):
        wait_for(publisher, "publishing")
        publisher.close()
        assert publisher.status.state == "closed"
        time.sleep(0.1)
    assert len(server.ended) == 1


def test_nothing_that_is_told_has_the_token(caplog: pytest.LogCaptureFixture) -> None:
    server = WhipServer()
    with caplog.at_level(logging.DEBUG), serving(server):
        told = []
        for token in (TOKEN, "wrong-s3cr3t", None):
            with Publisher(f"{server.url}?key=s3cr3t", token) as publisher:
                publisher.push(picture(0))
                eventually(lambda: publisher.status.state in ("publishing", "failed"))
                told.append(str(publisher.status) + repr(publisher))
    told += [r.getMessage() for r in caplog.records if r.name != "aiohttp.access"]
    assert not any("s3cr3t" in line for line in told)


def test_a_frames_own_time_base_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    trust_own_times(monkeypatch)
    server = WhipServer()
    with published(server) as publisher:
        for number in range(40):
            frame = picture(number)
            frame.pts, frame.time_base = number * 1001, Fraction(1, 30000)
            publisher.push(frame)
            time.sleep(1001 / 30000)
        eventually(lambda: len(server.frames) >= 3)
    gaps = np.diff([frame.pts for frame in server.frames])
    assert np.abs(gaps - 3003 * np.round(gaps / 3003)).max() <= 1
