"""A picture laid over what a call shows of it: synthetic calls whose truth is known."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from tests.command import unveil
from tests.footage import write_video
from unveil import Engine, recover
from unveil.errors import BackgroundMismatch, InvalidParameter, MissingInput, UnreadableImage
from unveil.recovery.background.registration import Placement, register
from unveil.recovery.engine import RGB
from unveil.simulation import scenes
from unveil.video.chunk import Chunk, Layout
from unveil.video.container import VideoProperties

Array = npt.NDArray[Any]

HEIGHT, WIDTH = 135, 240


@dataclass(frozen=True)
class Shown:
    """A frame, where it is known and where the picture's corners truly are."""

    frame: Array
    known: Array
    left: float
    top: float
    right: float
    bottom: float


def show(
    picture: Array,
    fit: str,
    *,
    mirrored: bool = False,
    gains: tuple[float, float, float] = (1.08, 0.95, 1.0),
    offsets: tuple[float, float, float] = (-6, 4, 8),
    seed: int = 0,
) -> Shown:
    """Fit a picture with Pillow, change its colours, add noise, hide 30 % and spoil 1 %."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(picture)
    if mirrored:
        image = ImageOps.mirror(image)
    if fit == "contain":
        scale = min(WIDTH / image.width, HEIGHT / image.height)
        size = round(scale * image.width), round(scale * image.height)
        left, top = (WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2
        canvas = Image.new("RGB", (WIDTH, HEIGHT))
        canvas.paste(image.resize(size, Image.Resampling.BICUBIC), (left, top))
        corners: tuple[float, ...] = left, top, left + size[0], top + size[1]
    else:
        if fit == "stretch":
            seen_width, seen_height = float(image.width), float(image.height)
        else:
            scale = (
                max(WIDTH / image.width, HEIGHT / image.height) * {"cover": 1, "zoom": 1.37}[fit]
            )
            seen_width, seen_height = WIDTH / scale, HEIGHT / scale
        x = (image.width - seen_width) * (0.31 if fit == "zoom" else 0.5)
        y = (image.height - seen_height) * (0.66 if fit == "zoom" else 0.5)
        box = (x, y, x + seen_width, y + seen_height)
        canvas = image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=box)
        across, down = WIDTH / seen_width, HEIGHT / seen_height
        corners = (-x * across, -y * down, (image.width - x) * across, (image.height - y) * down)
    frame = np.asarray(canvas) * np.array(gains) + offsets
    frame = np.clip(frame + rng.normal(0, 2, frame.shape), 0, 255)
    known = np.ones((HEIGHT, WIDTH), np.bool_)
    known[HEIGHT // 4 :, WIDTH // 4 : WIDTH // 4 + int(0.4 * WIDTH)] = False
    wrong = rng.random(known.shape) < 0.01
    frame[wrong] = rng.integers(0, 256, (int(wrong.sum()), 3))
    frame[~known] = 90
    return Shown(frame.astype(np.float32), known, *corners)


def corners_of(placement: Placement, picture: Array) -> tuple[float, float, float, float]:
    height, width = picture.shape[:2]
    return (
        placement.left,
        placement.top,
        placement.left + width * placement.scale_x,
        placement.top + height * placement.scale_y,
    )


@pytest.mark.parametrize(
    ("fit", "mirrored"),
    [("cover", False), ("zoom", False), ("zoom", True), ("stretch", True), ("contain", False)],
)
def test_place_and_colours_are_found(fit: str, mirrored: bool) -> None:
    picture = scenes.photo_room(300, 400)
    shown = show(picture, fit, mirrored=mirrored)
    found = register(picture, shown.frame, shown.known)
    assert found.placement.mirrored == mirrored
    exact = shown.left, shown.top, shown.right, shown.bottom
    np.testing.assert_allclose(corners_of(found.placement, picture), exact, atol=0.5)
    assert found.error < 2
    assert found.detail_inlier_ratio > 0.9
    np.testing.assert_allclose(found.gains, (1.08, 0.95, 1.0), atol=0.03)
    assert found.picture.shape == (HEIGHT, WIDTH, 3)
    # What was hidden comes out as Pillow drew it.
    clean = show(picture, fit, mirrored=mirrored, seed=1)
    there = shown.known & clean.known & found.covered
    assert np.median(np.abs(found.picture - clean.frame)[there]) < 3
    beside = found.covered.mean() < 0.8
    assert beside == (fit == "contain")


def test_soft_pictures_are_found() -> None:
    picture = scenes.landscape(300, 500)
    shown = show(picture, "zoom", mirrored=True, gains=(1, 1, 1), offsets=(0, 0, 0))
    found = register(picture, shown.frame, shown.known)
    exact = shown.left, shown.top, shown.right, shown.bottom
    np.testing.assert_allclose(corners_of(found.placement, picture), exact, atol=0.5)
    assert found.placement.mirrored


def test_large_pictures_are_averaged() -> None:
    picture = scenes.photo_room(1080, 1920)
    shown = show(picture, "cover")
    found = register(picture, shown.frame, shown.known)
    exact = shown.left, shown.top, shown.right, shown.bottom
    np.testing.assert_allclose(corners_of(found.placement, picture), exact, atol=0.5)
    assert found.error < 2


def test_plain_pictures_match_plain_backgrounds_alone() -> None:
    plain = scenes.plain(40, 60, (120, 140, 160))
    shown = show(plain, "cover", gains=(1, 1, 1), offsets=(3, 0, -3))
    assert register(plain, shown.frame, shown.known).error < 2
    other = show(scenes.photo_room(200, 300), "cover")
    with pytest.raises(BackgroundMismatch):
        register(plain, other.frame, other.known)


@pytest.mark.parametrize(
    ("scene", "other"), [("landscape", "photo"), ("text", "landscape"), ("photo", "text")]
)
def test_other_pictures_are_refused(scene: str, other: str) -> None:
    drawn = {
        "landscape": scenes.landscape(200, 300),
        "text": scenes.text_room(200, 300),
        "photo": scenes.photo_room(200, 300),
    }
    shown = show(drawn[scene], "cover")
    register(drawn[scene], shown.frame, shown.known)
    with pytest.raises(BackgroundMismatch, match=r"CIEDE2000 \d.*choose another picture") as caught:
        register(drawn[other], shown.frame, shown.known)
    assert "\n" not in str(caught.value)


def test_too_little_known_is_told() -> None:
    picture = scenes.photo_room(90, 160)
    known = np.zeros((HEIGHT, WIDTH), np.bool_)
    known[:1, :100] = True
    with pytest.raises(BackgroundMismatch, match=r"only 0\.3% .*1% are needed"):
        register(picture, np.zeros((HEIGHT, WIDTH, 3), np.float32), known)


def sit(engine: Engine, picture: Array, n_frames: int = 64) -> Array:
    """Push a caller before a picture, at whose edge a red room shows in three frames."""
    person = np.zeros((HEIGHT, WIDTH), np.bool_)
    person[60:, 100:200] = True
    leak = np.zeros_like(person)
    leak[80:120, 206:214] = True
    layout = Layout(HEIGHT, WIDTH, colour=RGB)
    frames = np.repeat(picture[None], n_frames, 0)
    frames[:, person] = (30, 60, 90)
    frames[20:23, leak] = (220, 30, 20)
    planes = tuple(np.ascontiguousarray(frames[..., channel]) for channel in (1, 2, 0))
    size = layout.block_size
    blocks = np.add.reduceat(
        np.add.reduceat(person, range(0, HEIGHT, size), 0), range(0, WIDTH, size), 1
    )
    masks = np.repeat((blocks > 0).astype(np.uint8)[None], n_frames, 0)
    engine.update(Chunk(planes, np.arange(n_frames) / 30, layout, masks))
    return leak


def test_the_picture_completes_the_background(tmp_path: Path) -> None:
    behind = scenes.photo_room(HEIGHT, WIDTH)
    larger = np.asarray(
        Image.fromarray(behind).resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.BICUBIC)
    )
    engine = Engine(HEIGHT, WIDTH, background=larger, threads=1)
    leak = sit(engine, behind)
    recovery = engine.finalise()
    assert (recovery.background[..., 3] == 255).all()
    difference = np.abs(recovery.background[..., :3].astype(int) - behind)
    assert np.median(difference[70:, 110:190]) <= 3
    assert recovery.report["background_match"]["error"] < 1
    assert recovery.report["background_match"]["scale"] == pytest.approx([0.5, 0.5], abs=1e-3)
    json.dumps(recovery.report, allow_nan=False)
    assert (recovery.room[leak][:, 3] > 0).all()
    assert (np.abs(recovery.room[leak][:, :3].astype(int) - (220, 30, 20)) <= 4).all()

    without = engine.finalise(use_background=False)
    assert "background_match" not in without.report
    assert (without.background[100, 150] == 0).any()
    engine.save(tmp_path / "state")
    loaded = Engine.load(tmp_path / "state", background=larger, threads=1)
    np.testing.assert_array_equal(loaded.finalise().background, recovery.background)


def test_a_mismatch_loses_nothing() -> None:
    engine = Engine(HEIGHT, WIDTH, background=scenes.landscape(90, 160), threads=1)
    sit(engine, scenes.photo_room(HEIGHT, WIDTH))
    with pytest.raises(BackgroundMismatch):
        engine.finalise()
    assert engine.finalise(use_background=False).recovered > 0


def test_bad_backgrounds_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(UnreadableImage):
        Engine(8, 8, background=tmp_path / "no.png")
    with pytest.raises(MissingInput):
        recover(tmp_path / "no.mp4", background=tmp_path / "missing.png")
    with pytest.raises(InvalidParameter, match="shape"):
        Engine(8, 8, background=np.zeros((4, 4), np.uint8))
    with pytest.raises(InvalidParameter, match="no pixel"):
        Engine(8, 8, background=np.zeros((0, 4, 3), np.uint8))
    for options in ({"method": "transitions"}, {"method": "rarest"}, {"person": "none"}):
        with pytest.raises(InvalidParameter, match="farend"):
            Engine(8, 8, background=np.zeros((4, 4, 3), np.uint8), **options)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_are_turned_back(degrees: int, mirrored: bool) -> None:
    properties = VideoProperties(
        *("a", "mp4", "h264", 5, 3, "yuv420p", "bt601", False, None, None, None, degrees, mirrored)
    )
    picture = np.arange(15).reshape(3, 5)
    np.testing.assert_array_equal(
        properties.undo_display_matrix(properties.apply_display_matrix(picture)), picture
    )


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Encode a landscape without a person, and run no network on it."""
    from av import VideoFrame

    behind = scenes.landscape(96, 160)
    frames = (
        VideoFrame.from_ndarray(behind, "rgb24").reformat(format="yuv444p") for _ in range(40)
    )
    monkeypatch.setattr(
        "unveil.person.blocks.BlockMasker.add_mask",
        lambda _self, chunk, _first: replace(
            chunk, person=np.zeros((len(chunk), *chunk.layout.block_grid), np.uint8)
        ),
    )
    return write_video(tmp_path / "call.mp4", frames)


