"""stream.js: the protected camera as a MediaStream, for a page of one's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.live.page.browsing import LivePage
from tests.live.page.serving import RunningServer
from tests.markdown_page import ROOT, blocks_of

OPEN = """async (options) => {
  // Only the modules are used: the page itself would take the session.
  const { protectedStream } = await import("/page/stream.js");
  window.camera = await protectedStream(options);
  window.corner = async () => {
    const video = document.createElement("video");
    video.srcObject = camera.stream;
    video.muted = true;
    await video.play();
    await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    video.srcObject = null;
    return [...context.getImageData(4, 4, 1, 1).data.slice(0, 3), canvas.width, canvas.height];
  };
}"""


@pytest.fixture
def blank(cleared: LivePage, server: RunningServer) -> LivePage:
    """Open a page of the server's origin that has no script."""
    cleared.page.goto(f"{server.url}health")
    return cleared


@pytest.mark.parametrize("lacks", ["", "delete window.MediaStreamTrackGenerator"])
def test_the_stream_is_protected_from_its_first_frame(blank: LivePage, lacks: str) -> None:
    blank.page.evaluate(lacks or "0")
    blank.page.evaluate(OPEN, {"settings": {"mode": "replace", "background": "#c06020"}})
    red, green, blue, width, height = blank.page.evaluate("corner()")
    assert max(abs(red - 0xC0), abs(green - 0x60), abs(blue - 0x20)) <= 6
    assert (width, height) == (320, 256)
    assert blank.page.evaluate("camera.set({background: '#203040'})")
    blank.until(lambda: abs(blank.page.evaluate("corner()")[0] - 0x20) <= 6)
    blank.page.evaluate("camera.close()")
    assert blank.page.evaluate("camera.stream.getTracks()[0].readyState") == "ended"
    assert not blank.page.evaluate("camera.set({background: '#203040'})")


def test_a_setting_that_is_refused_ends_it(blank: LivePage, server: RunningServer) -> None:
    said = blank.page.evaluate("""async () => {
      const { protectedStream } = await import("/page/stream.js");
      try { await protectedStream({settings: {model: "huge"}}); } catch (error) {
        return error.message;
      }
    }""")
    assert said.startswith("model: ")
    # The session is free again.
    blank.page.goto("about:blank")
    blank.open(server.url)


def test_a_session_that_is_taken_is_reported(
    live: LivePage, new_page: Callable[..., LivePage], server: RunningServer
) -> None:
    second = new_page()
    second.page.goto(f"{server.url}health")
    said = second.page.evaluate("""async () => {
      const { protectedStream } = await import("/page/stream.js");
      return protectedStream().then(() => "", (error) => error.message);
    }""")
    assert said == "another page uses the camera; close it first"


def test_the_documented_example_works(blank: LivePage) -> None:
    [example] = [one for one in blocks_of(ROOT / "docs" / "live.md") if one.language == "js"]
    blank.page.evaluate(
        f"async () => {{ {example.text} Object.assign(window, {{camera, track}}); }}"
    )
    assert blank.page.evaluate("[track.kind, track.readyState]") == ["video", "live"]
    blank.until(lambda: blank.applies(mode="blur", model="lite", background="#204060"))
    blank.page.evaluate("camera.close()")
    assert blank.page.evaluate("track.readyState") == "ended"
