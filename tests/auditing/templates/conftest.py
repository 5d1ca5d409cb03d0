"""Chromium, and the pages of a small call and of a long one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unveil
from tests.auditing.audits import audit_of_recoveries, claims, leak_times_of, recovery_of
from tests.auditing.test_countermeasures import CAREFUL, WEAK, stored
from tests.live.page.browsing import chromium, skip_without_browser
from unveil.auditing import page as pages
from unveil.auditing.countermeasures import read_countermeasures
from unveil.auditing.page import Entry, render_index


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_without_browser(items, "tests/auditing/templates/")


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    # Not for the session: its event loop runs in this thread, in which other packages run theirs.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started, chromium(started) as running:
        yield running


@pytest.fixture(scope="package")
def report(tmp_path_factory: pytest.TempPathFactory, audited: unveil.Audit) -> Path:
    """Write pages: of a call, of a long meeting with all sections, and an index."""
    folder = tmp_path_factory.mktemp("report")
    audited.write(folder / "call")
    picture = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    recoveries = [
        recovery_of(
            claims(share, 0.7, (90, 160)),
            leak_times=leak_times_of(1024, 17.6),
            warnings=["the picture was cut into tiles"],
        )
        for share in (0.2, 0.001)
    ]
    (folder / "meeting").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        table = read_countermeasures(stored(WEAK, CAREFUL))
        patch.setattr(pages, "countermeasures", lambda: table)
        meeting = audit_of_recoveries(*recoveries, name="meeting.mkv", shots=picture)
        (folder / "meeting" / "index.html").write_text(meeting.page(), encoding="utf-8")
    index = render_index(
        [
            Entry("call.mp4", "call/index.html", "D", audited.verdict),
            Entry("meeting.mkv", "meeting/index.html", "B", meeting.verdict),
            Entry("no.mp4", None, None, "no.mp4: no such file"),
        ]
    )
    (folder / "index.html").write_text(index, encoding="utf-8")
    return folder


class Opened:
    """A page, what it asked for, and what went wrong in it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text))
        page.on("request", lambda request: self.requests.append(request.url))


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Callable[..., Opened]]:
    """Open pages by their names; none of them may have an error or ask for anything else."""
    pages: list[tuple[Opened, str]] = []

    def make(name: str, **options: Any) -> Opened:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        page = Opened(context.new_page())
        address = (report / name).as_uri()
        pages.append((page, address))
        page.page.goto(address)
        return page

    yield make
    for page, address in pages:
        page.page.context.close()
        assert page.errors == []
        asked = [url for url in page.requests if not url.startswith("data:")]
        assert asked[0] == address
        inside = report.as_uri()
        assert [url for url in asked if not url.startswith(inside)] == []
