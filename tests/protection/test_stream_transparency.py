"""Transparent outputs: which keep it, which show a colour instead, and which are refused."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.sitter import INSIDE, OUTSIDE, Watcher, decoded, luma_of
from unveil.errors import InvalidParameter, OutputExists, OutputUnwritable
from unveil.protection import protect


def test_webm_keeps_transparency(tmp_path: Path, video: Path) -> None:
    done = protect(
        video, tmp_path / "out.webm", mode="remove", segmenter=Watcher(), end_seconds=0.2, smooth=1
    )
    assert done.report["output"]["transparent"]
    shown = decoded(tmp_path / "out.webm", "libvpx-vp9")
    assert len(shown) == 5
    for made in shown:
        assert made.format.name == "yuva420p"
        alpha = luma_of(made, 3)
        assert alpha[INSIDE].min() > 250
        assert all(alpha[outside].max() < 5 for outside in OUTSIDE)
        assert all(luma_of(made)[outside].max() < 24 for outside in OUTSIDE)
    with av.open(str(tmp_path / "out.webm")) as container:
        assert container.streams.video[0].metadata["alpha_mode"] == "1"


def test_pictures_keep_transparency(tmp_path: Path, video: Path) -> None:
    pattern = tmp_path / "out" / "frame-%03d.png"
    with pytest.raises(OutputUnwritable, match="is not a folder"):
        protect(video, pattern, mode="remove", segmenter=Watcher())
    pattern.parent.mkdir()
    protect(video, pattern, mode="remove", segmenter=Watcher(), end_seconds=0.2, smooth=1)
    names = sorted(path.name for path in pattern.parent.iterdir())
    assert names == [*(f"frame-{n:03}.png" for n in range(1, 6)), "frame.report.json"]
    with Image.open(pattern.parent / "frame-001.png") as picture:
        assert picture.mode == "RGBA"
        alpha = np.asarray(picture)[..., 3]
    assert (alpha[INSIDE] == 255).all()
    assert not any(alpha[outside].any() for outside in OUTSIDE)
    with pytest.raises(OutputExists):
        protect(video, pattern, mode="remove", segmenter=Watcher())
    protect(*(video, pattern), mode="remove", segmenter=Watcher(), end_seconds=0.08, force=True)
    assert len(list(pattern.parent.glob("*.png"))) == 2


def test_an_encoder_with_transparency_keeps_it(tmp_path: Path, video: Path) -> None:
    protect(video, tmp_path / "o.mkv", mode="remove", codec="ffv1", segmenter=Watcher(), smooth=1)
    (made, *_) = decoded(tmp_path / "o.mkv")
    assert made.format.name == "yuva420p"
    assert (luma_of(made, 3)[INSIDE] == 255).all()


def test_without_transparency_there_is_a_colour(tmp_path: Path, video: Path) -> None:
    done = protect(video, tmp_path / "out.mp4", mode="remove", segmenter=Watcher())
    assert not done.report["output"]["transparent"]
    red, green, blue = decoded(tmp_path / "out.mp4")[0].to_ndarray(format="rgb24")[4, 4]
    assert green > max(red, blue) + 40
    protect(
        *(video, tmp_path / "out.webm"),
        mode="remove",
        background="#ff0000",
        segmenter=Watcher(),
        end_seconds=0.1,
    )
    assert decoded(tmp_path / "out.webm")[0].to_ndarray(format="rgb24")[4, 4, 0] > 230


def test_an_encoder_without_transparency_is_refused_for_webm(tmp_path: Path, video: Path) -> None:
    with pytest.raises(InvalidParameter, match="codec: libsvtav1 keeps no transparency"):
        protect(video, tmp_path / "o.webm", mode="remove", codec="libsvtav1", segmenter=Watcher())
