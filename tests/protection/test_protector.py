"""`Protector`: what it shows, and that it never shows the room where something goes wrong."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import unveil.person
from tests import sitter
from tests.sitter import INSIDE, OUTSIDE, Watcher, frame, luma_of, picture, seated
from unveil.errors import DamagedModel, InvalidParameter, ProtectionFailed
from unveil.person import Mask
from unveil.protection import Protector
from unveil.protection import protector as protector_module
from unveil.protection.compose import Compositor
from unveil.video.chunk import Layout

WHITE = 235
LAYOUT = Layout(sitter.HEIGHT, sitter.WIDTH, 1, 1)


def whitening(watcher: Watcher, **options: object) -> Protector:
    settings = {"background": "white", "threads": 1, "smooth": 1} | options
    return Protector("replace", segmenter=watcher, **settings)


def assert_room_is_white(shown: av.VideoFrame) -> None:
    for outside in OUTSIDE:
        assert (luma_of(shown)[outside] == WHITE).all()


def assert_all_white(shown: av.VideoFrame) -> None:
    assert (luma_of(shown) == WHITE).all()
    assert (luma_of(shown, 1) == 128).all()


# What is shown


def test_the_person_is_copied_and_the_room_replaced() -> None:
    with whitening(Watcher()) as protector:
        shown = protector.frame(frame(3))
    np.testing.assert_array_equal(luma_of(shown)[INSIDE], picture(3)[INSIDE])
    assert (luma_of(shown, 1)[14:28, 22:27] == 90).all()
    assert_room_is_white(shown)
    assert protector.tally.as_dict()["frames_failed_closed"] == 0
    assert protector.tally.frames == 1


def test_a_frame_keeps_its_time_and_is_not_changed() -> None:
    source = frame(0)
    source.pts, source.time_base = 1234, Fraction(1, 90000)
    before = [bytes(plane) for plane in source.planes]
    with whitening(Watcher()) as protector:
        shown = protector.frame(source)
    assert (shown.pts, shown.time_base) == (1234, Fraction(1, 90000))
    assert [bytes(plane) for plane in source.planes] == before


@pytest.mark.parametrize("name", ["yuv422p", "yuv444p", "yuyv422", "nv12", "rgb24", "gray"])
def test_any_pixel_format(name: str) -> None:
    with whitening(Watcher()) as protector:
        shown = protector.frame(frame(0).reformat(format=name)).to_ndarray(format="rgb24")
    assert (shown[:, :24] >= 253).all()
    assert shown[INSIDE][..., 1].max() < 253


def test_the_deprecated_name_of_detect_person_works_and_warns() -> None:
    planes = tuple(np.ascontiguousarray(luma_of(frame(3), p)) for p in range(3))
    with whitening(Watcher()) as old, whitening(Watcher()) as new:
        with pytest.warns(DeprecationWarning, match=r"call Protector\.detect_person"):
            deprecated = old.sight(planes, LAYOUT)
        detection = new.detect_person(planes, LAYOUT)
    np.testing.assert_array_equal(deprecated.mask.probability, detection.mask.probability)


def test_planes_and_frames_give_the_same() -> None:
    with whitening(Watcher()) as one, whitening(Watcher()) as other:
        source = frame(5)
        planes = tuple(np.ascontiguousarray(luma_of(source, p)) for p in range(3))
        shown = one.planes(planes, LAYOUT)
        np.testing.assert_array_equal(shown[0], luma_of(other.frame(source)))


def test_blur_hides_the_room_and_keeps_the_person() -> None:
    with Protector("blur", segmenter=Watcher(), smooth=1) as protector:
        shown = luma_of(protector.frame(frame(0)))
    np.testing.assert_array_equal(shown[INSIDE], picture(0)[INSIDE])
    for outside in OUTSIDE:
        room = shown[outside].astype(float)
        assert room.std() < 4 < picture(0)[outside].std() / 4
        assert abs(room.mean() - picture(0)[outside].mean()) < 5  # nothing of the bright person


def test_the_default_blur_makes_letters_unreadable() -> None:
    """Stripes a fortieth of the height wide lose nearly all of their contrast."""
    height, width = 480, 640
    source = frame(0, height, width)
    rows = np.frombuffer(source.planes[0], np.uint8).reshape(height, -1)
    rows[:] = np.where(np.arange(rows.shape[1]) // 12 % 2, 200, 50)
    with Protector("blur", segmenter=Watcher(lambda number: None)) as protector:
        shown = luma_of(protector.frame(source))
    middle = shown[:, 100:-100]
    assert middle.max() - middle.min() <= 4


def test_remove_shows_green_or_nothing() -> None:
    with Protector("remove", segmenter=Watcher(), smooth=1) as protector:
        red, green, blue = protector.frame(frame(0)).to_ndarray(format="rgb24")[4, 4]
        assert green > red + 50
        assert green > blue + 50
    with Protector("remove", segmenter=Watcher(), smooth=1, transparent=True) as protector:
        shown = protector.frame(frame(0))
    assert shown.format.name == "yuva420p"
    alpha = luma_of(shown, 3)
    assert (alpha[INSIDE] == 255).all()
    for outside in OUTSIDE:
        assert not alpha[outside].any()
        assert (luma_of(shown)[outside] == 16).all()  # a viewer without alpha sees black
    np.testing.assert_array_equal(luma_of(shown)[INSIDE], picture(0)[INSIDE])


def test_a_picture_covers_the_frame_from_its_middle(tmp_path: Path) -> None:
    wide = np.zeros((64, 400, 3), np.uint8)
    wide[:, 152:248] = 255  # the middle of the frame's shape, between black wings
    with whitening(Watcher(lambda number: None), background=wide) as protector:
        shown = luma_of(protector.frame(frame(0)))
    assert (shown[:, 4:-4] > 220).all()


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("mode", ["replace", "blur", "remove"])
def test_threads_change_nothing(mode: str, threads: int) -> None:
    def shown(n_threads: int) -> list[bytes]:
        rng = np.random.default_rng(5)
        mask = Mask(
            rng.random((16, 24)).astype(np.float32),
            np.array([[0.04, 0.002, 0.0], [0.001, 0.05, 0.3]]),
            *(400, 600, 1.0),
            landmarks=None,
        )
        options = {"background": "teal"} if mode == "replace" else {}
        protector = Protector(
            mode,
            segmenter=Watcher(lambda number: mask),
            threads=n_threads,
            transparent=mode == "remove",
            **options,
        )
        with protector:
            return [
                luma_of(protector.frame(frame(i, 400, 600)), p).tobytes()
                for i in range(2)
                for p in range(3)
            ]

    assert shown(threads) == shown(1)


def test_the_opacity_does_not_trail() -> None:
    """A person who leaves takes every trace along, however long the smoothing is."""
    gone = seated()
    gone.probability[:] = 0
    with whitening(Watcher(lambda n: seated() if n < 3 else gone), smooth=20) as protector:
        for number in range(3):
            protector.frame(frame(number))
        assert_all_white(protector.frame(frame(3)))


def test_between_two_masks_less_is_shown() -> None:
    soft = seated()
    soft.probability[:] *= 0.7
    watcher = Watcher(lambda number: soft)
    with whitening(watcher, every=2, edge=0.5) as protector:
        sharp, stale = (luma_of(protector.frame(frame(i)))[INSIDE].mean() for i in range(2))
    assert watcher.n_asked == 1
    assert sharp == pytest.approx(sitter.SKIN, abs=2)
    assert stale > sharp + 5


def test_a_size_that_changes_begins_anew() -> None:
    watcher = Watcher(lambda number: seated() if number < 1 else seated(32, 48))
    with whitening(watcher) as protector:
        protector.frame(frame(0))
        resets = watcher.n_resets
        shown = protector.frame(frame(1, 32, 48))
    assert (shown.height, shown.width) == (32, 48)
    assert watcher.n_resets == resets + 1
    assert (luma_of(shown)[:, :10] == WHITE).all()
    np.testing.assert_array_equal(luma_of(shown)[12:30, 20:28], picture(1, 32, 48)[12:30, 20:28])


def test_planes_have_no_opacity() -> None:
    planes = tuple(plane[0] for plane in LAYOUT.empty(1))
    with (
        Protector("remove", segmenter=Watcher(), transparent=True) as protector,
        pytest.raises(InvalidParameter, match="planes hold no opacity"),
    ):
        protector.planes(planes, LAYOUT)


def test_what_is_not_joined_to_the_person_is_hidden() -> None:
    """A lamp at the frame's edge that the network takes for the person, and a raised hand."""
    mask = seated()
    mask.probability[8:12, 20:24] = 1
    mask.probability[:3, :3] = 1
    points = np.array([[48, 40, 0.9], [4, 4, 0.8], [90, 40, 0.2]], np.float32)
    seen = Mask(mask.probability, mask.to_mask, mask.height, mask.width, 1.0, points)
    with whitening(Watcher(lambda number: seen)) as protector:
        shown = luma_of(protector.frame(frame(0)))
    room = picture(0)
    np.testing.assert_array_equal(shown[INSIDE], room[INSIDE])
    np.testing.assert_array_equal(shown[:8, :8], room[:8, :8])
    assert (shown[:, 72:] == WHITE).all()


