"""`Publisher`: sends the newest protected frame to a WHIP endpoint, and reconnects."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias

import av

from unveil.protection.whip.address import whip_address
from unveil.protection.whip.client import Session, WhipClient
from unveil.protection.whip.connection import Connection, set_bit_rates
from unveil.protection.whip.newest import NewestFrame
from unveil.protection.whip.refusals import PublishingFailed

logger = logging.getLogger(__name__)

State: TypeAlias = Literal[
    "waiting", "connecting", "publishing", "reconnecting", "failed", "closed"
]

FIRST_SECONDS, MAX_BACKOFF_SECONDS = 0.25, 1.0
"""Time between two attempts: at first, and at most unless the server names a longer one."""

_CONNECT_SECONDS: Final = 10.0
_RECONNECT_SECONDS: Final = 2.0
"""Time for the TCP connection: a new attempt finds a server that is back sooner than an old one."""

_MEDIA_SECONDS: Final = 10.0
_PATIENT_SECONDS: Final = 30.0
"""After a loss, the time in which refusals do not count: proxies refuse while servers start."""

_OFFER_SECONDS: Final = 2.0
_CLOSE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Status:
    """How publishing goes.

    Attributes
    ----------
    state
        "waiting": for `start` and the first frame. "connecting": the first time. "publishing".
        "reconnecting": it was lost, or the server could not be reached. "failed": the server
        refuses, no further attempt is made. "closed".
    message
        The same in a line for the user, with the reason.
    frames_sent
        Frames that went to the encoder.
    frames_dropped
        Frames that a newer one replaced before that.
    reconnects
        How often publishing went on after a loss.
    """

    state: State
    message: str
    frames_sent: int = 0
    frames_dropped: int = 0
    reconnects: int = 0


class Publisher:
    """Publishes frames by WHIP from a thread of its own; the newest frame wins.

    The server is contacted when the first frame comes, so nothing is published before it.

    Parameters
    ----------
    url
        The endpoint, as `whip_address` takes it.
    token
        Bearer token, None for none. It goes to the endpoint's origin only, and no message has it.

    Raises
    ------
    InvalidParameter
        The address is not allowed.

    Notes
    -----
    `push`, `status` and `close` may be called from any thread.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        address = whip_address(url)
        self._host = address.host
        self._client = WhipClient(address, token)
        self._frames = NewestFrame()
        self._lock = threading.Lock()
        self._state: State = "waiting"
        self._message = "waiting for the first protected frame"
        self._n_connected = 0
        self._n_sent = 0
        self._connection: Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._close_asked = False
        self._thread = threading.Thread(target=self._run, name="unveil-whip", daemon=True)

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def start(self) -> None:
        """Start the thread, which waits for the first frame."""
        self._thread.start()

    def push(self, frame: av.VideoFrame) -> None:
        """Hand over a protected frame; it must not be changed any more. Never waits."""
        self._frames.put(frame)

    @property
    def status(self) -> Status:
        """How it goes now."""
        with self._lock:
            current = self._connection
            return Status(
                self._state,
                self._message,
                self._n_sent + (0 if current is None else current.n_sent),
                self._frames.n_replaced,
                max(0, self._n_connected - 1),
            )

    def close(self) -> None:
        """End the session at the server and the thread; further calls do nothing."""
        with self._lock:
            self._close_asked = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._closing.set)
        if self._thread.ident is None:
            self._set("closed", "closed")
        elif self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_SECONDS)

    def _set(self, state: State, message: str) -> None:
        with self._lock:
            self._state, self._message = state, message

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:  # a bug; the thread must not die without a word
            logger.exception("publishing failed")
            self._set("failed", f"WHIP server {self._host}: failed ({type(error).__name__})")
        else:
            if self.status.state != "failed":
                self._set("closed", "closed")

    async def _main(self) -> None:
        set_bit_rates()
        loop = asyncio.get_running_loop()
        with self._lock:
            self._loop = loop
            if self._close_asked:
                self._closing.set()
        self._frames.attach(loop)
        work = asyncio.ensure_future(self._publish())
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({work, closing}, return_when=asyncio.FIRST_COMPLETED)
            for task in (work, closing):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await work
        finally:
            self._frames.attach(None)
            with self._lock:
                self._loop = None

    async def _publish(self) -> None:
        """Connect, and connect again whenever the connection is lost."""
        await self._frames.wait()
        self._set("connecting", f"connecting to {self._host}")
        backoff, patient_until = FIRST_SECONDS, -math.inf
        async with self._client:
            while True:
                before = self._n_connected
                try:
                    await self._publish_once()
                except PublishingFailed as error:
                    wait = error.retry_after_seconds
                    if self._n_connected > before:  # it was lost
                        backoff, patient_until = FIRST_SECONDS, time.monotonic() + _PATIENT_SECONDS
                    if wait is None and time.monotonic() >= patient_until:
                        self._set("failed", str(error))
                        return
                    self._set("reconnecting", str(error))
                    await asyncio.sleep(max(backoff, wait or 0.0))
                    backoff = min(2 * backoff, MAX_BACKOFF_SECONDS)

    async def _publish_once(self) -> None:
        """Publish until the connection is lost, which raises `PublishingFailed`."""
        again = self._n_connected > 0
        session: Session | None = None
        connection = self._connection = Connection(self._frames, self._host)
        try:
            offer = await connection.offer()
            session = await self._session(offer, _RECONNECT_SECONDS if again else _CONNECT_SECONDS)
            await connection.accept(session.answer)
            await connection.connected(_MEDIA_SECONDS)
            self._n_connected += 1
            self._set("publishing", f"publishing to {self._host}")
            if again:
                logger.warning("WHIP server %s: publishing again", self._host)
            lost = await connection.lost()
            logger.warning("%s; reconnecting", lost)
            self._set("reconnecting", str(lost))
            raise lost
        finally:
            # Also when cancelled: `close` waits for it.
            if session is not None:
                await self._client.end(session)
            await connection.close()
            with self._lock:
                self._n_sent += connection.n_sent
                self._connection = None

    async def _session(self, offer: str, connect_seconds: float) -> Session:
        """Send the offer; a session that the server makes after `close` is ended, too."""
        asked = asyncio.ensure_future(self._client.publish(offer, connect_seconds))
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            with suppress(TimeoutError, PublishingFailed):
                await self._client.end(await asyncio.wait_for(asked, _OFFER_SECONDS))
            raise
