"""Pictures as a video: numbered files, and animated WebP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.sitter import Watcher, decoded
from unveil.errors import MissingInput, UnreadableVideo
from unveil.protection import protect
from unveil.recovery.recover import recover
from unveil.timeline.timeline import draw_timeline
from unveil.video.reader import open_video
from unveil.video.rgb_reader import VideoPictures
from unveil.video.sequence import NUMBER
from unveil.video.source import resolve_inputs


def write_numbered(folder: Path, pattern: str, numbers: list[int]) -> Path:
    """Write grey pictures whose level is ten times their number."""
    folder.mkdir(exist_ok=True)
    for number in numbers:
        name = NUMBER.sub(NUMBER.findall(pattern)[0] % number, pattern)
        Image.new("RGB", (64, 48), (10 * number,) * 3).save(folder / name, lossless=True)
    return folder / pattern


def levels(path: Path, **selection: float) -> list[int]:
    """Return a tenth of each frame's level."""
    with open_video(path, **selection) as video:
        planes = [chunk.planes[0][:, 20, 20].copy() for chunk in video.chunks()]
    return [round(int(level) / 10) for level in np.concatenate(planes)]


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [
        ("f%03d.png", [0, 1, 2, 3]),
        ("f%03d.png", [7, 8, 9, 10, 11]),
        ("frame-%d.png", [1, 2, 3]),
        ("frame-%d.png", [9, 10, 11, 12]),
        ("50%_%05d.bmp", [3, 4, 5]),
        ("%02d.tiff", [20, 21]),
        ("f%d.webp", [1, 2]),
    ],
)
@pytest.mark.parametrize("folder", ["shots", "100%", "take %03d", "file:x"])
def test_numbered_pictures_are_read_in_order(
    tmp_path: Path, folder: str, pattern: str, numbers: list[int]
) -> None:
    path = write_numbered(tmp_path / folder, pattern, numbers)
    Image.new("RGB", (64, 48)).save(path.parent / "f0001x.png")  # of no pattern here
    assert levels(path) == numbers
    with open_video(path) as video:
        seconds = [float(s) for chunk in video.chunks() for s in chunk.pts_seconds]
    assert seconds == pytest.approx([i / 25 for i in range(len(numbers))])
    properties, tally = video.properties, video.tally
    assert (properties.name, properties.container) == (path.name, "image2")
    assert properties.frame_rate == 25
    assert tally.warnings == ["pictures have no times: read at 25 frames a second"]
    assert not tally.truncated


def test_a_start_and_a_stride_apply_to_pictures(tmp_path: Path) -> None:
    path = write_numbered(tmp_path, "f%03d.png", list(range(5, 25)))
    assert levels(path, start_seconds=0.4, end_seconds=0.6, stride=2) == [15, 17, 19]


def test_pictures_behind_a_gap_are_reported(tmp_path: Path) -> None:
    path = write_numbered(tmp_path, "f%03d.png", [3, 4, 5, 8, 9])
    with open_video(path) as video:
        assert sum(len(chunk) for chunk in video.chunks()) == 3
    assert video.tally.truncated
    assert video.tally.reason == "f006.png is missing, so 2 pictures behind it are not read"


def test_every_command_reads_pictures(tmp_path: Path) -> None:
    path = write_numbered(tmp_path, "f%03d.png", [1, 2, 3, 4])
    assert [source.stem for source in resolve_inputs([str(path)])] == ["f"]
    report = recover(str(path), method="rarest").report
    assert report["frames_read"] == 4
    assert "pictures have no times: read at 25 frames a second" in report["warnings"]
    protect(path, tmp_path / "o.mkv", background="white", threads=2, segmenter=Watcher())
    assert len(decoded(tmp_path / "o.mkv")) == 4
    assert draw_timeline(path, [(0, 0)], tmp_path / "s.png", method="rarest").n_frames == 4
    assert len(list(VideoPictures(path))) == 4


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp"])
def test_photos_with_exif_data_are_turned(tmp_path: Path, suffix: str, orientation: int) -> None:
    photo = Image.new("RGB", (64, 48), (255, 255, 255))
    photo.paste((0, 0, 0), (0, 0, 32, 24))  # the upper left corner, as stored
    exif = photo.getexif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{suffix}"
    photo.save(path, exif=exif, lossless=True)
    (shown,) = VideoPictures(path)
    wanted = {1: (0, 0), 3: (-1, -1), 6: (0, -1), 8: (-1, 0)}[orientation]
    corners = {(y, x): int(shown[y, x, 0]) for y in (0, -1) for x in (0, -1)}
    assert min(corners, key=lambda corner: corners[corner]) == wanted
    assert shown.shape[:2] == ((48, 64) if orientation in (1, 3) else (64, 48))


def test_a_file_of_this_very_name_comes_first(tmp_path: Path) -> None:
    path = write_numbered(tmp_path, "f%03d.png", [1, 2, 3])
    Image.new("RGB", (64, 48), (200,) * 3).save(path)
    assert levels(path) == [20]


@pytest.mark.parametrize("name", ["f%03d.png", "f%03d%03d.png", "f%s.png"])
def test_a_pattern_without_a_picture_is_missing(tmp_path: Path, name: str) -> None:
    (tmp_path / "f1.png").touch()
    with pytest.raises(MissingInput) as caught, open_video(tmp_path / name):
        pass
    assert "\n" not in str(caught.value)


def test_numbered_files_that_are_no_pictures_are_refused(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"f{number}.png").write_text("no picture")
    with pytest.raises(UnreadableVideo):
        levels(tmp_path / "f%d.png")


# Animated WebP


def write_animation(path: Path, mode: str = "RGB", lossless: bool = True) -> Path:
    pictures = [
        Image.new(mode, (64, 48), (40 * n, 200 - 40 * n, 90, 255)[: len(mode)]) for n in range(5)
    ]
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=[100, 200, 300, 400, 2000],
        lossless=lossless,
    )
    return path


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("name", ["call.webp", "call.bin"])
def test_an_animated_webp_is_a_video(tmp_path: Path, mode: str, name: str) -> None:
    animation = write_animation(tmp_path / "call.webp", mode)
    path = animation.rename(tmp_path / name)
    pictures = list(VideoPictures(path))
    assert [picture[0, 0].tolist() for picture in pictures] == [
        [40 * n, 200 - 40 * n, 90] for n in range(5)
    ]
    with open_video(path) as video:
        seconds = [float(s) for chunk in video.chunks() for s in chunk.pts_seconds]
    assert seconds == pytest.approx([0, 0.1, 0.3, 0.6, 1.0])
    assert video.shown_until_seconds == pytest.approx(3)
    assert video.properties.frame_rate == pytest.approx(5 / 3, abs=0.01)
    assert (video.properties.container, video.properties.codec) == ("webp", "webp")
    assert (video.tally.truncated, video.tally.warnings) == (False, [])


def test_a_still_webp_is_read_as_before(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), (90,) * 3).save(tmp_path / "still.webp", lossless=True)
    with open_video(tmp_path / "still.webp") as video:
        assert sum(len(chunk) for chunk in video.chunks()) == 1
    assert video.properties.codec == "webp"


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95])
def test_a_damaged_animation_is_refused_in_one_line(tmp_path: Path, share: float) -> None:
    data = write_animation(tmp_path / "call.webp").read_bytes()
    path = tmp_path / "cut.webp"
    path.write_bytes(data[: max(21, int(share * len(data)))])
    with pytest.raises(UnreadableVideo, match=r"^cut\.webp: an animated WebP that is damaged"):
        levels(path)
