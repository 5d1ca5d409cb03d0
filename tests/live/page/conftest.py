"""A browser with a camera for all tests of a process; a server for each module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.live.page.browsing import LivePage, camera_flags, chromium, skip_without_browser
from tests.live.page.footage import Footage, write_camera

HEIGHT, WIDTH = 256, 320
VIEWPORT = {"width": 1280, "height": 800}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_without_browser(items, "tests/live/page/")


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    return write_camera(tmp_path_factory.mktemp("camera") / "camera.y4m", HEIGHT, WIDTH)


@pytest.fixture(scope="package")
def playwright() -> Iterator[Any]:
    # Not for the session: its event loop runs in this thread, in which other packages run theirs.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def browser(playwright: Any, footage: Footage) -> Iterator[Any]:
    with chromium(playwright, *camera_flags(footage.path)) as started:
        yield started


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    from tests.live.page.serving import RunningServer

    running = RunningServer(mode="replace", model="lite", background="#204060")
    yield running
    running.stop()


@pytest.fixture
def new_page(browser: Any) -> Iterator[Callable[..., LivePage]]:
    """Make pages; at the end none of them may have had an error."""
    pages: list[LivePage] = []

    def make(**options: Any) -> LivePage:
        context = browser.new_context(viewport=VIEWPORT, **options)
        pages.append(LivePage(context.new_page()))
        return pages[-1]

    yield make
    for page in pages:
        page.page.context.close()
    assert [page.errors for page in pages if page.errors] == []


@pytest.fixture(scope="package")
def tab(browser: Any) -> Iterator[LivePage]:
    """Make a page that tests use one after the other: a new one takes twice the CPU time."""
    context = browser.new_context(viewport=VIEWPORT)
    yield LivePage(context.new_page())
    context.close()


@pytest.fixture
def cleared(tab: LivePage) -> Iterator[LivePage]:
    """Give the tab with nothing in it; at the end it may have had no error."""
    tab.errors.clear()
    tab.requests.clear()
    tab.messages.clear()
    yield tab
    tab.page.goto("about:blank")  # ends the session, and the camera
    tab.page.set_viewport_size(VIEWPORT)
    assert tab.errors == []


@pytest.fixture
def live(cleared: LivePage, server: Any) -> LivePage:
    """Open the page, and wait until it shows the protected picture."""
    cleared.open(server.url)
    return cleared
