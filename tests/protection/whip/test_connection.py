"""What a server may answer to an offer, and when a receiver counts as gone."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.codecs import get_encoder, h264, vpx
from hypothesis import given
from hypothesis import strategies as st

from unveil.protection.whip import connection as connection_module
from unveil.protection.whip.connection import (
    MAX_BIT_RATE,
    SILENT_SECONDS,
    START_BIT_RATE,
    Connection,
    patience_seconds,
    set_bit_rates,
)
from unveil.protection.whip.newest import NewestFrame
from unveil.protection.whip.refusals import PublishingFailed


async def answer_to(offer: str) -> str:
    """Answer an offer as a server does that takes all of it."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    answer: str = peer.localDescription.sdp
    await peer.close()
    return answer


def accept(change: Callable[[str], str]) -> None:
    """Make a connection, and let it take an answer that was changed."""

    async def run() -> None:
        connection = Connection(NewestFrame(), "meet.example.org")
        try:
            await connection.accept(change(await answer_to(await connection.offer())))
        finally:
            await connection.close()

    asyncio.run(run())


def without(pattern: str) -> Callable[[str], str]:
    return lambda sdp: re.sub(rf"{pattern}\r\n", "", sdp)


def test_the_offer_prefers_vp8_has_all_addresses_and_only_sends() -> None:
    async def run() -> str:
        connection = Connection(NewestFrame(), "meet.example.org")
        offer = await connection.offer()
        await connection.close()
        return offer

    offer = asyncio.run(run())
    codecs = re.findall(r"a=rtpmap:\d+ (\w+)/90000", offer)
    first = list(dict.fromkeys(codec for codec in codecs if codec != "rtx"))
    assert first == ["VP8", "H264"]
    assert len(re.findall(r"^m=", offer, re.MULTILINE)) == 1
    assert "a=sendonly\r\n" in offer
    assert "a=candidate:" in offer
    assert "a=end-of-candidates\r\n" in offer
    assert "srflx" not in offer  # no STUN server was asked


def test_an_answer_as_it_should_be_is_taken() -> None:
    accept(lambda sdp: sdp)


def only_av1(sdp: str) -> str:
    head, media = sdp.split("m=video", 1)
    media = re.sub(r"a=(rtpmap|rtcp-fb|fmtp):.*\r\n", "", media)
    media = re.sub(r"^ (\d+) (\S+) .*", r" \1 \2 45", media)
    return f"{head}m=video{media}a=rtpmap:45 AV1/90000\r\n"


def rejected(sdp: str) -> str:
    """Reject the video as pion does: port 0, and none of the transport's lines."""
    head, media = sdp.split("m=video", 1)
    media = re.sub(r"^ \d+ ", " 0 ", media)
    kept = [line for line in media.split("\r\n") if re.match(r" 0 |a=mid|c=|a=inactive", line)]
    return f"{head}m=video" + "\r\n".join([*kept, ""])


WRONG = {
    "nothing": (lambda sdp: "", "is no session description"),
    "html": (lambda sdp: "<html>", "is no session description"),
    "binary": (lambda sdp: "\x00\x01" * 50, "is no session description"),
    "broken line": (lambda sdp: sdp.replace("a=rtpmap:97 VP8/90000", "a=rtpmap:97"), "no session"),
    "number": (lambda sdp: re.sub(r"m=video \d+", "m=video x", sdp), "no session"),
    "no media": (lambda sdp: sdp.split("m=video")[0], "does not fit the offer"),
    "two media": (lambda sdp: sdp + "m=" + sdp.split("m=")[1], "does not fit the offer"),
    "sound": (lambda sdp: sdp.replace("m=video", "m=audio"), "does not fit the offer"),
    "rejected": (rejected, "takes neither VP8 nor H.264 there"),
    "port 0": (lambda sdp: re.sub(r"m=video \d+", "m=video 0", sdp), "takes neither VP8 nor"),
    "AV1": (only_av1, "takes neither VP8 nor H.264 there"),
    "inactive": (
        lambda sdp: sdp.replace("a=recvonly", "a=inactive"),
        "does not take the video; check the token's permissions",
    ),
    "sendonly": (lambda sdp: sdp.replace("a=recvonly", "a=sendonly"), "does not take the video"),
    "no address": (without("a=candidate:.*"), "names no address"),
    "no ice": (without("a=ice-ufrag:.*"), "does not fit the offer .*ICE username"),
    "no fingerprint": (without("a=(fingerprint|setup):.*"), "its answer"),
    "no mux": (without("a=rtcp-mux"), "does not fit the offer .*RTCP mux"),
    "other mid": (lambda sdp: sdp.replace("a=mid:0", "a=mid:7"), "does not fit the offer"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_that_does_not_do_is_told(name: str) -> None:
    change, said = WRONG[name]
    with pytest.raises(PublishingFailed, match=rf"^WHIP server meet\.example\.org: .*{said}"):
        accept(change)


def test_a_machine_without_a_network_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: [])
    with pytest.raises(PublishingFailed, match="this computer has no address but its own"):
        accept(lambda sdp: sdp)


def test_media_that_reach_nobody_are_told() -> None:
    async def run() -> None:
        connection = Connection(NewestFrame(), "meet.example.org")
        try:
            # The answering side is closed: its addresses take nothing.
            await connection.accept(await answer_to(await connection.offer()))
            await connection.connected(0.3)
        finally:
            await connection.close()

    with pytest.raises(PublishingFailed, match="no media reach it; is UDP to it blocked") as caught:
        asyncio.run(run())
    assert caught.value.retry_after_seconds == 0


# When a receiver is gone


@given(st.lists(st.floats(0.05, 1.9), max_size=30))
def test_a_receiver_that_reports_often_is_gone_after_five_seconds(gaps: list[float]) -> None:
    assert patience_seconds(deque(times(gaps), 9)) == SILENT_SECONDS == 5


@given(st.floats(2, 20), st.integers(3, 30))
def test_one_that_reports_seldom_is_given_more_time(gap: float, n: int) -> None:
    patience = patience_seconds(deque(times([gap] * n), 9))
    assert patience == pytest.approx(max(5, 2.5 * gap))


def test_one_long_pause_does_not_change_that() -> None:
    assert patience_seconds(deque(times([1, 1, 1, 4.5, 1, 1]), 9)) == 5


def times(gaps: list[float]) -> list[float]:
    now, result = 100.0, [100.0]
    for gap in gaps:
        now += gap
        result.append(now)
    return result


# Bit rates


def test_aiortc_starts_and_ends_with_the_bit_rates_that_are_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fails when aiortc has its limits elsewhere."""
    for module in (vpx, h264):
        for name in ("DEFAULT_BITRATE", "MAX_BITRATE"):
            monkeypatch.setattr(module, name, 1)
    set_bit_rates()
    for codec in RTCRtpReceiver.getCapabilities("video").codecs:
        if codec.mimeType in connection_module.CODECS:
            encoder = get_encoder(codec)
            assert encoder.target_bitrate == START_BIT_RATE
            encoder.target_bitrate = 10**9
            assert encoder.target_bitrate == MAX_BIT_RATE
