"""The video of a resisting background: what meeting software takes, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.command import unveil as command
from tests.footage import numbered_frames, write_video
from unveil.errors import Interrupted, InvalidParameter, OutputExists, OutputUnwritable
from unveil.progress import Progress
from unveil.scenery import SCENES
from unveil.shielding import ShieldParameters, shield
from unveil.shielding.frames import shielded_frames
from unveil.shielding.picture import picture_of

U8 = npt.NDArray[np.uint8]
SMALL: dict[str, Any] = {"height": 64, "width": 96, "seconds": 1, "fps": 10}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    cells = np.random.default_rng(4).integers(30, 220, (6, 9, 3), dtype=np.uint8)
    image = Image.fromarray(cells).resize((192, 128), Image.Resampling.BICUBIC)
    image.save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".MP4"])
def test_the_video_is_what_meeting_software_takes(
    tmp_path: Path, picture: Path, suffix: str
) -> None:
    made = shield(picture, tmp_path / f"out{suffix}", kind="texture+decoys", **SMALL)
    assert (made.n_frames, made.height, made.width, made.fps) == (10, 64, 96, 10.0)
    wanted = ShieldParameters(kind="texture+decoys", **SMALL)
    expected = list(shielded_frames(picture_of(picture), wanted))
    with av.open(str(made.output)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.height, stream.width) == (64, 96)
        assert stream.average_rate == 10
        assert not container.streams.audio
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(frames) == 10
    for shown, meant in zip(frames, expected, strict=True):
        assert np.abs(shown.astype(int) - meant).mean() < 6
    content = made.output.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert made.bit_rate == pytest.approx(8 * len(content))


def test_the_same_arguments_give_the_same_file(tmp_path: Path, picture: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        shield(picture, tmp_path / f"{name}.mp4", seed=seed, **SMALL)
    one, same, other = ((tmp_path / f"{name}.mp4").read_bytes() for name in "abc")
    assert one == same != other


def test_backgrounds(tmp_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.testing.assert_array_equal(picture_of("dusk"), SCENES["dusk"].draw())
    np.testing.assert_array_equal(picture_of("#204060"), [[[32, 64, 96]]])
    assert picture_of(picture).shape == (128, 192, 3)
    array = np.zeros((4, 5, 3), np.uint8)
    assert picture_of(array) is array
    # A file comes before a name.
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (3, 2), "red").save(tmp_path / "slate", format="PNG")
    assert picture_of("slate").shape == (2, 3, 3)


@pytest.mark.parametrize("wrong", ["no.png", "", "video.mp4", "array", "grey"])
def test_what_is_no_background(tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "video.mp4", numbered_frames(3))
    arrays: dict[str, Any] = {
        "array": np.zeros((4, 5, 3), np.float32),
        "grey": np.zeros((4, 5), np.uint8),
    }
    with pytest.raises(InvalidParameter, match=r"^background: "):
        shield(arrays.get(wrong, wrong), tmp_path / "out.mp4", **SMALL)
    assert not (tmp_path / "out.mp4").exists()


def test_a_plain_colour_cannot_drift(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"^kind: drift alone"):
        shield("white", tmp_path / "out.mp4", kind="drift", **SMALL)
    made = shield("grey", tmp_path / "out.mp4", kind="drift+texture", **SMALL)
    assert made.output.exists()


def test_outputs_that_cannot_be(tmp_path: Path, picture: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"^output: out\.webm"):
        shield(picture, tmp_path / "out.webm", **SMALL)
    with pytest.raises(OutputUnwritable, match="make it first"):
        shield(picture, tmp_path / "no" / "out.mp4", **SMALL)
    (tmp_path / "out.mp4").write_text("earlier")
    with pytest.raises(OutputExists, match="--force"):
        shield(picture, tmp_path / "out.mp4", **SMALL)
    assert (tmp_path / "out.mp4").read_text() == "earlier"
    assert shield(picture, tmp_path / "out.mp4", force=True, **SMALL).n_frames == 10


def test_nothing_is_left_after_a_stop(tmp_path: Path, picture: Path) -> None:
    answers = iter([False, False, True])
    with pytest.raises(Interrupted):
        shield(picture, tmp_path / "out.mp4", stop=lambda: next(answers), **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_progress(tmp_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unveil.shielding.writing.PROGRESS_SECONDS", 0)
    told: list[Progress] = []
    shield(picture, tmp_path / "out.mp4", progress=told.append, **SMALL)
    assert [each.n_frames for each in told] == list(range(1, 11))
    assert {each.expected_frames for each in told} == {10}
    assert told[-1].video_seconds == 1.0


def test_the_command(tmp_path: Path, picture: Path) -> None:
    options = ("--height", "64", "--width", "96", "--seconds", "1", "--fps", "10")
    done = command("shield", picture, "-o", tmp_path / "a.mp4", *options)
    assert done.exit_code == 0, done.stderr
    assert "a.mp4: 10 frames of 96x64" in done.stdout
    shield(picture, tmp_path / "b.mp4", **SMALL)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    told = command(
        "shield", "dusk", "-o", tmp_path / "c.mov", *options, "--json", "--kind", "pixels"
    )
    fields = json.loads(told.stdout)
    assert fields["output"] == "c.mov"
    assert fields["parameters"]["kind"] == "pixels"
    refused = command("shield", picture, "-o", tmp_path / "d.mp4", "--kind", "grain")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("unveil: --kind: ")
    assert command("shield", "no.png", "-o", tmp_path / "d.mp4").exit_code == 2