# Failing closed


@pytest.mark.parametrize(
    "nobody",
    [None, seated(presence=0.0), seated(presence=float("nan"))],
    ids=["none", "absent", "nan"],
)
def test_where_nobody_is_found_all_is_background(nobody: Mask | None) -> None:
    watcher = Watcher(lambda number: seated() if number == 0 else nobody)
    with whitening(watcher) as protector:
        protector.frame(frame(0))
        assert_all_white(protector.frame(frame(1)))
    assert protector.tally.nobody_found == 1
    assert protector.tally.failed_closed == 1


def test_in_a_blur_where_nobody_is_found_all_is_blurred() -> None:
    with Protector("blur", segmenter=Watcher(lambda number: None)) as protector:
        shown = luma_of(protector.frame(frame(0)))
    assert np.abs(np.diff(shown.astype(int), axis=1)).max() < 20  # the room's noise reached 90


def test_a_mask_of_no_numbers_shows_nobody() -> None:
    nonsense = seated()
    nonsense.probability[:] = np.nan
    with whitening(Watcher(lambda number: nonsense)) as protector:
        assert_all_white(protector.frame(frame(0)))
    assert protector.tally.nobody_found == 1


def test_a_network_that_fails_shows_background_and_is_counted() -> None:
    watcher = Watcher(lambda number: RuntimeError("out of order") if number == 1 else seated())
    with whitening(watcher) as protector:
        protector.frame(frame(0))
        assert_all_white(protector.frame(frame(1)))
        assert (luma_of(protector.frame(frame(2)))[INSIDE] == sitter.SKIN).all()
    assert protector.tally.segmentation_failed == 1
    assert protector.tally.last_error == "RuntimeError: out of order"


