"""The page in Chromium with the real server: what the canvas shows, and every control."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.live.page.browsing import CHANGE_MESSAGES, LivePage
from tests.live.page.footage import ROOM, Footage, block_means, corners, face_difference
from tests.live.page.serving import RunningServer

U8 = npt.NDArray[np.uint8]

NAVY = (0x20, 0x40, 0x60)
GREEN = (0x00, 0xB1, 0x40)
MODELS = ("auto", "lite", "full", "heavy", "selfie", "selfie-landscape")


def is_evenly(shown: U8, colour: tuple[int, int, int], levels: int = 4) -> bool:
    """Whether all four corners have a colour."""
    return bool(np.abs(corners(shown).astype(int) - np.array(colour)).max() <= levels)


def shows_face(live: LivePage, footage: Footage) -> bool:
    """Whether the face is the camera's."""
    return face_difference(live.picture(), footage) <= 6


@pytest.fixture
def replaced(live: LivePage, footage: Footage) -> LivePage:
    """Open the page, and choose the settings that the server began with."""
    live.choose("mode", "replace")
    live.page.fill("#colour", "#204060")
    live.page.select_option("#model", "lite")
    live.until(lambda: is_evenly(live.picture(), NAVY) and shows_face(live, footage))
    return live


def test_the_person_is_shown_on_the_chosen_background(live: LivePage, footage: Footage) -> None:
    live.until(lambda: is_evenly(live.picture(), NAVY) and shows_face(live, footage))
    assert live.picture().shape == footage.pictures.shape[1:]


def test_modes_are_switched_live(replaced: LivePage, footage: Footage) -> None:
    live = replaced
    live.choose("mode", "remove")
    live.until(lambda: is_evenly(live.picture(), GREEN) and shows_face(live, footage))
    live.choose("mode", "blur")
    mean = tuple(int(level) for level in ROOM.mean(axis=0))
    # The room's squares are averaged away.
    live.until(lambda: is_evenly(live.picture(), mean, 40) and shows_face(live, footage))
    assert live.sees("blur")
    live.choose("mode", "replace")
    live.until(lambda: is_evenly(live.picture(), NAVY) and shows_face(live, footage))


def test_each_model_can_be_chosen(replaced: LivePage, footage: Footage) -> None:
    options = replaced.page.eval_on_selector_all("#model option", "all => all.map(o => o.value)")
    assert tuple(options) == MODELS
    for model in MODELS[::-1]:
        replaced.page.select_option("#model", model)
        replaced.until(lambda: replaced.applies(model=model))  # noqa: B023 - called at once
        replaced.until(lambda: replaced.text("busy") == "" and shows_face(replaced, footage))
        assert replaced.value("model") == model
        assert is_evenly(replaced.picture(), NAVY)


def test_sliders_reach_the_process_and_come_back(replaced: LivePage, server: RunningServer) -> None:
    live = replaced
    live.choose("mode", "blur")
    live.until(lambda: live.sees("blur"))
    live.page.uncheck("#blur-auto")
    live.until(lambda: live.page.is_enabled("#blur"))
    for id_, value in (("blur", "44"), ("edge", "0.75"), ("smooth", "7")):
        live.page.fill(f"#{id_}", value)
    live.until(lambda: live.applies(mode="blur", blur=44, edge=0.75, smooth=7))
    assert live.text("blur-value") == "44 pixels"
    assert live.text("warning") == ""
    live.page.fill("#blur", "4")
    # By the process's words; the sentence begins as one.
    live.until(lambda: live.text("warning").startswith("The blur of 4 pixels is weak"))
    live.page.fill("#blur", "44")
    live.until(lambda: live.applies(blur=44) and live.text("warning") == "")
    # A page that is loaded anew shows what the process has.
    live.open(server.url)
    assert [live.value(id_) for id_ in ("blur", "edge", "smooth")] == ["44", "0.75", "7"]
    live.page.fill("#edge", "0.6")
    live.page.fill("#smooth", "3")
    live.page.check("#blur-auto")
    live.until(lambda: live.text("blur-value") == "automatic")