def test_the_command_takes_a_background(tmp_path: Path, call: Path) -> None:
    image = tmp_path / "stock.png"
    Image.fromarray(scenes.landscape(192, 320)[:, ::-1].copy()).save(image)
    done = unveil("recover", call, "-o", tmp_path / "out", "--background", image, "--quiet")
    assert (done.exit_code, done.stderr) == (0, "")
    match = json.loads((tmp_path / "out" / "call" / "report.json").read_text())["background_match"]
    assert match["picture"] == "stock.png"  # without its folder
    assert match["mirrored"] is True
    assert match["error"] < 3


def test_the_command_refuses_a_wrong_background(tmp_path: Path, call: Path) -> None:
    image = tmp_path / "stock.png"
    Image.fromarray(scenes.photo_room(96, 160)).save(image)
    done = unveil("recover", call, "-o", tmp_path / "out", "--background", image, "--quiet")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "CIEDE2000" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_command_checks_the_background_first(tmp_path: Path, call: Path) -> None:
    arguments = ("recover", call, "-o", tmp_path / "out", "--background")
    done = unveil(*arguments, tmp_path / "missing.png")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "missing.png: no such file" in done.stderr
    done = unveil(*arguments, call, "--method", "transitions")
    assert done.exit_code == 2
    assert done.stderr.startswith("unveil: --background: only the methods farend and auto")
