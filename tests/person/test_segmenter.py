"""Masks of an astronaut in a drawn room: right, followed, and the same for every format.

tests/data/astronaut.png is cut out of a photo by NASA (public domain) that scikit-image ships;
its alpha is the person's mask. tests/data/astronaut_masks.png holds masks that OpenCV found,
one below the other in the order of `MODELS`. `python -m bench.masks --goldens` makes both.
"""

from __future__ import annotations

import math
from functools import cache
from typing import get_args

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests import DATA
from tests.footage import U8
from unveil.errors import InvalidParameter
from unveil.person import MODELS, Mask, ModelName, Segmenter
from unveil.person.detector import Detector
from unveil.person.region import Region
from unveil.simulation import scenes
from unveil.video.chunk import Colour, Layout, Planes
from unveil.video.pixel_format import PlaneReader

F32 = npt.NDArray[np.float32]

HEIGHT, WIDTH = 360, 640
TOP, LEFT = 104, 340
POSE_MODELS: list[ModelName] = [name for name, model in MODELS.items() if model.tracks]
SELFIE_MODELS: list[ModelName] = [name for name, model in MODELS.items() if not model.tracks]


@cache
def astronaut() -> Image.Image:
    """Load the astronaut: RGBA, 256 x 256."""
    with Image.open(DATA / "astronaut.png") as image:
        image.load()
    return image


@cache
def call_frame() -> U8:
    """Make the scene of the golden masks, as bench/masks.py does."""
    room = Image.fromarray(scenes.photo_room(HEIGHT, WIDTH))
    room.paste(astronaut(), (LEFT, TOP), astronaut())
    return np.asarray(room)


def posed(
    shift: tuple[float, float] = (0, 0), degrees: float = 0.0, zoom: float = 1.0
) -> tuple[U8, npt.NDArray[np.bool_]]:
    """Move, turn and enlarge the astronaut about her middle: the scene, and where she is."""
    c, s = math.cos(math.radians(degrees)) / zoom, math.sin(math.radians(degrees)) / zoom
    x, y = LEFT + 128 + shift[0], TOP + 128 + shift[1]
    # PIL maps the result's coordinates to the source's.
    back = (c, s, 128 - c * x - s * y, -s, c, 128 + s * x - c * y)
    person = astronaut().transform(
        (WIDTH, HEIGHT), Image.Transform.AFFINE, back, Image.Resampling.BILINEAR
    )
    room = Image.fromarray(scenes.photo_room(HEIGHT, WIDTH))
    room.paste(person, (0, 0), person)
    return np.asarray(room), np.asarray(person)[..., 3] > 127


def iou(mask_a: F32, mask_b: npt.NDArray[np.generic]) -> float:
    person_a, person_b = mask_a > 0.5, mask_b > 0.5
    return float((person_a & person_b).sum() / (person_a | person_b).sum())


@cache
def shared(model: ModelName) -> Segmenter:
    """Make a segmenter once: its networks load in a tenth of a second."""
    return Segmenter(model)


def fresh(model: ModelName) -> Segmenter:
    """Give the shared segmenter as if it had seen no frame; a test compares that with a new one."""
    segmenter = shared(model)
    segmenter.reset()
    return segmenter


@cache
def first_mask(model: ModelName) -> F32:
    return Segmenter(model).mask(call_frame()).at(HEIGHT, WIDTH)


def video_frame(picture: U8, pixel_format: str) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pixel_format)


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[Region | None]:
    """Collect what the detector finds whenever it is asked."""
    found: list[Region | None] = []
    find = Detector.find

    def noted(self: Detector, planes: Planes, layout: Layout) -> Region | None:
        found.append(find(self, planes, layout))
        return found[-1]

    monkeypatch.setattr(Detector, "find", noted)
    return found


@pytest.mark.parametrize("model", MODELS)
def test_masks_agree_with_another_implementation(model: ModelName) -> None:
    with Image.open(DATA / "astronaut_masks.png") as image:
        goldens = np.asarray(image).reshape(len(MODELS), HEIGHT, WIDTH) / 255
    golden = goldens[list(MODELS).index(model)]
    mask = first_mask(model)
    assert iou(mask, golden) >= 0.95
    assert np.abs(mask - golden).mean() < 0.01


@pytest.mark.parametrize("model", MODELS)
def test_masks_show_the_person(model: ModelName) -> None:
    _, person = posed()
    assert iou(first_mask(model), person) > 0.85


