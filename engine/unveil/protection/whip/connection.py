"""A peer connection that sends the newest frame, and notices when nobody receives it any more."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import statistics
import time
from collections import deque
from fractions import Fraction
from typing import Any, Final

import av
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.codecs import h264, vpx
from aiortc.sdp import SessionDescription

from unveil.errors import UnveilError
from unveil.protection.whip.newest import CLOCK_RATE, MediaClock, NewestFrame, own_seconds
from unveil.protection.whip.picture import PictureForm
from unveil.protection.whip.refusals import PublishingFailed

logger = logging.getLogger(__name__)

CODECS: Final = ("video/VP8", "video/H264")
"""In the order of preference: VP8 takes a quarter of the processor time, and meetings take it."""

START_BIT_RATE, MAX_BIT_RATE = 1_500_000, 4_000_000

REPEAT_SECONDS: Final = 0.5
"""After this time without a new frame the last one is sent again, for viewers who come late."""

SILENT_SECONDS: Final = 5.0
"""A receiver that has reported is gone when it does not for this time."""

_SILENT_REPORTS: Final = 2.5
"""The same in times between two reports, for receivers that report seldom."""

_POLL_SECONDS: Final = 0.2
_CLOSE_SECONDS: Final = 3.0


def set_bit_rates() -> None:
    """Let aiortc send as many bits as pictures of 720 rows need.

    Its own limits, 0.5 Mbit/s at first and at most 1.5 for VP8, are constants of its modules, so
    this is for all connections of the process. Receivers lower the rate by their reports (REMB).
    """
    for module in (vpx, h264):
        vars(module).update(DEFAULT_BITRATE=START_BIT_RATE, MAX_BITRATE=MAX_BIT_RATE)


class NewestFrameTrack(MediaStreamTrack):
    """The frames of a `NewestFrame`, as aiortc's sender takes them.

    Attributes
    ----------
    n_sent
        Frames that were given to the encoder.
    """

    kind = "video"

    def __init__(self, frames: NewestFrame) -> None:
        super().__init__()
        self.n_sent = 0
        self._frames = frames
        self._form = PictureForm()
        self._clock = MediaClock()

    async def recv(self) -> av.VideoFrame:
        """Wait for a frame and return it with its time."""
        loop = asyncio.get_running_loop()
        while True:
            arrived = await self._frames.take(REPEAT_SECONDS)
            try:
                picture = await loop.run_in_executor(None, self._form.of, arrived.frame)
            except (av.error.FFmpegError, UnveilError) as error:
                logger.warning("a frame is not sent: %s", error)  # raised, it would end the sender
                continue
            own = math.nan if arrived.again else own_seconds(arrived.frame)
            picture.pts = self._clock.ticks(own, arrived.seconds)
            picture.time_base = Fraction(1, CLOCK_RATE)
            self.n_sent += not arrived.again
            return picture


def patience_seconds(reports: deque[float]) -> float:
    """Return how long after its last report a receiver is taken for gone.

    Parameters
    ----------
    reports
        Times of its last reports in seconds.
    """
    gaps = [after - before for before, after in itertools.pairwise(reports)]
    return max(SILENT_SECONDS, _SILENT_REPORTS * (statistics.median(gaps) if gaps else 0.0))


class Connection:
    """One connection from its offer to its end; to be used in one event loop.

    Parameters
    ----------
    frames
        Where frames come from.
    host
        How messages call the server.
    """

    def __init__(self, frames: NewestFrame, host: str) -> None:
        self._host = host
        self._peer = RTCPeerConnection(
            # Without the empty list, aiortc asks a public STUN server for its own address.
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self._track = NewestFrameTrack(frames)
        transceiver = self._peer.addTransceiver(self._track, direction="sendonly")
        known = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences(
            [codec for name in (*CODECS, "video/rtx") for codec in known if codec.mimeType == name]
        )
        self._sender = transceiver.sender
        self._changed = asyncio.Event()
        self._peer.on("connectionstatechange", self._changed.set)

    @property
    def n_sent(self) -> int:
        """Frames that were given to the encoder."""
        return self._track.n_sent

    async def offer(self) -> str:
        """Return a session description with all addresses of this computer."""
        await self._peer.setLocalDescription(await self._peer.createOffer())
        offer = self._peer.localDescription.sdp
        if "a=candidate:" not in offer:
            raise PublishingFailed("network: this computer has no address but its own", 0.0)
        return offer

    async def accept(self, answer: str) -> None:
        """Take the server's answer.

        Raises
        ------
        PublishingFailed
            It cannot be read, or rejects the video.
        """
        self._check(answer)
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except Exception as error:
            raise PublishingFailed(
                f"WHIP server {self._host}: its answer does not fit the offer "
                f"({type(error).__name__}: {error})"
            ) from error

    async def connected(self, seconds: float) -> None:
        """Wait until media can be sent.

        Raises
        ------
        PublishingFailed
            That does not happen in time.
        """
        until = time.monotonic() + seconds
        while self._peer.connectionState != "connected":
            left = until - time.monotonic()
            if self._peer.connectionState in ("failed", "closed") or left <= 0:
                raise PublishingFailed(
                    f"WHIP server {self._host}: takes the offer, but no media reach it; is UDP to "
                    "it blocked?",
                    0.0,
                )
            await self._change(left)

    async def lost(self) -> PublishingFailed:
        """Return why nobody receives the video any more, when that is so."""
        reports: deque[float] = deque(maxlen=9)
        seen: Any = None
        while True:
            if self._peer.connectionState != "connected":
                return self._lost("the server has ended the connection")
            if self._track.readyState == "ended":
                return self._lost("the encoder has failed")
            now = time.monotonic()
            stamp = await self._last_report()
            if stamp != seen:
                seen = stamp
                reports.append(now)
            if reports and now - reports[-1] > patience_seconds(reports):
                return self._lost("the server does not answer any more")
            await self._change(_POLL_SECONDS)

    async def close(self) -> None:
        """End the connection."""
        try:
            await asyncio.wait_for(self._peer.close(), _CLOSE_SECONDS)
        except TimeoutError:
            logger.debug("the peer connection does not close in time")

    async def _change(self, seconds: float) -> None:
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return

    async def _last_report(self) -> Any:
        """Return the time stamp of the receiver's last report, None before the first."""
        for report in (await self._sender.getStats()).values():
            if report.type == "remote-inbound-rtp":
                return report.timestamp
        return None

    def _lost(self, reason: str) -> PublishingFailed:
        return PublishingFailed(f"WHIP server {self._host}: {reason}", 0.0)

    def _check(self, answer: str) -> None:
        """Refuse what aiortc takes, or refuses with words that say nothing to a user."""
        said = f"WHIP server {self._host}: "
        try:
            if not answer.startswith("v=0"):
                raise ValueError("no version")
            media = SessionDescription.parse(answer).media
        except Exception as error:  # the parser raises whatever Python does
            raise PublishingFailed(
                said + "its answer is no session description that can be read"
            ) from error
        video = [part for part in media if part.kind == "video"]
        if len(media) != 1 or not video:
            raise PublishingFailed(said + "its answer does not fit the offer of one video")
        names = {codec.mimeType.lower() for codec in video[0].rtp.codecs}
        if video[0].port == 0 or not names & {name.lower() for name in CODECS}:
            raise PublishingFailed(
                said + "takes neither VP8 nor H.264 there; allow one of them (Galene: codecs of "
                "the group)"
            )
        if video[0].direction in ("inactive", "sendonly"):
            raise PublishingFailed(said + "does not take the video; check the token's permissions")
        if not video[0].ice_candidates:
            raise PublishingFailed(said + "names no address to which the video can be sent", 0.0)
