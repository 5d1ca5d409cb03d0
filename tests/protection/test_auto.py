"""`AutoSegmenter`: which network is used when, and what is shown while one takes over."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import unveil
from tests import DATA, sitter
from tests.footage import write_video
from tests.protection.test_framing import APART, BESIDE, HEAD, HEIGHT, SHOULDERS, WIDTH, landmarks
from unveil.cli import options
from unveil.cli import protect as protect_command
from unveil.person import Mask, Segmenter
from unveil.protection import Protector, protect
from unveil.protection import auto as auto_module
from unveil.protection.auto import CHECK_EVERY, CONSISTENT, FADE, SELFIE_ODDS, AutoSegmenter
from unveil.protection.compose import SOFTNESS
from unveil.protection.frames import empty_frame
from unveil.protection.parameters import DEFAULT_EDGE, ProtectModel, ProtectParameters
from unveil.simulation import scenes
from unveil.video.chunk import Colour, Layout, Planes

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

LAYOUT = Layout(HEIGHT, WIDTH, 1, 1)
CLOSE, WIDE = landmarks(1.0, 2.0), landmarks(0.6, 1.0)
PERSON = np.s_[40:140, 110:150]
BODY = np.s_[60:144, 70:190]


class Network:
    """Stands in for a network: answers each frame as it is told to."""

    def __init__(self, answer: Callable[[int], Mask]) -> None:
        self.answer = answer
        self.frame = -1
        self.asked: list[int] = []
        self.resets: list[int] = []

    def mask_planes(self, planes: Planes, layout: Layout) -> Mask:
        """Answer."""
        self.asked.append(self.frame)
        return self.answer(self.frame)

    def reset(self) -> None:
        """Note it."""
        self.resets.append(self.frame)


def mask_of(model: str, *areas: tuple[slice, slice], points: F32 | None = None) -> Mask:
    probability = np.zeros((HEIGHT, WIDTH), np.float32)
    for area in areas:
        probability[area] = 1
    presence = float(probability.max())
    return Mask(probability, np.eye(2, 3), HEIGHT, WIDTH, presence, points, model)


def pose_of(points: F32 | None, *areas: tuple[slice, slice]) -> Mask:
    return mask_of("full", *(areas if points is not None else ()), points=points)


class Run:
    """An `AutoSegmenter` over two networks whose answers are given by the number of the frame."""

    def __init__(
        self, pose: Callable[[int], Mask], selfie: Callable[[int], Mask] | None = None
    ) -> None:
        self.pose = Network(pose)
        self.selfie = Network(selfie or (lambda n: mask_of("selfie-landscape", HEAD, SHOULDERS)))
        self.auto = AutoSegmenter(self.pose, self.selfie, edge=DEFAULT_EDGE)
        self._number = 0

    def mask_planes(self, planes: Planes, layout: Layout) -> Mask:
        """Find the person in the next frame."""
        self.pose.frame = self.selfie.frame = self._number
        self._number += 1
        return self.auto.mask_planes(planes, layout)

    def reset(self) -> None:
        """Forget the frames before."""
        self.auto.reset()

    def masks(self, n_frames: int) -> list[Mask]:
        """Find the person in so many frames."""
        luma, cb, cr = (plane[0] for plane in LAYOUT.empty(1))
        return [self.mask_planes((luma, cb, cr), LAYOUT) for _ in range(n_frames)]

    def models(self, n_frames: int) -> list[str | None]:
        """Tell which network was in use in so many frames."""
        return [mask.model for mask in self.masks(n_frames)]

    def opacities(self, n_frames: int, **options: object) -> list[npt.NDArray[np.int64]]:
        """Protect frames and return the opacity that is shown."""
        luma, cb, cr = (plane[0] for plane in LAYOUT.empty(1))
        shown = []
        with Protector(
            "remove", transparent=True, segmenter=self, threads=1, **options
        ) as protector:
            for _ in range(n_frames):
                _, target = empty_frame(LAYOUT, alpha=True)
                detection = protector.detect_person((luma, cb, cr), LAYOUT)
                protector.compose((luma, cb, cr), LAYOUT, detection, target, 0.0)
                shown.append(target[3][:, :WIDTH].astype(np.int64))
        return shown


def closer_after(number: int) -> Callable[[int], Mask]:
    """Make a pose model that sees half length first and then a close-up, of which it loses some."""
    return lambda n: pose_of(CLOSE if n >= number else WIDE, HEAD)


def farther_after(number: int) -> Callable[[int], Mask]:
    return lambda n: pose_of(WIDE if n >= number else CLOSE, HEAD)


# Which network is used


def test_the_first_frame_decides_at_once() -> None:
    assert Run(lambda n: pose_of(CLOSE, HEAD)).models(3) == ["selfie-landscape"] * 3
    assert Run(lambda n: pose_of(WIDE, HEAD)).models(3) == ["full"] * 3


def test_half_length_never_asks_the_selfie_model() -> None:
    run = Run(lambda n: pose_of(WIDE, HEAD))
    run.models(40)
    assert run.selfie.asked == []
    assert run.pose.asked == list(range(40))


def test_in_a_close_up_the_pose_model_is_asked_now_and_then() -> None:
    run = Run(lambda n: pose_of(CLOSE, HEAD))
    run.models(40)
    assert run.selfie.asked == list(range(40))
    assert run.pose.asked == list(range(0, 40, CHECK_EVERY))


def test_a_change_needs_findings_in_a_row() -> None:
    """A close-up that is seen once too seldom, over and over, changes nothing."""
    seldom = Run(lambda n: pose_of(CLOSE if n % CONSISTENT and n > CONSISTENT else WIDE, HEAD))
    assert set(seldom.models(160)) == {"full"}
    first = 10
    models = Run(closer_after(first)).models(160)
    begins = first + CONSISTENT - 1 + FADE
    assert models == ["full"] * begins + ["selfie-landscape"] * (160 - begins)


def test_the_way_back_needs_findings_in_a_row_too() -> None:
    def now_and_then(n: int) -> Mask:
        return pose_of(WIDE if n % CHECK_EVERY < CONSISTENT - 1 and n else CLOSE, HEAD)

    assert set(Run(now_and_then).models(160)) == {"selfie-landscape"}
    first = 2 * CHECK_EVERY
    models = Run(farther_after(first)).models(160)
    begins = first + CONSISTENT - 1 + FADE
    assert models == ["selfie-landscape"] * begins + ["full"] * (160 - begins)


def test_before_a_change_from_a_close_up_the_pose_is_searched_anew() -> None:
    """A pose model that follows the wrong place is put right, and nothing changes."""

    def astray(n: int) -> Mask:
        return pose_of(CLOSE if n < CHECK_EVERY or run.pose.resets[-1] >= 0 else WIDE, HEAD)

    run = Run(astray)
    assert set(run.models(4 * CHECK_EVERY)) == {"selfie-landscape"}
    assert [frame for frame in run.pose.resets if frame >= 0] == [CHECK_EVERY]
    assert run.pose.asked[:3] == [0, CHECK_EVERY, CHECK_EVERY + 1]


def test_a_framing_between_the_limits_changes_nothing() -> None:
    between = landmarks(0.8, 1.42)
    assert set(Run(lambda n: pose_of(between, HEAD)).models(60)) == {"full"}
    stays = Run(lambda n: pose_of(between if n else CLOSE, HEAD)).models(60)
    assert set(stays) == {"selfie-landscape"}


def test_with_somebody_who_touches_the_caller_the_pose_model_is_used() -> None:
    run = Run(
        lambda n: pose_of(CLOSE, HEAD),
        lambda n: mask_of("selfie-landscape", HEAD, SHOULDERS, BESIDE),
    )
    assert set(run.models(60)) == {"full"}
    assert run.selfie.asked == list(range(0, 60, CHECK_EVERY))


def test_who_comes_to_touch_the_caller_is_hidden_by_the_pose_model() -> None:
    run = Run(
        lambda n: pose_of(CLOSE, HEAD),
        lambda n: mask_of("selfie-landscape", HEAD, SHOULDERS, *[BESIDE] * (n > 20)),
    )
    last = run.opacities(24 + CONSISTENT + 2 * FADE, smooth=1)[-1]
    assert not last[BESIDE][4:-4, 4:-4].any()
    assert (last[HEAD][4:-4, 4:-4] == 255).all()


def test_who_stands_apart_from_the_caller_is_never_shown() -> None:
    run = Run(
        lambda n: pose_of(CLOSE, HEAD),
        lambda n: mask_of("selfie-landscape", HEAD, SHOULDERS, APART),
    )
    shown = run.opacities(20, smooth=1)
    for opacity in shown:
        assert not opacity[APART].any()
        assert (opacity[SHOULDERS][4:, 4:-4] == 255).all()


def test_landmarks_that_lie_beside_the_person_are_renewed_at_once() -> None:
    """A caller who moves by more than a head between two looks stays visible."""
    far = (np.s_[30:90, 180:240], np.s_[90:144, 170:250])
    there = CLOSE.copy()
    there[:, 0] += 80

    run = Run(
        lambda n: pose_of(there if n >= 3 else CLOSE, far[0] if n >= 3 else HEAD),
        lambda n: mask_of("selfie-landscape", *(far if n >= 3 else (HEAD, SHOULDERS))),
    )
    shown = run.opacities(5, smooth=1)
    assert run.pose.asked == [0, 3]
    assert (shown[3][far[0]][4:-4, 4:-4] == 255).all()


# What is shown in doubt


def test_without_a_pose_nobody_is_shown() -> None:
    run = Run(lambda n: pose_of(None))
    assert not any(opacity.any() for opacity in run.opacities(20))
    assert run.selfie.asked == []


def test_a_pose_that_is_lost_ends_in_nobody_and_one_that_comes_back_is_shown_at_once() -> None:
    lost, back = CHECK_EVERY, 80
    run = Run(lambda n: pose_of(CLOSE if n < lost or n >= back else None, HEAD))
    shown = run.opacities(back + 2, smooth=1)
    assert shown[lost - 1][SHOULDERS].any()
    gone = lost + CONSISTENT - 1 + FADE
    assert not any(opacity.any() for opacity in shown[gone:back])
    assert (shown[back][SHOULDERS][4:, 4:-4] == 255).all()


def test_where_the_selfie_model_marks_nobody_nobody_is_shown() -> None:
    run = Run(lambda n: pose_of(CLOSE, HEAD), lambda n: mask_of("selfie-landscape"))
    # The pose model marks a head of which the other sees nothing.
    assert not any(opacity.any() for opacity in run.opacities(30)[:1])


@pytest.mark.parametrize("pose", [closer_after(1), farther_after(CHECK_EVERY)])
@pytest.mark.parametrize("smooth", [1, 3])
def test_a_change_does_not_jump(pose: Callable[[int], Mask], smooth: int) -> None:
    """Of a still picture, opacity changes by no more than a share of the fade in a frame."""
    n_frames = CHECK_EVERY + CONSISTENT + 2 * FADE + 4
    shown = Run(pose).opacities(n_frames, smooth=smooth)
    steps = [np.abs(after - before).max() for before, after in pairwise(shown)]
    assert max(steps) <= 1.5 / (2 * SOFTNESS) / FADE * 255 + 2
    assert np.abs(shown[-1] - shown[0]).max() == 255  # and yet something did change
    assert (shown[-1][HEAD][8:-8, 8:-8] == 255).all()
    for opacity in shown:  # what both mark is shown all the time
        assert (opacity[HEAD][8:-8, 8:-8] == 255).all()


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), closer=st.booleans())
def test_while_one_takes_over_neither_shows_more_than_the_one_that_is_named(
    seed: int, closer: bool
) -> None:
    rng = np.random.default_rng(seed)
    marked = {}
    for name in ("full", "selfie-landscape"):
        noise = Image.fromarray(rng.random((6, 10), np.float32)).resize((WIDTH, HEIGHT))
        marked[name] = np.asarray(noise, np.float32).clip(0, 1)
        marked[name][: HEAD[0].stop] = 0  # beside the head it would be somebody else
        marked[name][HEAD] = 1

    def soft(name: str, points: F32 | None) -> Mask:
        return Mask(marked[name], np.eye(2, 3), HEIGHT, WIDTH, 1.0, points, name)

    run = Run(
        lambda n: soft("full", CLOSE if closer == (n > 0) else WIDE),
        lambda n: soft("selfie-landscape", None),
    )
    masks = run.masks(CHECK_EVERY + CONSISTENT + 2 * FADE)
    old, new = ["full", "selfie-landscape"][:: 1 if closer else -1]
    models = [mask.model for mask in masks]
    assert models == sorted(models, key=[old, new].index)
    assert set(models) == {old, new}
    raw = marked["selfie-landscape"]
    marked["selfie-landscape"] = SELFIE_ODDS * raw / (SELFIE_ODDS * raw + 1 - raw)
    for mask in masks[::5]:
        # Within the linear blend of neighbouring cells, which are two pixels wide.
        limit = max_of_neighbours(marked[str(mask.model)], 2)
        assert (mask.at(HEIGHT, WIDTH) <= limit + 1e-3).all()


def max_of_neighbours(picture: F32, reach: int) -> F32:
    padded = np.pad(picture, reach, mode="edge")
    height, width = picture.shape
    return np.max(
        [
            padded[y : y + height, x : x + width]
            for y in range(2 * reach + 1)
            for x in range(2 * reach + 1)
        ],
        axis=0,
    )


def test_a_failure_shows_the_background_and_the_run_goes_on() -> None:
    def pose(n: int) -> Mask:
        if n == CHECK_EVERY:
            raise RuntimeError("out of order")
        return pose_of(CLOSE, HEAD)

    shown = Run(pose).opacities(2 * CHECK_EVERY + 2, smooth=1)
    assert [bool(opacity.any()) for opacity in shown] == [
        n != CHECK_EVERY for n in range(len(shown))
    ]


def test_reset_forgets_the_network_in_use() -> None:
    run = Run(closer_after(1))
    assert run.models(2 * FADE + CONSISTENT + 2)[-1] == "selfie-landscape"
    run.reset()
    run.pose.answer = lambda n: pose_of(WIDE, HEAD)
    assert run.models(1) == ["full"]
    run.reset()
    run.pose.answer = lambda n: pose_of(CLOSE, HEAD)
    assert run.models(1) == ["selfie-landscape"]


# The real networks


def astronaut(zoom: float, height: int = 360, width: int = 640) -> tuple[U8, npt.NDArray[np.bool_]]:
    """Put the astronaut, enlarged, into a drawn room: the scene, and where she is."""
    side = round(height * zoom)
    with Image.open(DATA / "astronaut.png") as image:
        person = image.resize((side, side), Image.Resampling.BICUBIC)
    left = (width - side) // 2
    room = Image.fromarray(scenes.photo_room(height, width))
    room.paste(person, (left, 0), person)
    where = Image.new("L", (width, height))
    where.paste(person.getchannel("A"), (left, 0))
    return np.asarray(room), np.asarray(where) > 127


def planes_of(picture: U8) -> tuple[Planes, Layout]:
    green, blue, red = (np.ascontiguousarray(picture[..., n]) for n in (1, 2, 0))
    layout = Layout(*picture.shape[:2], colour=Colour("rgb", full_range=True))
    return (green, blue, red), layout


def shown_of(pictures: list[U8], **options: object) -> tuple[list[U8], dict[str, int]]:
    """Protect pictures; return the opacities, 0 to 255, and the models used."""
    shown = []
    with Protector("remove", transparent=True, **options) as protector:
        for picture in pictures:
            planes, layout = planes_of(picture)
            _, target = empty_frame(layout, alpha=True)
            protector.compose(planes, layout, protector.detect_person(planes, layout), target, 0.0)
            shown.append(target[3][:, : layout.width].copy())
        return shown, protector.tally.models


def test_a_close_up_keeps_its_shoulders() -> None:
    picture, person = astronaut(2.6)

    def cut_off(**options: object) -> float:
        shown = shown_of([picture] * 3, threads=1, **options)[0][-1] > 127
        outside = (shown & ~person).sum() / (~person).sum()
        assert outside < 0.03
        return float((person & ~shown).sum() / person.sum())

    assert cut_off(model="full") > 0.1
    assert cut_off() < 0.05


def test_half_length_is_the_pose_models() -> None:
    picture, _ = astronaut(1.0)
    by_auto, models = shown_of([picture] * 2, threads=1)
    by_full, _ = shown_of([picture] * 2, threads=1, model="full")
    np.testing.assert_array_equal(by_auto, by_full)
    assert models == {"full": 2}


def test_a_change_is_the_same_with_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auto_module, "FADE", 3)
    # She comes closer step by step: a pose model loses who jumps.
    zooms = [1.0, 1.3, 1.6, 1.9, *[2.2] * (CONSISTENT + 9)]
    pictures = [astronaut(zoom)[0] for zoom in zooms]
    one, models = shown_of(pictures, threads=1)
    two, _ = shown_of(pictures, threads=2)
    assert [a.tobytes() for a in one] == [b.tobytes() for b in two]
    assert set(models) == {"full", "selfie-landscape"}


@pytest.mark.parametrize("model", ["full", "selfie-landscape"])
def test_a_model_that_is_chosen_is_used_as_it_is(model: ProtectModel) -> None:
    pictures = [astronaut(2.2)[0], astronaut(1.0)[0]]
    chosen, models = shown_of(pictures, threads=1, model=model)
    itself, _ = shown_of(pictures, threads=1, segmenter=Segmenter(model, threads=1))
    np.testing.assert_array_equal(chosen, itself)
    assert models == {model: 2}


# Defaults and the report


def test_auto_is_the_default_everywhere() -> None:
    assert ProtectParameters().model == "auto"
    for function in (unveil.protect, unveil.Protector.__init__, protect_command.protect):
        assert inspect.signature(function).parameters["model"].default == "auto"
    assert get_args(options.ProtectModel) == ("auto", "agreeing", *get_args(options.Model))
    assert get_args(options.LiveModel) == ("auto", *get_args(options.Model))


def test_the_report_tells_the_models(tmp_path: Path) -> None:
    video = write_video(tmp_path / "in.mp4", map(sitter.frame, range(6)), rate=25)
    points = np.array([[48, 40, 1.0]] * 33, np.float32)

    def seen(number: int) -> Mask | Exception:
        mask = sitter.seated()
        if number == 4:
            return RuntimeError("no")
        name = "full" if number < 2 else "selfie-landscape"
        return Mask(mask.probability, mask.to_mask, mask.height, mask.width, 1.0, points, name)

    done = protect(
        video, tmp_path / "out.mp4", background="white", segmenter=sitter.Watcher(seen), every=2
    )
    # Looked at: frames 0, 2, 4 and, after that failed, 5.
    assert done.report["models"] == {"full": 4, "selfie-landscape": 2}
    assert "model auto found the person by full in 4, selfie-landscape in 2 of 6 frames" in (
        done.notes
    )
