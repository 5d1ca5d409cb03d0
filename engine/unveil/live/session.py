"""`Session`: one page's WebSocket: its frames, what it asks for, and what it is told."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

from unveil.errors import InvalidParameter, UnveilError
from unveil.live.figures import Figures
from unveil.live.messages import FrameMessage, FrameRefused, Header
from unveil.live.service import LiveService

logger = logging.getLogger(__name__)

CREDIT: Final = 2
"""Frames that a page may have sent without an answer: one is protected, one waits."""

SEND_SECONDS: Final = 5.0
"""A page that does not read for so long is dropped."""

FIGURES_SECONDS: Final = 1.0

MAX_TEXT_CHARACTERS: Final = 16_384

ERROR_SECONDS: Final = 1.0
"""Time between two messages about frames that fail; a camera gives 30 a second."""


class Session:
    """Answers the messages of one page until it goes.

    Every message with a header gets one binary answer. A page that keeps to its credit loses no
    frame; of more than `CREDIT` unanswered frames the oldest that waits is answered without a
    picture.

    Parameters
    ----------
    socket
        The prepared WebSocket.
    transport
        Its connection, which is cut if the page does not read.
    service
        What protects the frames.
    send_seconds
        Longest time for which a message may wait to be sent.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        service: LiveService,
        *,
        send_seconds: float = SEND_SECONDS,
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._service = service
        self._send_seconds = send_seconds
        self._figures = Figures()
        self._waiting: deque[tuple[FrameMessage, float]] = deque()
        self._protects = False
        self._has_frame = asyncio.Event()
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._told_at = -ERROR_SECONDS
        self._stopped = asyncio.Event()
        self.page_figures: dict[str, float] = {}

    async def run(self) -> None:
        """Serve the page until it goes, or does not read what it is sent."""
        service = self._service
        service.join(changed=self._news.set, tell=self._tell_soon)
        self._news.set()
        parts = [
            asyncio.create_task(part())
            for part in (
                self._receive,
                self._answer,
                self._send_states,
                self._send_figures,
                self._stop_soon,
            )
        ]
        code, reason = WSCloseCode.GOING_AWAY, b"the server stops"
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                error = part.exception()
                if error is not None and not isinstance(error, ConnectionError):
                    logger.error("the session failed", exc_info=error)
                    code, reason = WSCloseCode.INTERNAL_ERROR, b"the session failed"
        finally:
            service.leave()
            for task in (*parts, *self._tasks):
                task.cancel()
            await asyncio.gather(*parts, *self._tasks, return_exceptions=True)
            if not self._socket.closed:
                await self._close_socket(code, reason)

    def stop(self) -> None:
        """End the session; the page is told."""
        self._stopped.set()

    async def _stop_soon(self) -> None:
        await self._stopped.wait()

    async def _close_socket(self, code: WSCloseCode, reason: bytes) -> None:
        try:
            async with asyncio.timeout(self._send_seconds):
                await self._socket.close(code=code, message=reason)
        except (TimeoutError, ConnectionError):
            self._cut()

    # What the page sends

    async def _receive(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.BINARY:
                await self._take_frame(message.data)
            elif message.type is WSMsgType.TEXT:
                await self._take_text(message.data)

    async def _take_frame(self, data: bytes) -> None:
        received_at = time.perf_counter()
        try:
            header = Header.read(data)
        except FrameRefused as error:
            await self._tell(str(error))
            return
        try:
            frame = FrameMessage.parse(data, header)
        except FrameRefused as error:
            self._figures.n_dropped += 1
            await self._send(header.nothing())
            await self._tell_now_and_then(str(error))
            return
        self._waiting.append((frame, received_at))
        self._has_frame.set()
        if len(self._waiting) + self._protects > CREDIT:
            dropped, _ = self._waiting.popleft()
            self._figures.n_dropped += 1
            await self._send(dropped.header.nothing())

    async def _take_text(self, text: str) -> None:
        try:
            await self._obey(_parsed(text))
        except UnveilError as error:
            await self._tell(str(error))
        except ConnectionError:
            raise
        except Exception:
            logger.exception("a message failed")
            await self._tell("message: the server failed to handle it; its log says more")

    async def _obey(self, message: Mapping[str, Any]) -> None:
        kind = message["type"]
        rest = {name: value for name, value in message.items() if name != "type"}
        service = self._service
        if kind == "settings":
            service.change(rest)
        elif kind == "camera":
            _boolean(rest, "on")
            service.forget()
        elif kind == "meter":
            service.switch_meter(on=_boolean(rest, "on"))
        elif kind == "publish":
            on = _boolean(rest, "on")
            service.switch_publishing(on=on, url=_text(rest, "url") if on else "")
        elif kind == "figures":
            self.page_figures = _numbers(rest)
            logger.debug("figures of the page: %s", self.page_figures)
        else:
            raise InvalidParameter(f"message: type {str(kind)[:40]!r} is not known")

    # What the page is sent

    async def _answer(self) -> None:
        while True:
            while not self._waiting:
                self._has_frame.clear()
                await self._has_frame.wait()
            frame, received_at = self._waiting.popleft()
            self._protects = True
            answer = await self._service.protect(frame, received_at)
            self._protects = False
            self._figures.add(answer.protected, answer.wait_ms)
            await self._send(answer.message.buffer)
            if answer.protected.failure is not None:
                await self._tell_now_and_then(
                    f"a frame was not protected and shows the background: "
                    f"{answer.protected.failure}"
                )

    async def _send_states(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await self._send_json({"type": "state", **self._service.state()})

    async def _send_figures(self) -> None:
        while True:
            await asyncio.sleep(FIGURES_SECONDS)
            self._service.look_at_outputs()
            await self._send_json({"type": "figures", **self._figures.take()})

    def _tell_soon(self, message: Mapping[str, Any]) -> None:
        """Send a message from a function that cannot wait."""
        task = asyncio.get_running_loop().create_task(self._send_json(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, message: str) -> None:
        await self._send_json({"type": "error", "message": message})

    async def _tell_now_and_then(self, message: str) -> None:
        now = time.monotonic()
        if now - self._told_at >= ERROR_SECONDS:
            self._told_at = now
            await self._tell(message)

    async def _send_json(self, message: Mapping[str, Any]) -> None:
        await self._send(json.dumps(message, allow_nan=False))

    async def _send(self, message: str | bytes | bytearray) -> None:
        try:
            async with asyncio.timeout(self._send_seconds):
                if isinstance(message, str):
                    await self._socket.send_str(message)
                else:
                    # aiohttp takes any buffer; its types name bytes only.
                    await self._socket.send_bytes(message)  # type: ignore[arg-type]
        except TimeoutError:
            self._cut()
            raise ConnectionAbortedError("the page does not read what it is sent") from None

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _parsed(text: str) -> dict[str, Any]:
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InvalidParameter(f"message: has {len(text)} characters, over {MAX_TEXT_CHARACTERS}")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidParameter("message: is not JSON") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise InvalidParameter('message: is not a JSON object with a text as "type"')
    return message


def _boolean(message: Mapping[str, Any], name: str) -> bool:
    value = message.get(name)
    if not isinstance(value, bool):
        raise InvalidParameter(f"{name}: is not true or false")
    return value


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise InvalidParameter(f"{name}: is not a text")
    return value


def _numbers(message: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in message.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
    }