def test_after_a_failure_no_stale_mask_is_used() -> None:
    watcher = Watcher(lambda number: RuntimeError("late") if number == 1 else seated())
    with whitening(watcher, every=3) as protector:
        for number in range(3):
            protector.frame(frame(number))
        assert_all_white(protector.frame(frame(3)))
        assert (luma_of(protector.frame(frame(4)))[INSIDE] == sitter.SKIN).all()  # asked at once
    assert watcher.n_asked == 3


@pytest.mark.parametrize("mode", ["replace", "blur", "remove"])
def test_a_blend_that_fails_shows_a_plain_background(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Compositor, *arguments: object, **options: object) -> None:
        arguments[2][0][:32] = 99
        raise MemoryError("half done")

    monkeypatch.setattr(Compositor, "over", fail)
    monkeypatch.setattr(Compositor, "before_blur", fail)
    background = "white" if mode == "replace" else None
    with Protector(mode, background=background, segmenter=Watcher()) as protector:
        shown = luma_of(protector.frame(frame(0)))
    assert (shown == shown[0, 0]).all()
    assert protector.tally.composition_failed == 1
    assert protector.tally.failed_closed == 1


def test_a_mask_of_another_shape_shows_background() -> None:
    broken = Mask(np.zeros(3, np.float32), np.eye(3), 1, 1, 1.0, landmarks=None)
    with whitening(Watcher(lambda number: broken)) as protector:
        shown = luma_of(protector.frame(frame(0)))
    assert (shown == shown[0, 0]).all()
    assert protector.tally.composition_failed == 1


