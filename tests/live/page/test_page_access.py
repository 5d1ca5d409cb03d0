"""The page for everyone: axe-core, the keyboard, live regions, phone width, light and dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import av
import pytest

from tests.live.page.axe import NoAxe, axe_source, violations
from tests.live.page.browsing import LivePage
from tests.live.page.serving import RunningServer

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}


@dataclass
class Status:
    """What a publisher says of itself."""

    state: str
    message: str


class Publisher:
    """Stands in for WHIP: is in the state that the test wants."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = Status("waiting", "waits for the first frame")
        self.n_frames = 0
        self.closed = False

    def start(self) -> None:
        """Begin."""

    def push(self, frame: av.VideoFrame) -> None:
        """Count."""
        self.n_frames += 1

    def close(self) -> None:
        """Remember it."""
        self.closed = True


@pytest.fixture(scope="module")
def publishers() -> list[Publisher]:
    return []


@pytest.fixture(scope="module")
def server(publishers: list[Publisher]) -> Iterator[RunningServer]:
    def make_publisher(url: str) -> Publisher:
        publishers.append(Publisher(url))
        return publishers[-1]

    running = RunningServer(
        mode="replace", model="lite", background="#204060", make_publisher=make_publisher
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def axe() -> str:
    try:
        return axe_source()
    except NoAxe as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)])
def test_axe_finds_nothing(
    new_page: Callable[..., LivePage],
    server: RunningServer,
    axe: str,
    scheme: str,
    size: dict[str, int],
) -> None:
    # The page's own policy stays: axe-core is evaluated by the debugger.
    live = new_page(color_scheme=scheme)
    live.page.set_viewport_size(size)
    live.open(server.url)
    live.until(lambda: live.text("memory") != "")
    live.page.click("summary")
    live.choose("mode", "replace")
    live.until(lambda: live.applies(mode="replace"))
    assert violations(live.page, axe) == []
    live.choose("mode", "blur")
    live.until(lambda: live.applies(mode="blur"))
    live.click("meter-switch")
    live.until(lambda: live.sees("room"))
    assert violations(live.page, axe) == []
    live.click("meter-switch")
    live.click("camera-switch")
    live.until(lambda: live.sees("curtain-start"))
    live.page.set_input_files("#upload", {"name": "a", "mimeType": "image/png", "buffer": b"no"})
    live.choose("mode", "remove")
    live.until(lambda: live.applies(mode="remove"))
    assert violations(live.page, axe) == []
    # It finds what is wrong.
    live.page.evaluate("document.getElementById('snapshot').textContent = ''")
    assert [found.split()[1] for found in violations(live.page, axe)] == ["button-name:"]


def test_nothing_sticks_out(live: LivePage) -> None:
    for width in (320, 390, 768, 900, 1280, 1920):
        live.page.set_viewport_size({"width": width, "height": 800})
        assert live.page.evaluate("document.documentElement.scrollWidth") <= width


def test_everything_is_reached_and_seen_with_the_keyboard(live: LivePage) -> None:
    wanted = set(
        live.page.evaluate("""
          [...document.querySelectorAll("a, button, select, input, summary")]
            .filter((one) => one.checkVisibility() && !one.disabled)
            .map((one) => one.id || one.name || one.tagName)
        """)
    )
    reached = []
    live.page.focus("body")
    for _ in range(80):
        live.page.keyboard.press("Tab")
        # What has the focus, and whether something outlines it: itself, or what shows it.
        name, outlined = live.page.evaluate("""(() => {
          const one = document.activeElement;
          const shows = [one, one.nextElementSibling, one.closest("label")];
          const seen = shows.some((part) => part && getComputedStyle(part).outlineWidth !== "0px" &&
            getComputedStyle(part).outlineStyle !== "none");
          return [one.id || one.name || one.tagName, seen];
        })()""")
        if name == "BODY":
            break
        assert outlined, f"{name} has the focus, which nobody sees"
        reached.append(name)
    assert wanted - set(reached) == set()
    assert {"mode", "model", "edge", "device", "record", "whip-url", "summary".upper()} <= wanted


def test_live_regions_do_not_chatter(live: LivePage) -> None:
    live.page.evaluate("""
      window.said = [];
      const regions = document.querySelectorAll("[role=status], [role=alert], [aria-live]");
      for (const region of regions) {
        new MutationObserver(() => said.push(region.id)).observe(region, {
          childList: true, characterData: true, subtree: true,
        });
      }
    """)
    shown = live.text("delay"), live.text("dropped"), live.text("memory")
    live.until(lambda: (live.text("delay"), live.text("dropped"), live.text("memory")) != shown)
    live.page.wait_for_timeout(2500)
    assert live.page.evaluate("said") == []


def test_publishing_is_switched_and_its_state_is_shown(
    live: LivePage, publishers: list[Publisher]
) -> None:
    live.page.fill("#whip-url", "https://meeting.example/group/test/.whip")
    live.click("publish-switch")
    live.until(lambda: live.text("publish-switch") == "Stop publishing")
    [publisher] = publishers
    assert publisher.url == "https://meeting.example/group/test/.whip"
    assert live.text("publish-status") == "waits for the first frame"
    live.until(lambda: publisher.n_frames > 0)
    for state, message in (("publishing", "sends"), ("failed", "the token is wrong")):
        publisher.status = Status(state, message)
        live.until(lambda: live.text("publish-status") == message)  # noqa: B023 - at once
    live.click("publish-switch")
    live.until(lambda: live.text("publish-switch") == "Publish" and publisher.closed)
    live.page.fill("#whip-url", "no address")
    live.click("publish-switch")
    live.page.wait_for_timeout(300)
    assert len(publishers) == 1


def test_the_panel_is_missing_where_nothing_can_publish(new_page: Callable[..., LivePage]) -> None:
    plain = RunningServer(mode="replace", model="lite", background="#204060")
    try:
        live = new_page()
        live.open(plain.url)
        assert not live.sees("publish")
    finally:
        plain.stop()
