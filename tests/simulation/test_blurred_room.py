"""The blurred background of a simulated call: strength, halo, and what the truth says of it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.command import unveil
from tests.segmenters import FixedMask
from unveil.arrays import U8
from unveil.errors import InvalidParameter
from unveil.scoring.truth import Truth
from unveil.simulation import scenes
from unveil.simulation.blurred_room import BlurredRoom
from unveil.simulation.simulate import simulate_call

HEIGHT, WIDTH = 96, 160
ROOM = scenes.photo_room(HEIGHT, WIDTH, 2)


def step_room() -> U8:
    """Paint a room that is dark on the left and bright on the right."""
    room = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    room[:, WIDTH // 2 :] = 200
    return room


def expected_step(sigma: float) -> list[float]:
    """Return the level of each column of the blurred step, by the error function."""
    places = np.arange(WIDTH) + 0.5 - WIDTH // 2
    return [120 + 80 * math.erf(place / (sigma * math.sqrt(2))) for place in places]


@pytest.mark.parametrize("sigma", [2.0, 5.0, 12.0])
def test_the_blur_has_the_strength_asked_for(sigma: float) -> None:
    blurred = BlurredRoom(step_room(), sigma, halo=False).first.astype(float)
    assert np.abs(blurred[..., 0] - expected_step(sigma)).max() < 3


@pytest.mark.parametrize("halo", [False, True])
def test_only_a_halo_has_the_colours_of_the_person(halo: bool) -> None:
    camera = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, 60:100] = 255
    camera[mask > 0] = 250
    shown = BlurredRoom(np.full_like(camera, 90), 6, halo=halo).behind(camera, mask)
    assert (shown[:, 56].mean() > 110) == halo
    assert shown[:, :30].tolist() == np.full((HEIGHT, 30, 3), 90).tolist()
    assert np.isfinite(shown).all()


def test_a_frame_that_is_all_person_has_a_background() -> None:
    room = BlurredRoom(ROOM, 4, halo=False)
    everywhere = np.full((HEIGHT, WIDTH), 255, np.uint8)
    assert np.array_equal(room.behind(ROOM, everywhere), room.first)


@pytest.mark.parametrize(
    ("name", "sigma", "halo"),
    [
        ("blur", HEIGHT / 50, False),
        ("blur:5", 5, False),
        ("blur:2.5:halo", 2.5, True),
        ("blur:halo", HEIGHT / 50, True),
    ],
)
def test_names(name: str, sigma: float, halo: bool) -> None:
    made = BlurredRoom.of_name(name, ROOM)
    assert made is not None
    assert np.array_equal(made.first, BlurredRoom(ROOM, sigma, halo=halo).first)
    assert np.array_equal(
        made.behind(ROOM, np.zeros((HEIGHT, WIDTH), np.uint8)),
        BlurredRoom(ROOM, sigma, halo=halo).behind(ROOM, np.zeros((HEIGHT, WIDTH), np.uint8)),
    )


@pytest.mark.parametrize("name", ["blurred", "landscape", "blur.png", "a:blur", "blur:1:2:3"])
def test_other_names_are_no_blur(name: str) -> None:
    assert BlurredRoom.of_name(name, ROOM) is None


@pytest.mark.parametrize(
    "name", ["blur:much", "blur:nan", "blur:inf", "blur:0.1", "blur:25", "blur:-3"]
)
def test_a_wrong_strength_is_refused(name: str) -> None:
    with pytest.raises(InvalidParameter, match="blur"):
        BlurredRoom.of_name(name, ROOM)


def test_a_call_before_the_blurred_room(tmp_path: Path) -> None:
    person = np.zeros((64, 48, 4), np.uint8)
    person[..., 3] = 255
    Image.fromarray(person).save(tmp_path / "person.png")

    class Wide:
        """Marks more than the person."""

        def mask(self, picture: U8) -> FixedMask:
            probability = np.zeros((HEIGHT, WIDTH), np.float32)
            probability[:, 30:130] = 1
            return FixedMask(probability)

    simulate_call(
        tmp_path / "out",
        tmp_path / "person.png",
        "furnished",
        "blur:4",
        height=HEIGHT,
        width=WIDTH,
        n_frames=4,
        motions=(),
        segmenter=Wide(),
        camera_noise=0,
        seed=2,
    )
    truth = Truth.read(tmp_path / "out" / "truth.npz")
    assert np.array_equal(truth.room, ROOM)
    assert np.array_equal(truth.background, BlurredRoom(ROOM, 4, halo=False).first)
    assert truth.strong.any()


def test_what_a_blur_cannot_do(tmp_path: Path) -> None:
    Image.new("RGBA", (48, 64), (0, 0, 0, 255)).save(tmp_path / "person.png")
    common = ("simulate", tmp_path / "person.png", "-o", tmp_path / "out", "--background")
    for wrong in (("blur:9999",), ("blur", "--pan", "3"), ("blur", "--pixels-of-noise", "0.1")):
        result = unveil(*common, *wrong)
        assert result.exit_code == 2, result.output
        assert "background: a blur" in result.stderr
    assert not (tmp_path / "out").exists()