def test_an_error_that_lasts_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protector_module, "MAX_FAILURES_IN_A_ROW", 3)
    watcher = Watcher(lambda number: RuntimeError("broken") if number > 0 else seated())
    with whitening(watcher) as protector:
        for number in range(3):
            protector.frame(frame(number))
        with pytest.raises(ProtectionFailed, match=r"3 frames in a row.*broken"):
            protector.frame(frame(3))


def test_errors_apart_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protector_module, "MAX_FAILURES_IN_A_ROW", 2)
    watcher = Watcher(lambda number: RuntimeError("now and then") if number % 2 else seated())
    with whitening(watcher) as protector:
        for number in range(10):
            protector.frame(frame(number))
    assert protector.tally.segmentation_failed == 5


def test_ctrl_c_passes_no_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Compositor, *arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Compositor, "over", interrupt)
    with whitening(Watcher()) as protector, pytest.raises(KeyboardInterrupt):
        protector.frame(frame(0))
    assert protector.tally.frames == 0


def test_a_damaged_model_is_told_before_any_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(model: str, *, threads: int | None) -> None:
        raise DamagedModel(f"{model}.tflite: damaged")

    monkeypatch.setattr(unveil.person, "Segmenter", damaged)
    with pytest.raises(DamagedModel):
        Protector("blur")


# Parameters


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mode": "hide"}, "mode: 'hide' is not one of"),
        ({"model": "huge"}, "model: 'huge'"),
        ({"mode": "replace"}, "background: mode replace needs one"),
        ({"mode": "blur", "background": "white"}, "background: mode blur shows none"),
        ({"background": "white", "blur": 20}, "blur: mode replace blurs nothing"),
        ({"blur": 3}, "blur: 3 is outside 4 to 1000"),
        ({"edge": 1.0}, "edge: 1.0 is outside"),
        ({"edge": float("nan")}, "edge: nan"),
        ({"smooth": -1}, "smooth: -1"),
        ({"every": 0}, "every: 0"),
        ({"threads": 0}, "threads: 0"),
        ({"background": "no such colour"}, "no file, and no colour"),
        ({"mode": "remove", "background": "no.jpg"}, "no.jpg is no colour"),
        ({"transparent": True}, "transparent: only mode remove"),
        ({"background": np.zeros((4, 4), np.uint8)}, "is no uint8 RGB picture"),
    ],
)
def test_parameters_are_checked(options: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        Protector(segmenter=Watcher(), **options)


def test_the_mode_follows_from_the_background() -> None:
    assert Protector(segmenter=Watcher()).parameters.chosen_mode == "blur"
    assert Protector(background="red", segmenter=Watcher()).parameters.chosen_mode == "replace"


def test_the_real_segmenter_finds_nobody_in_noise() -> None:
    with Protector("replace", background="white", model="lite", threads=1) as protector:
        assert_all_white(protector.frame(frame(0)))
    assert protector.tally.nobody_found == 1
