"""The video of a resisting background, as meeting software reads it; what is refused."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.command import unveil as command
from unveil import shield
from unveil.errors import InvalidParameter, OutputExists, OutputUnwritable, UnreadableImage
from unveil.shielding import Shield

SMALL = {"seconds": 1.0, "fps": 10.0, "height": 64, "width": 96}


@pytest.fixture
def beach(tmp_path: Path) -> Path:
    path = tmp_path / "beach.png"
    colours = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
    Image.fromarray(colours).resize((90, 60)).save(path)
    return path


@pytest.mark.parametrize("name", ["out.mp4", "out.mov"])
def test_the_video_is_what_meeting_software_takes(beach: Path, tmp_path: Path, name: str) -> None:
    made = shield(beach, tmp_path / name, **SMALL)  # type: ignore[arg-type]
    assert isinstance(made, Shield)
    with av.open(str(tmp_path / name)) as container:
        (stream,) = container.streams
        assert isinstance(stream, av.VideoStream)
        shown = list(container.decode(stream))
        assert stream.codec_context.name == "h264"
    assert {(f.height, f.width, f.format.name) for f in shown} == {(64, 96, "yuv420p")}
    assert len(shown) == made.n_frames == 10
    assert stream.average_rate == 10
    content = (tmp_path / name).read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_the_command_tells_what_it_made(beach: Path, tmp_path: Path) -> None:
    options = ["--seconds", "1", "--fps", "10", "--height", "64", "--width", "96"]
    done = command("shield", beach, "-o", tmp_path / "out.mp4", *options, "--kind", "pixels")
    assert done.exit_code == 0
    assert "10 frames of 96x64" in done.output
    again = command("shield", beach, "-o", tmp_path / "out.mp4", *options)
    assert again.exit_code == 1
    assert "add --force" in again.output


def test_what_cannot_be_done_is_refused(beach: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"\.mp4 or \.mov"):
        shield(beach, tmp_path / "out.avi")
    with pytest.raises(OutputUnwritable, match="make it first"):
        shield(beach, tmp_path / "none" / "out.mp4")
    with pytest.raises(InvalidParameter, match="drift alone"):
        shield("#336699", tmp_path / "out.mp4", kind="drift")
    with pytest.raises(InvalidParameter, match="uint8"):
        shield(np.zeros((4, 4)), tmp_path / "out.mp4")  # type: ignore[arg-type]
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no picture")
    with pytest.raises((UnreadableImage, InvalidParameter)):
        shield(damaged, tmp_path / "out.mp4")
    (tmp_path / "there.mp4").write_bytes(b"")
    with pytest.raises(OutputExists):
        shield(beach, tmp_path / "there.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "beach.png",
        "damaged.png",
        "there.mp4",
    ]
