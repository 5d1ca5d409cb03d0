"""Uploaded pictures: decoded from their bytes, upright, in sRGB, and no larger than needed."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from unveil.errors import UnreadableImage
from unveil.live import uploads
from unveil.live.uploads import decode_upload, reduced


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@contextmanager
def refusal_allowed() -> Iterator[None]:
    """Let the block raise the one error of a refused picture, in one line."""
    message = "background: is refused"
    try:
        yield
    except UnreadableImage as error:
        message = str(error)
    assert message.startswith("background: ")
    assert "\n" not in message


def halves(width: int = 64, height: int = 40) -> Image.Image:
    """Make a picture, red on the left and blue on the right."""
    image = Image.new("RGB", (width, height), (220, 20, 20))
    image.paste((20, 20, 220), (width // 2, 0, width, height))
    return image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP"])
def test_every_format_is_decoded(kind: str) -> None:
    picture = decode_upload(encoded(halves(), kind))
    assert picture.shape == (40, 64, 3)
    assert picture.dtype == np.uint8
    assert np.abs(picture[20, 8] - np.array([220.0, 20, 20])).max() < 12
    assert np.abs(picture[20, 56] - np.array([20.0, 20, 220])).max() < 12


def test_the_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right
    picture = decode_upload(encoded(halves(), "JPEG", exif=exif, quality=95))
    assert picture.shape == (64, 40, 3)
    assert picture[8, 20, 0] > 180  # what was left is above
    assert picture[56, 20, 2] > 180


def test_what_is_transparent_becomes_white() -> None:
    image = halves().convert("RGBA")
    image.putalpha(0)
    assert (decode_upload(encoded(image, "PNG")) == 255).all()
    palette = Image.new("P", (8, 8))
    assert (decode_upload(encoded(palette, "GIF", transparency=0)) == 255).all()


def test_a_large_picture_is_reduced_to_what_covers_a_frame() -> None:
    picture = decode_upload(encoded(halves(4000, 3000), "JPEG"))
    height, width, _ = picture.shape
    assert height >= 1080
    assert width >= 1920
    assert height * width < 1920 * 1440 * 1.05
    assert reduced(np.zeros((100, 8000, 3), np.uint8)).shape == (100, 8000, 3)  # covers nothing


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (Image.new("I;16", (8, 8)), "PNG"),
        (Image.new("F", (8, 8)), "TIFF"),
    ],
)
def test_more_than_8_bits_are_refused(image: Image.Image, kind: str) -> None:
    with pytest.raises(UnreadableImage, match=r"^background: .*(8 bits|JPEG, PNG or WebP)"):
        decode_upload(encoded(image, kind))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP"])
def test_damaged_pictures_raise_one_error(kind: str) -> None:
    whole = encoded(halves(), kind)
    rng = np.random.default_rng(1)
    for number in range(60):
        damaged = bytearray(whole[: len(whole) * (number % 6 + 1) // 6])
        for place in rng.integers(0, len(damaged), 6):
            damaged[place] = rng.integers(0, 256)
        with refusal_allowed():
            picture = decode_upload(bytes(damaged))
            assert picture.ndim == 3
            assert picture.shape[2] == 3


def test_a_picture_at_the_limit_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_PIXELS", 1_000_000)
    with pytest.raises(UnreadableImage, match="more than 1 million pixels"):
        decode_upload(encoded(Image.new("L", (1001, 1000)), "PNG"))
    assert decode_upload(encoded(Image.new("L", (1000, 1000)), "PNG")).shape == (1000, 1000, 3)


def test_threads_share_no_filter_of_warnings() -> None:
    before = list(warnings.filters)
    data = encoded(halves(), "PNG")
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(decode_upload, [data] * 40))) == 40
    assert warnings.filters == before