def test_a_builtin_background_is_chosen_with_the_keyboard(replaced: LivePage) -> None:
    live = replaced
    live.page.focus('input[name="background"][value="dusk"]')
    live.page.keyboard.press("Space")
    live.until(lambda: live.chosen("background") == "dusk")
    live.until(lambda: not is_evenly(live.picture(), NAVY, 20))
    live.page.keyboard.press("ArrowRight")
    live.until(lambda: live.applies(background="shelves"))


def test_a_picture_is_uploaded(replaced: LivePage, tmp_path: Path, footage: Footage) -> None:
    live = replaced
    path = tmp_path / "my room.png"
    Image.new("RGB", (640, 360), (200, 150, 20)).save(path)
    live.page.set_input_files("#upload", path)
    live.until(lambda: is_evenly(live.picture(), (200, 150, 20)) and shows_face(live, footage))
    live.until(lambda: str(live.chosen("background")).startswith("upload-"))
    path = tmp_path / "notes.png"
    path.write_text("no picture")
    live.page.set_input_files("#upload", path)
    live.until(lambda: "not a picture" in live.text("upload-result"))
    assert is_evenly(live.picture(), (200, 150, 20))


def test_snapshot_and_recording_hold_the_protected_picture(
    replaced: LivePage, tmp_path: Path, footage: Footage
) -> None:
    av = pytest.importorskip("av")
    with replaced.page.expect_download() as download:
        replaced.click("snapshot")
    data = Path(download.value.path()).read_bytes()
    assert download.value.suggested_filename.endswith(".png")
    with Image.open(io.BytesIO(data)) as image:
        shown = np.asarray(image.convert("RGB"))
    assert is_evenly(shown, NAVY)
    assert face_difference(shown, footage) <= 6

    replaced.click("record")
    replaced.until(lambda: replaced.text("recording-time") >= "0:02")  # a busy machine skips some
    with replaced.page.expect_download() as download:
        replaced.click("record")
    assert download.value.suggested_filename.endswith(".webm")
    with av.open(str(download.value.path())) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) > 3
    for frame in frames:
        assert np.abs(block_means(corners(frame)[0]) - NAVY).max() < 20
    replaced.until(lambda: replaced.text("record") == "Record")


def test_the_leak_meter_shows_share_and_room(replaced: LivePage) -> None:
    live = replaced
    assert not live.sees("meter")
    live.click("meter-switch")
    live.until(lambda: live.sees("meter"))
    live.until(lambda: live.text("leaked").endswith("%") and "frames" in live.text("observed"))
    live.until(lambda: live.sees("room"))
    size = live.page.evaluate("[room.naturalWidth, room.naturalHeight]")
    assert size == [320, 256]
    live.click("meter-switch")
    live.until(lambda: not live.sees("meter"))


def test_what_limits_the_leak_meter_is_shown(
    new_page: Callable[..., LivePage], server: RunningServer
) -> None:
    live = new_page()
    live.page.add_init_script(CHANGE_MESSAGES)
    live.open(server.url)
    # Which limits there are is for the recovery to say.
    live.page.evaluate("""
      window.changed = (data) => typeof data === "string" && JSON.parse(data).type === "meter"
        ? JSON.stringify({...JSON.parse(data), notes: ["It moves.", "It is blurred."]}) : data;
    """)
    live.click("meter-switch")
    live.until(lambda: live.text("meter-notes") == "It moves. It is blurred.")
    live.click("meter-switch")
    live.until(lambda: not live.sees("meter"))


def test_figures_are_shown(live: LivePage) -> None:
    live.until(lambda: live.text("delay").endswith("ms") and live.text("memory").endswith("MB"))
    live.until(lambda: float(live.text("rate")) > 0)
    live.page.click("summary")
    live.until(lambda: live.page.inner_text("#stages").count("ms") == 6)


def test_the_page_asks_nobody_else(live: LivePage, server: RunningServer) -> None:
    own = tuple(server.url.replace("http", scheme) for scheme in ("http", "ws"))
    assert [url for url in live.requests if not url.startswith((*own, "data:", "blob:"))] == []