@pytest.mark.parametrize("model", MODELS)
def test_a_mask_says_what_it_is(model: ModelName) -> None:
    mask = fresh(model).mask(call_frame())
    assert mask.probability.shape == (MODELS[model].height, MODELS[model].width)
    assert mask.probability.dtype == np.float32
    assert mask.probability.flags.c_contiguous
    assert 0 <= mask.probability.min() < 0.01
    assert 0.99 < mask.probability.max() <= 1
    assert mask.to_mask.shape == (2, 3)
    assert mask.to_mask.dtype == np.float64
    assert (mask.height, mask.width) == (HEIGHT, WIDTH)
    assert 0.5 <= mask.presence <= 1
    assert (mask.landmarks is not None) == (model in POSE_MODELS)


@pytest.mark.parametrize("model", POSE_MODELS)
def test_landmarks_lie_on_the_body(model: ModelName) -> None:
    landmarks = fresh(model).mask(call_frame()).landmarks
    assert landmarks is not None
    assert landmarks.shape == (33, 3)
    assert landmarks.dtype == np.float32
    nose, left_shoulder, right_shoulder = landmarks[[0, 11, 12]]
    assert np.hypot(*(nose[:2] - [LEFT + 111, TOP + 60])) < 12
    assert right_shoulder[0] < nose[0] < left_shoulder[0]  # her left is on our right
    assert min(left_shoulder[1], right_shoulder[1]) > nose[1]
    assert nose[2] > 0.9
    assert landmarks[31:, 2].max() < 0.1  # her feet are out of the picture
    assert ((landmarks[:, 2] >= 0) & (landmarks[:, 2] <= 1)).all()


@pytest.mark.parametrize("model", MODELS)
def test_the_same_frames_give_the_same_masks_with_any_threads(model: ModelName) -> None:
    frames = [call_frame(), posed((4, 2))[0]]
    masks = []
    for threads in (1, 3):
        segmenter = Segmenter(model, threads=threads)
        for _ in range(2):
            segmenter.reset()
            masks.append([segmenter.mask(frame) for frame in frames])
    for first, second in masks[1:]:
        assert (first.probability == masks[0][0].probability).all()
        assert (second.probability == masks[0][1].probability).all()
        assert (second.to_mask == masks[0][1].to_mask).all()


@pytest.mark.parametrize("model", POSE_MODELS)
def test_a_person_who_moves_turns_and_comes_near_is_followed(
    model: ModelName, searches: list[Region | None]
) -> None:
    segmenter = fresh(model)
    quality = []
    for n in range(16):
        frame, person = posed((-7.0 * n, 2.0 * n), degrees=1.5 * n, zoom=1 + 0.03 * n)
        mask = segmenter.mask(frame)
        assert mask.presence >= 0.5
        quality.append(iou(mask.at(HEIGHT, WIDTH), person))
    assert len(searches) == 1
    assert min(quality) > 0.75
    assert np.mean(quality) > 0.85


@pytest.mark.parametrize("model", POSE_MODELS)
def test_a_person_who_is_gone_is_searched_for(
    model: ModelName, searches: list[Region | None]
) -> None:
    segmenter = fresh(model)
    empty_room = scenes.photo_room(HEIGHT, WIDTH)
    presences = [
        segmenter.mask(frame).presence
        for frame in (call_frame(), call_frame(), empty_room, empty_room, call_frame())
    ]
    assert [presence > 0 for presence in presences] == [True, True, False, False, True]
    assert [region is not None for region in searches] == [True, False, False, True]


def test_a_person_who_jumps_is_found_on_the_same_frame(searches: list[Region | None]) -> None:
    segmenter = Segmenter("full")
    segmenter.mask(posed((-330, 0), zoom=0.7)[0])
    frame, person = posed((140, 20), zoom=0.7)
    mask = segmenter.mask(frame)
    assert len(searches) == 2
    assert iou(mask.at(HEIGHT, WIDTH), person) > 0.8


@pytest.mark.parametrize("model", POSE_MODELS)
def test_after_reset_the_first_frame_is_the_first(model: ModelName) -> None:
    segmenter = Segmenter(model)
    first = segmenter.mask(call_frame())
    followed = segmenter.mask(call_frame())
    assert (followed.to_mask != first.to_mask).any()
    segmenter.reset()
    assert (segmenter.mask(call_frame()).probability == first.probability).all()


def test_a_frame_of_another_size_is_searched_anew(searches: list[Region | None]) -> None:
    segmenter = Segmenter("lite")
    segmenter.mask(call_frame())
    half = np.ascontiguousarray(call_frame()[::2, ::2])
    assert iou(segmenter.mask(half).at(HEIGHT, WIDTH), posed()[1]) > 0.85
    assert len(searches) == 2


