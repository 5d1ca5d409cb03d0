"""The page's camera: off and on, hidden, missing, refused; and browsers that lack something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.live.page import devtools
from tests.live.page.browsing import LivePage, camera_flags, chromium
from tests.live.page.footage import Footage, face_difference
from tests.live.page.serving import RunningServer

NAVY = (0x20, 0x40, 0x60)

WATCH_CORNERS = """
  // Every picture that is drawn on the page's canvas leaves the colour of its corner.
  const drawImage = CanvasRenderingContext2D.prototype.drawImage;
  window.cornerColours = [];
  CanvasRenderingContext2D.prototype.drawImage = function (...given) {
    drawImage.apply(this, given);
    if (this.canvas.id === "protected") {
      cornerColours.push([...this.getImageData(2, 2, 1, 1).data.slice(0, 3)]);
    }
  };
"""


def has_only(live: LivePage, colour: tuple[int, int, int]) -> bool:
    """Whether all pictures so far had this colour in their corner."""
    seen = np.array(live.page.evaluate("cornerColours"))
    return len(seen) > 0 and bool(np.abs(seen - colour).max() <= 4)


def test_camera_off_and_on_never_shows_a_raw_frame(
    new_page: Callable[..., LivePage], server: RunningServer, footage: Footage
) -> None:
    live = new_page()
    live.page.add_init_script(WATCH_CORNERS)
    live.open(server.url)
    for _ in range(3):
        live.click("camera-switch")
        live.until(lambda: live.text("curtain-text") == "The camera is off.")
        assert live.sees("curtain")
        assert not live.sees("self-view")
        assert live.page.evaluate("document.getElementById('raw').srcObject") is None
        assert len(np.unique(live.picture().reshape(-1, 3), axis=0)) == 1
        live.click("camera-switch")
        live.until(lambda: not live.sees("curtain"))
    live.until(lambda: face_difference(live.picture(), footage) <= 6)
    assert has_only(live, NAVY)


def test_the_raw_picture_is_in_the_self_view_only(live: LivePage) -> None:
    assert live.sees("self-view")
    live.click("self-view-switch")
    live.until(lambda: not live.sees("self-view"))
    # Hidden, it stops nothing: protected pictures still come.
    shown = live.picture()
    live.until(lambda: bool((live.picture() != shown).any()))
    live.click("self-view-switch")
    live.until(lambda: live.sees("self-view"))
    videos = "[...document.querySelectorAll('video')].map(video => video.id)"
    assert live.page.evaluate(videos) == ["raw"]


def test_size_and_rate_are_passed_to_the_camera(live: LivePage) -> None:
    live.page.select_option("#size", "640x360")
    live.page.select_option("#frame-rate", "15")
    # The camera has one size and rate; what it was asked for is in the track.
    asked = "document.getElementById('raw').srcObject?.getVideoTracks()[0]?.getConstraints() ?? {}"
    wanted = {"width": 640, "height": 360, "frameRate": 15}
    live.until(lambda: wanted.items() <= live.page.evaluate(asked).items())
    live.until(lambda: live.text("camera-given").endswith("256, 5 frames/s."))
    assert len(live.page.eval_on_selector_all("#device option", "all => all")) == 1


def test_frames_go_on_in_a_hidden_tab(
    server: RunningServer, footage: Footage, tmp_path: Path
) -> None:
    async def check() -> None:
        async with devtools.first_tab(tmp_path, *camera_flags(footage.path)) as tab:
            await tab.call("Page.enable")
            await tab.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH_CORNERS)
            await tab.call("Page.navigate", url=server.url)
            await tab.until("document.getElementById('curtain')?.hidden ?? false")
            await tab.cover()
            await tab.until("document.visibilityState === 'hidden'")
            before = await tab.evaluate("cornerColours.length")
            await tab.until(f"cornerColours.length > {before + 10}")
            assert await tab.evaluate("document.visibilityState") == "hidden"
            seen = np.array(await tab.evaluate("cornerColours"))
            assert np.abs(seen - NAVY).max() <= 4
            # On a busy machine a picture may be held for a moment.
            await tab.until("document.title === 'unveil live'")

    devtools.run(check())


def test_video_callbacks_serve_where_there_is_no_track_processor(
    new_page: Callable[..., LivePage], server: RunningServer, footage: Footage
) -> None:
    live = new_page()
    live.page.add_init_script("delete window.MediaStreamTrackProcessor; " + WATCH_CORNERS)
    live.open(server.url)
    live.until(lambda: face_difference(live.picture(), footage) <= 6)
    live.click("camera-switch")
    live.until(lambda: live.sees("curtain"))
    live.click("camera-switch")
    live.until(lambda: not live.sees("curtain"))
    assert has_only(live, NAVY)


def test_a_camera_that_ends_is_reported(live: LivePage) -> None:
    live.page.evaluate(
        "document.getElementById('raw').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))"
    )
    live.until(lambda: "unplugged" in live.text("problem"))
    assert live.sees("curtain")


def test_no_camera_is_reported(playwright: Any, server: RunningServer) -> None:
    with chromium(playwright, "--use-fake-ui-for-media-stream") as browser:
        live = LivePage(browser.new_page())
        live.page.goto(server.url)
        live.until(lambda: live.text("problem").startswith("No camera was found."))
        assert live.sees("curtain-start")
        live.click("curtain-start")
        live.until(lambda: live.text("problem").startswith("No camera was found."))


def test_a_camera_that_is_not_allowed_is_reported(playwright: Any, server: RunningServer) -> None:
    flags = "--use-fake-device-for-media-stream", "--deny-permission-prompts"
    with chromium(playwright, *flags) as browser:
        live = LivePage(browser.new_page())
        live.page.goto(server.url)
        live.until(lambda: live.text("connection") == "Connected")
        live.click("curtain-start")
        live.until(lambda: "does not let this page use the camera" in live.text("problem"))
        assert live.text("curtain-text") == "The camera is off."


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("delete window.VideoFrame", "It lacks: VideoFrame (WebCodecs)."),
        (
            "delete window.MediaStreamTrackProcessor;"
            "delete HTMLVideoElement.prototype.requestVideoFrameCallback",
            "It lacks: MediaStreamTrackProcessor or requestVideoFrameCallback.",
        ),
        ("delete window.OffscreenCanvas; delete window.WebSocket", "WebSocket, OffscreenCanvas."),
        ("delete Navigator.prototype.mediaDevices", "lacks getUserMedia"),
        (
            "Object.defineProperty(window, 'isSecureContext', {value: false})",
            "only to pages from https:// or from this computer",
        ),
    ],
)
def test_an_old_browser_is_told_what_it_lacks(
    new_page: Callable[..., LivePage], server: RunningServer, script: str, said: str
) -> None:
    live = new_page()
    live.page.add_init_script(script)
    live.page.goto(server.url)
    live.until(lambda: said in live.text("unsupported"))
    assert live.sees("unsupported")
    assert live.text("connection") == "Connecting"


def test_recording_says_what_it_lacks(
    new_page: Callable[..., LivePage], server: RunningServer
) -> None:
    live = new_page()
    live.page.add_init_script("delete window.MediaRecorder")
    live.open(server.url)
    assert live.page.is_disabled("#record")
    assert live.page.get_attribute("#record", "title") == "This browser lacks MediaRecorder."
