"""Chromium with a fake camera, and the page in it as a user sees it."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

U8 = npt.NDArray[np.uint8]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
FAKE_CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")

PATIENCE_SECONDS = 60.0
"""The machine may be busy; nothing is measured."""

READ_CANVAS = """() => {
  const canvas = document.getElementById("protected");
  return canvas.toDataURL("image/png");
}"""


CHANGE_MESSAGES = """
  // What the page gets of the server's messages: `changed` of each, nothing if that is null.
  const set = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage").set;
  window.changed = (data) => data;
  Object.defineProperty(WebSocket.prototype, "onmessage", {
    configurable: true,
    set(listener) {
      set.call(this, listener && ((event) => {
        const data = changed(event.data);
        if (data !== null) listener({ data });
      }));
    },
  });
"""


def skip_without_browser(items: list[pytest.Item], folder: str) -> None:
    """Skip the tests in a folder, given by its path, where Chromium cannot be driven."""
    reason = None
    if CHROMIUM is None:
        reason = "needs Chromium (apt-get install chromium)"
    elif importlib.util.find_spec("playwright") is None:
        reason = "needs Playwright (pip install playwright; no download of a browser)"
    if reason is not None:
        for item in items:
            if folder in item.path.as_posix():
                item.add_marker(pytest.mark.skip(reason=reason))


@contextmanager
def chromium(playwright: Any, *flags: str) -> Iterator[Any]:
    """Start Debian's Chromium."""
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM, args=[*FLAGS, *flags], chromium_sandbox=False
    )
    try:
        yield browser
    finally:
        browser.close()


def camera_flags(path: Path) -> tuple[str, ...]:
    """Return the flags that make a Y4M file the camera, and allow it."""
    return (*FAKE_CAMERA, f"--use-file-for-fake-video-capture={path}")


class LivePage:
    """The page in a browser, what it asked for, and what went wrong in it.

    `messages` has the last text message of each type that the server sent.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.messages: dict[str, dict[str, Any]] = {}
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._take_console)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", self._listen)

    def _listen(self, socket: Any) -> None:
        self.requests.append(socket.url)
        socket.on("framereceived", self._take_message)

    def _take_message(self, data: str | bytes) -> None:
        if isinstance(data, str):
            message = json.loads(data)
            self.messages[message["type"]] = message

    def _take_console(self, message: Any) -> None:
        # A lost connection and a refused request are told there, too.
        if message.type == "error" and "Content Security Policy" in message.text:
            self.errors.append(message.text)

    def open(self, url: str) -> None:
        """Load the page, and start the camera if that needs a click."""
        self.page.goto(url)
        self.until(lambda: self.text("connection") == "Connected")
        self.until(lambda: self.text("camera-switch") == "Stop the camera")
        self.until(lambda: not self.sees("curtain"))

    def text(self, id_: str) -> str:
        """Return the text of an element."""
        return str(self.page.evaluate("id => document.getElementById(id).textContent.trim()", id_))

    def value(self, id_: str) -> str:
        """Return the value of a control."""
        return str(self.page.evaluate("id => document.getElementById(id).value", id_))

    def sees(self, id_: str) -> bool:
        """Whether an element takes part in the page."""
        script = "id => document.getElementById(id).checkVisibility()"
        return bool(self.page.evaluate(script, id_))

    def click(self, id_: str) -> None:
        """Click an element."""
        self.page.click(f"#{id_}")

    def choose(self, name: str, value: str) -> None:
        """Choose a radio button by clicking what a user sees of it."""
        self.page.click(f'label:has(input[name="{name}"][value="{value}"])')

    def chosen(self, name: str) -> str | None:
        """Return the chosen radio button's value."""
        script = "name => document.querySelector(`input[name=${name}]:checked`)?.value ?? null"
        return self.page.evaluate(script, name)

    def applies(self, **settings: Any) -> bool:
        """Whether the server protects frames by these settings."""
        state = self.messages.get("state", {"busy": "", "settings": {}})
        return state["busy"] is None and state["settings"].items() >= settings.items()

    def picture(self) -> U8:
        """Read the canvas: (h, w, 3) uint8 RGB."""
        address = self.page.evaluate(READ_CANVAS)
        data = base64.b64decode(address.partition(",")[2])
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds; `wait_for_function` would need what the CSP forbids."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                shown = self.page.evaluate("document.querySelector('.notices').innerText")
                raise AssertionError(f"nothing came; the page says {shown!r} {self.errors}")
            self.page.wait_for_timeout(50)
