"""Pages as text: nothing from outside, everything escaped, and a bounded size."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from tests.auditing.audits import audit_of_recoveries, claims, leak_times_of, recovery_of
from tests.auditing.test_countermeasures import CAREFUL, WEAK, stored
from unveil.auditing import page as pages
from unveil.auditing.countermeasures import read_countermeasures
from unveil.auditing.page import Entry, render_index

EVIL = '<script>alert("x")</script>&"\'<img src=x onerror=alert(1)>.mp4'
LIMIT = 3_000_000


class Elements(HTMLParser):
    """Collects the elements, the addresses and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.events: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Note an element."""
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action", "srcset", "poster"):
                self.addresses.append(value)
            if name.startswith("on") or name == "style":
                self.events.append(name)
            if name == "id":
                self.ids.append(value)

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.words.append(data)
        self.texts.setdefault(self.tags[-1] if self.tags else "", []).append(data)

    @property
    def text(self) -> str:
        """The text of the page, with single spaces."""
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def leaking() -> str:
    picture = np.full((40, 50, 3), 90, np.uint8)
    recovery = recovery_of(claims(0.15), leak_times=leak_times_of(60))
    return audit_of_recoveries(recovery, shots=picture).page()


def test_a_page_loads_nothing(leaking: str) -> None:
    elements = Elements(leaking)
    for address in elements.addresses:
        assert re.match(r"data:image/jpeg;base64,|#|[\w./-]+\.(png|parquet|json)$", address)
    assert elements.tags.count("script") == 1
    assert elements.events == []
    assert {"link", "iframe", "object", "form", "base"}.isdisjoint(elements.tags)
    assert len(elements.ids) == len(set(elements.ids))


def test_the_policy_allows_this_style_and_this_script_alone(leaking: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', leaking)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    for tag in ("style", "script"):
        found = re.search(rf"<{tag}>(.*?)</{tag}>", leaking, re.DOTALL)
        assert found is not None
        digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]


def test_every_link_within_a_page_leads_somewhere(leaking: str) -> None:
    elements = Elements(leaking)
    inner = {address[1:] for address in elements.addresses if address.startswith("#")}
    assert {f"caller-1-moment-{number}" for number in range(1, 6)} <= inner
    assert inner <= set(elements.ids)


def test_a_page_says_how_much_when_and_how_sure(leaking: str) -> None:
    text = Elements(leaking).text
    assert "About 15% (probably 1" in text
    assert "of the room can be reconstructed, most of it at 0:" in text
    assert "Cut 0:" in text.replace("Cut  ", "Cut ")
    assert "Much of the room leaks" in text
    assert "timeline.parquet" in text


@pytest.mark.parametrize("several", [False, True])
def test_names_and_warnings_are_escaped(several: bool) -> None:
    recoveries = [
        recovery_of(claims(0.02), warnings=[EVIL], input={"name": EVIL, "codec": EVIL})
        for _ in range(2 if several else 1)
    ]
    page = audit_of_recoveries(*recoveries, name=EVIL).page()
    elements = Elements(page)
    assert elements.tags.count("script") == 1
    assert "alert(1)" not in " ".join(elements.texts["script"])
    assert elements.events == []
    assert EVIL in "".join(elements.texts["title"])


def test_an_index_is_escaped_and_lists_the_worst_first() -> None:
    index = render_index(
        [
            Entry("good.mp4", "good/index.html", "A", "Nothing."),
            Entry(EVIL, "evil/index.html", "D", EVIL),
            Entry("no.mp4", None, None, "no.mp4: no such file"),
        ]
    )
    elements = Elements(index)
    assert elements.tags.count("script") == 1
    assert elements.events == []
    assert [one for one in elements.addresses if not one.startswith("#")] == [
        "evil/index.html",
        "good/index.html",
    ]
    assert "no.mp4: no such file" in elements.text


def test_a_call_without_leaks_does_not_scare() -> None:
    text = Elements(audit_of_recoveries(recovery_of(claims(0))).page()).text
    assert "Nothing of the room was found in this call." in text
    assert "Hardly anything leaks" in text
    for heading in ("The worst moments", "When it leaks", "Where it leaks", "What helps"):
        assert heading not in text


def test_a_call_that_cannot_be_judged_is_not_praised() -> None:
    moving = recovery_of(claims(0), background=None)
    object.__setattr__(moving, "report", {**moving.report, "background": "moves"})
    text = Elements(audit_of_recoveries(moving).page()).text
    assert "cannot be judged" in text
    assert "No verdict" in text
    assert "Hardly anything leaks" not in text


def test_unknown_times_are_said_to_be_unknown() -> None:
    text = Elements(audit_of_recoveries(recovery_of(claims(0.05))).page()).text
    assert "When the room leaks is not known for this recovery." in text
    assert "timeline.parquet" not in text


def noise(size: tuple[int, int]) -> Any:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


@pytest.mark.parametrize("n_callers", [1, 16])
def test_a_page_of_a_long_call_of_noise_is_bounded(n_callers: int) -> None:
    size = (720, 1280) if n_callers == 1 else (180, 320)
    confidence = np.random.default_rng(1).random(size, np.float32)
    recovery = recovery_of(
        confidence, background=noise(size), room=noise(size), leak_times=leak_times_of(1024, 17.6)
    )
    page = audit_of_recoveries(*[recovery] * n_callers, shots=noise(size)).page()
    assert len(page.encode()) < LIMIT
    assert "5:00:00" in page


def test_callers_have_sections_and_files_of_their_own() -> None:
    recoveries = [recovery_of(claims(0.01)), recovery_of(claims(0.2))]
    page = audit_of_recoveries(*recoveries).page()
    elements = Elements(page)
    assert {"caller-1", "caller-2"} <= set(elements.ids)
    assert {"tile-1/room.png", "tile-2/room.png"} <= set(elements.addresses)
    assert "The worst of 2 callers is caller 2: About 20%" in elements.text


def test_what_helps_is_shown_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    table = read_countermeasures(stored(WEAK, CAREFUL))
    monkeypatch.setattr(pages, "countermeasures", lambda: table)
    text = Elements(audit_of_recoveries(recovery_of(claims(0.1))).page()).text
    assert text.index("Cut inside the person's edge") < text.index("Turn the light on")
    assert "10% of the leaks remain" in text
    assert CAREFUL["command"] in text


def test_a_summary_for_notebooks_has_no_script(leaking: str) -> None:
    recovery = recovery_of(claims(0.15), leak_times=leak_times_of(60))
    audit = audit_of_recoveries(recovery, name=EVIL, shots=np.zeros((40, 50, 3), np.uint8))
    summary = audit._repr_html_()
    elements = Elements(summary)
    assert {"script", "style", "html"}.isdisjoint(elements.tags)
    assert elements.tags.count("img") == 2
    assert elements.events == []
    assert "About 15% (probably 1" in elements.text
    assert len(summary) < 300_000
