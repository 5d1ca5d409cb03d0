"""The page's connection: lost and back, taken by another page, and frames that are not answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.live.page.browsing import CHANGE_MESSAGES, LivePage
from tests.live.page.footage import Footage, corners, face_difference
from tests.live.page.serving import RunningServer

NAVY = (0x20, 0x40, 0x60)


@pytest.fixture
def own_server() -> Iterator[RunningServer]:
    running = RunningServer(mode="replace", model="lite", background="#806040")
    yield running
    running.stop()


def test_the_last_picture_is_held_until_the_server_is_back(
    cleared: LivePage, own_server: RunningServer, footage: Footage
) -> None:
    live = cleared
    live.open(own_server.url)
    live.page.fill("#colour", "#204060")
    live.until(lambda: bool(np.abs(corners(live.picture()).astype(int) - NAVY).max() <= 4))
    own_server.stop()
    live.until(lambda: live.text("connection") == "Disconnected")
    lost = (
        "The connection to unveil is lost: the server stops. The last protected picture is held. "
        "Trying again."
    )
    assert live.text("status") == lost
    live.until(lambda: live.sees("held") and live.page.title() == "Held · unveil live")
    held = live.picture()
    assert np.abs(corners(held).astype(int) - NAVY).max() <= 4
    live.page.wait_for_timeout(500)  # at least one try to connect again
    assert (live.picture() == held).all()
    assert live.text("status") == lost

    own_server.start()
    live.until(lambda: live.text("connection") == "Connected")
    # The new process began with another colour: the page asks for the one that was chosen.
    live.until(lambda: live.applies(background="#204060") and not live.sees("held"))
    live.until(lambda: bool((live.picture() != held).any()))
    live.until(lambda: face_difference(live.picture(), footage) <= 6)
    live.until(lambda: bool(np.abs(corners(live.picture()).astype(int) - NAVY).max() <= 4))
    assert live.text("status") == ""


def test_an_uploaded_picture_outlives_the_server(
    cleared: LivePage, own_server: RunningServer, tmp_path: Path
) -> None:
    path = tmp_path / "mine.png"
    Image.new("RGB", (320, 240), NAVY).save(path)
    live = cleared
    live.open(own_server.url)
    live.page.set_input_files("#upload", path)
    live.until(lambda: bool(np.abs(corners(live.picture()).astype(int) - NAVY).max() <= 4))
    own_server.stop()
    live.until(lambda: live.text("connection") == "Disconnected")
    own_server.start()
    live.until(lambda: live.text("connection") == "Connected")
    live.until(lambda: str(live.chosen("background")).startswith("upload-"))
    live.until(lambda: live.applies() and not live.sees("held"))
    live.until(lambda: bool(np.abs(corners(live.picture()).astype(int) - NAVY).max() <= 4))


def test_a_second_page_waits_for_the_first_one(
    live: LivePage, new_page: Callable[..., LivePage], server: RunningServer
) -> None:
    second = new_page()
    second.page.goto(server.url)
    second.until(lambda: second.text("connection") == "In use elsewhere")
    assert second.text("status").startswith("Another page has the camera session")
    assert live.text("connection") == "Connected"
    live.page.goto("about:blank")
    second.until(lambda: second.text("connection") == "Connected")
    second.until(lambda: not second.sees("curtain") and second.text("status") == "")


def test_frames_that_are_not_answered_are_told(
    new_page: Callable[..., LivePage], server: RunningServer
) -> None:
    live = new_page()
    # Answers get lost, as if the process hung.
    live.page.add_init_script(CHANGE_MESSAGES)
    live.open(server.url)
    live.page.evaluate("window.changed = (data) => data instanceof ArrayBuffer ? null : data")
    live.until(lambda: live.text("connection") == "Waiting")
    assert live.text("status") == ("unveil does not answer. The last protected picture is held.")
    assert live.sees("held")
    # After a while the page connects anew.
    live.page.evaluate("window.changed = (data) => data")
    live.until(lambda: live.text("connection") == "Connected" and not live.sees("held"))
    assert live.text("status") == ""
