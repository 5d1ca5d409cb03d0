"""The page in Chromium: the slider, links, sizes, schemes, print, and without its script."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unveil
from tests.live.page.axe import NoAxe, axe_source, violations
from unveil.auditing.verdict import clock

PAGES = ("call/index.html", "meeting/index.html", "index.html")
SLIDER = ".compare input"

SHOWN = """() => {
  const compare = document.querySelector(".compare");
  const [call, room] = compare.querySelectorAll("img");
  const box = call.getBoundingClientRect();
  const cut = getComputedStyle(compare.querySelector(".before")).clipPath;
  return {
    split: Number(getComputedStyle(compare).getPropertyValue("--split")),
    same: JSON.stringify(box) === JSON.stringify(room.getBoundingClientRect()),
    cut: parseFloat(cut.match(/inset\\(0(?:px)? (?:calc\\()?(.*)/)[1]),
    label: compare.querySelector("input").getAttribute("aria-valuetext"),
  };
}"""


def test_the_slider_moves_by_keyboard(opened: Callable[..., Any]) -> None:
    page = opened(PAGES[0]).page
    assert page.evaluate(SHOWN)["split"] == 0.5
    page.focus(SLIDER)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    shown = page.evaluate(SHOWN)
    assert shown["split"] == 0.52
    assert shown["same"]
    assert shown["label"] == "52 % call, 48 % room"
    page.keyboard.press("Home")
    assert page.evaluate(SHOWN)["split"] == 0
    page.keyboard.press("End")
    assert page.evaluate(SHOWN)["split"] == 1


def test_the_slider_moves_by_mouse(opened: Callable[..., Any]) -> None:
    page = opened(PAGES[0]).page
    page.locator(SLIDER).scroll_into_view_if_needed()
    box = page.locator(SLIDER).bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], middle, steps=5)
    page.mouse.up()
    assert page.evaluate(SHOWN)["split"] == pytest.approx(0.25, abs=0.03)
    page.mouse.click(box["x"] + 0.9 * box["width"], middle)
    assert page.evaluate(SHOWN)["split"] == pytest.approx(0.9, abs=0.05)


def test_the_left_of_the_slider_shows_the_call_and_the_right_the_room(
    opened: Callable[..., Any],
) -> None:
    page = opened(PAGES[0]).page
    script = """(share) => {
      const compare = document.querySelector(".compare");
      compare.scrollIntoView({block: "center"});
      compare.querySelector("input").style.pointerEvents = "none";
      const box = compare.querySelector("img").getBoundingClientRect();
      const here = document.elementFromPoint(
        box.left + share * box.width, box.top + box.height / 3);
      return here.closest("figure").className;
    }"""
    page.focus(SLIDER)
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    assert page.evaluate(script, 0.2) == "before"
    assert page.evaluate(script, 0.35) == "before"
    assert page.evaluate(script, 0.45) == "after"
    assert page.evaluate(script, 0.8) == "after"


def test_marks_of_the_chart_lead_to_their_moments(
    opened: Callable[..., Any], audited: unveil.Audit
) -> None:
    page = opened(PAGES[0]).page
    assert page.locator(".chart a").count() == len(audited.moments)
    for number, moment in enumerate(audited.moments, 1):
        page.click(f".chart a[aria-label='Moment {number}']")
        target = page.locator(":target")
        text = " ".join(target.inner_text().split())
        start, end = clock(moment.start_seconds), clock(moment.end_seconds, up=True)
        assert f"{number}. Cut {start} to {end}" in text
        assert target.locator("time").get_attribute("datetime") == f"PT{moment.start_seconds:.1f}S"
        assert target.evaluate("one => one.getBoundingClientRect().top < innerHeight")


def test_files_and_calls_can_be_reached(opened: Callable[..., Any], report: Path) -> None:
    page = opened("index.html").page
    page.click("text=call.mp4")
    assert page.url == (report / "call" / "index.html").as_uri()
    for link in page.locator(".files a").all():
        assert (report / "call" / link.get_attribute("href")).is_file()


def test_without_its_script_both_pictures_are_shown(opened: Callable[..., Any]) -> None:
    page = opened(PAGES[0], java_script_enabled=False).page
    assert not page.locator(SLIDER).is_visible()
    boxes = [image.bounding_box() for image in page.locator(".compare img").all()]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    assert page.locator("text=of the room can be reconstructed").first.is_visible()


def test_paper_shows_both_pictures_in_black_on_white(opened: Callable[..., Any]) -> None:
    page = opened(PAGES[0], color_scheme="dark").page
    page.emulate_media(media="print")
    boxes = [image.bounding_box() for image in page.locator(".compare img").all()]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    assert not page.locator(SLIDER).is_visible()
    colours = page.evaluate(
        "() => [getComputedStyle(document.body).color, getComputedStyle(document.body)"
        ".backgroundColor]"
    )
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_the_screen(opened: Callable[..., Any], name: str) -> None:
    page = opened(name).page
    for width in (1280, 390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
@pytest.mark.parametrize("name", PAGES)
def test_assistive_technology_can_use_the_page(
    opened: Callable[..., Any], name: str, scheme: str, width: int
) -> None:
    try:
        source = axe_source()
    except NoAxe as reason:
        pytest.skip(str(reason))
    page = opened(name, color_scheme=scheme, viewport={"width": width, "height": 800}).page
    assert violations(page, source) == []


def test_the_page_says_its_grade_to_screen_readers(opened: Callable[..., Any]) -> None:
    page = opened(PAGES[0]).page
    tree = page.locator("#verdict").aria_snapshot()
    assert re.search(r"Grade D", tree)
    assert "slider" in page.locator(".compare").aria_snapshot()
