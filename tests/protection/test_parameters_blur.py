"""A blur that protects too little is told, by what can still be read."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from tests.command import unveil
from tests.footage import write_video
from tests.protection.talks import sitting, white
from unveil.drawing import font
from unveil.parallel import Bands
from unveil.protection.compose import Compositor
from unveil.protection.parameters import READABLE_LETTERS, ProtectParameters
from unveil.video.chunk import Layout

F64 = npt.NDArray[np.float64]


def letter(character: str, height: int, side: int) -> npt.NDArray[np.uint8]:
    """Draw a dark capital, `height` pixels high, in the middle of a light square."""
    picture = Image.new("L", (side, side), 235)
    centre = (side // 2, side // 2)
    typeface = font(round(height * 1.38))  # its capitals are 0.73 of its size high
    ImageDraw.Draw(picture).text(centre, character, fill=20, font=typeface, anchor="mm")
    return np.array(picture)


def blurred(picture: npt.NDArray[np.uint8], radius: int) -> npt.NDArray[np.uint8]:
    layout = Layout(*picture.shape, 1, 1)
    luma, cb, cr = layout.empty(1)
    luma[0], cb[:], cr[:] = picture, 128, 128
    compositor = Compositor(layout, Bands(1), edge=0.6, smooth=1)
    compositor.clear()
    out = layout.empty(1)
    source, target = (luma[0], cb[0], cr[0]), tuple(plane[0] for plane in out)
    compositor.before_blur(source, radius, target, stale=False)
    return target[0]


def standardised(picture: npt.NDArray[np.uint8]) -> F64:
    deviation = picture - picture.mean()
    return np.asarray(deviation / np.linalg.norm(deviation)).ravel()


def share_read(height: int, radius: int) -> float:
    """Share of the capitals that, once blurred, resemble the sharp one most."""
    side = 16 * (4 * height // 16 + radius)
    sharp = [letter(character, height, side) for character in string.ascii_uppercase]
    known = np.stack([standardised(picture) for picture in sharp])
    seen = np.stack([standardised(blurred(picture, radius)) for picture in sharp])
    return float(((seen @ known.T).argmax(axis=1) == np.arange(len(sharp))).mean())


def test_the_measure_is_what_a_reader_of_letters_finds() -> None:
    radius = 6
    shares = [share_read(round(times * radius), radius) for times in (2, 4, READABLE_LETTERS, 10)]
    assert shares[1] < 0.2
    assert 0.2 < shares[2] < 0.8
    assert shares[3] > 0.9


@pytest.mark.parametrize(
    ("height", "blur", "weak"),
    [
        (1080, 4, True),
        (1080, 17, True),
        (1080, 18, False),
        (1080, None, False),
        (720, 11, True),
        (720, 12, False),
        (240, 4, False),
        (64, None, False),
    ],
)
def test_which_blur_is_weak(height: int, blur: int | None, weak: bool) -> None:
    assert (ProtectParameters(blur=blur).weak_blur(height) is not None) == weak
    assert ProtectParameters(background="white").weak_blur(height) is None


def test_the_default_is_never_weak() -> None:
    assert not any(ProtectParameters().weak_blur(height) for height in range(1, 5000))


def test_the_sentence_says_what_can_be_read_and_what_to_do() -> None:
    assert ProtectParameters(blur=4).weak_blur(1080) == (
        "the blur of 4 pixels is weak: letters 24 pixels high, 2% of the picture's height, and "
        "higher ones can be read; take 18 or more, or leave it out for 54"
    )


def test_report_notes_and_command_tell(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", sitting(2, 512, 64), rate=25)
    done = white(source, tmp_path / "out.mp4", background=None, blur=4)
    assert [note for note in done.notes if "is weak" in note]
    assert done.report["warnings"] == list(done.notes)
    assert not white(source, tmp_path / "out2.mp4", background=None).notes
    options = ("--model", "selfie", "--blur", "4")
    said = unveil("protect", source, "-o", tmp_path / "out3.mp4", *options).stderr
    assert "the blur of 4 pixels is weak" in said
    assert said.count("\n") == 1