@pytest.mark.parametrize("model", POSE_MODELS)
@pytest.mark.parametrize("empty", ["flat", "black", "landscape", "room", "tiny"])
def test_where_nobody_is_nobody_is_found(model: ModelName, empty: str) -> None:
    frame = {
        "flat": scenes.plain(HEIGHT, WIDTH, (90, 130, 180)),
        "black": scenes.plain(HEIGHT, WIDTH, (0, 0, 0)),
        "landscape": scenes.landscape(HEIGHT, WIDTH),
        "room": scenes.photo_room(HEIGHT, WIDTH),
        "tiny": scenes.plain(1, 1, (255, 255, 255)),
    }[empty]
    mask = fresh(model).mask(frame)
    assert mask.presence == 0
    assert mask.landmarks is None
    assert mask.probability.shape == (256, 256)
    assert not mask.probability.any()
    assert not mask.at(9, 16).any()


@pytest.mark.parametrize("model", SELFIE_MODELS)
def test_a_selfie_model_shows_little_where_nobody_is(model: ModelName) -> None:
    mask = fresh(model).mask(scenes.landscape(HEIGHT, WIDTH))
    assert mask.presence == mask.probability.max()
    assert mask.probability.mean() < 0.05


@pytest.mark.parametrize("model", MODELS)
def test_a_close_up_reaches_beyond_the_frame(model: ModelName) -> None:
    close = np.ascontiguousarray(call_frame()[TOP:, LEFT + 20 : LEFT + 220])
    person = posed()[1][TOP:, LEFT + 20 : LEFT + 220]
    mask = fresh(model).mask(close)
    if model in POSE_MODELS:
        corners = np.linalg.inv(mask.to_mask[:, :2]) @ (
            np.array([[0, 256, 0, 256], [0, 0, 256, 256]]) - mask.to_mask[:, 2:]
        )
        assert np.ptp(corners, axis=1).min() > 2 * max(close.shape)
    assert iou(mask.at(*close.shape[:2]), person) > 0.85


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv444p", "gbrp", "nv12", "rgba"])
def test_pixel_formats_give_the_same_mask(model: ModelName, pixel_format: str) -> None:
    mask = fresh(model).mask(video_frame(call_frame(), pixel_format)).at(HEIGHT, WIDTH)
    assert iou(mask, first_mask(model)) > 0.95
    if pixel_format in {"gbrp", "rgba"}:
        assert (mask == first_mask(model)).all()


@pytest.mark.parametrize("size", [(359, 637), (181, 321), (719, 1281)])
def test_frames_may_have_odd_sizes(size: tuple[int, int]) -> None:
    height, width = size
    picture = np.asarray(Image.fromarray(call_frame()).resize((width, height)))
    frame = video_frame(picture, "yuv420p")
    for model in get_args(ModelName):
        mask = fresh(model).mask(frame)
        assert (mask.height, mask.width) == size
        assert iou(mask.at(HEIGHT, WIDTH), first_mask(model)) > 0.9


def test_planes_are_taken_as_they_are() -> None:
    frame = video_frame(call_frame(), "yuv420p")
    reader = PlaneReader()
    layout = reader.layout_of(frame)
    luma, cb, cr = layout.empty(3)
    reader.copy_into(frame, (luma, cb, cr), 1)
    mask = Segmenter("lite").mask_planes((luma[1], cb[1], cr[1]), layout)
    assert (mask.probability == Segmenter("lite").mask(frame).probability).all()


def test_masks_stay_what_they_are_when_others_are_made() -> None:
    for model in get_args(ModelName):
        segmenter = Segmenter(model)
        mask: Mask = segmenter.mask(call_frame())
        before = mask.probability.copy()
        segmenter.mask(scenes.landscape(HEIGHT, WIDTH))
        assert (mask.probability == before).all()


def test_what_cannot_be_chosen() -> None:
    with pytest.raises(InvalidParameter, match="'huge' is not one of lite, full, heavy"):
        Segmenter("huge")
    with pytest.raises(InvalidParameter, match="threads: 0 is not"):
        Segmenter("lite", threads=0)


def test_what_is_no_frame() -> None:
    segmenter = Segmenter("selfie-landscape")
    for wrong in (
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        "frame",
    ):
        with pytest.raises(ValueError, match="frame is"):
            segmenter.mask(wrong)
    luma, chroma = np.zeros((4, 6), np.uint8), np.zeros((2, 3), np.uint8)
    with pytest.raises(ValueError, match="luma plane"):
        segmenter.mask_planes((luma, chroma, chroma), Layout(6, 4, 1, 1))
    with pytest.raises(ValueError, match="chroma planes"):
        segmenter.mask_planes((luma, chroma, chroma), Layout(4, 6, colour=Colour("rgb", True)))


def test_every_model_can_be_named() -> None:
    assert tuple(MODELS) == get_args(ModelName)
