"""The page for everyone: axe-core, the keyboard, live regions, phone width, light and dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.live.page.axe import NoAxe, axe_source, violations
from tests.live.page.browsing import LivePage
from tests.live.page.serving import RunningServer
from unveil.live.service import PublishStatus

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}


class Publisher:
    """Stands in for WHIP: does what the test says."""

    def __init__(self) -> None:
        self.status = PublishStatus()
        self.urls: list[str] = []
        self.n_frames = 0

    def start(self, url: str) -> None:
        """Remember the address."""
        self.urls.append(url)
        self.status = PublishStatus("connecting", "connects to the server")

    def push(self, planes: Any, layout: Any, timestamp: float) -> None:
        """Count."""
        self.n_frames += 1

    def close(self) -> None:
        """Stop."""
        self.status = PublishStatus()


@pytest.fixture(scope="module")
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture(scope="module")
def server(publisher: Publisher) -> Iterator[RunningServer]:
    running = RunningServer(mode="replace", model="lite", background="#204060", publisher=publisher)
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
    live: LivePage, publisher: Publisher
) -> None:
    live.page.fill("#whip-url", "https://meeting.example/group/test/.whip")
    live.click("publish-switch")
    live.until(lambda: live.text("publish-switch") == "Stop publishing")
    assert publisher.urls == ["https://meeting.example/group/test/.whip"]
    assert live.text("publish-status") == "connects to the server"
    live.until(lambda: publisher.n_frames > 0)
    publisher.status = PublishStatus("live", "")
    live.until(lambda: live.text("publish-status") == "Published: the meeting sees you")
    publisher.status = PublishStatus("failed", "the server wants another token")
    live.until(lambda: live.text("publish-status") == "the server wants another token")
    live.click("publish-switch")
    live.until(lambda: live.text("publish-switch") == "Publish")
    live.page.fill("#whip-url", "no address")
    live.click("publish-switch")
    live.page.wait_for_timeout(300)
    assert len(publisher.urls) == 1
