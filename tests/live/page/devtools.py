"""Chromium's DevTools protocol without Playwright, which shows every tab as if it had the focus."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.live.page.browsing import CHROMIUM, FLAGS


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine in another thread: in this one, Playwright's event loop runs."""
    with ThreadPoolExecutor(1) as executor:
        executor.submit(asyncio.run, test).result()


class Tab:
    """A tab of the browser."""

    def __init__(self, address: str, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._address = address
        self._socket = socket
        self._n_calls = 0

    async def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol; return its result."""
        self._n_calls += 1
        number = self._n_calls
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            answer = json.loads((await self._socket.receive()).data)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    async def evaluate(self, expression: str) -> Any:
        """Evaluate a JavaScript expression."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        async with asyncio.timeout(60):
            while not await self.evaluate(expression):
                await asyncio.sleep(0.05)

    async def cover(self) -> None:
        """Open another tab in front of this one."""
        async with aiohttp.ClientSession() as client:
            answer = await client.put(f"{self._address}/json/new?about:blank")
            await client.get(f"{self._address}/json/activate/{(await answer.json())['id']}")


@asynccontextmanager
async def first_tab(profile: Path, *flags: str) -> AsyncIterator[Tab]:
    """Start the browser; connect to its tab."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, *flags, "--headless", "--no-sandbox", "--remote-debugging-port=0"]
    process = subprocess.Popen(
        [*command, f"--user-data-dir={profile}", "about:blank"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        found = next(
            match
            for line in process.stderr
            if (match := re.search(r"listening on ws://([^/]+)/", line))
        )
        address = f"http://{found[1]}"
        async with aiohttp.ClientSession() as client:
            tabs = await (await client.get(f"{address}/json")).json()
            tab = next(tab for tab in tabs if tab["type"] == "page")
            async with client.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Tab(address, socket)
    finally:
        process.terminate()
        process.communicate()
