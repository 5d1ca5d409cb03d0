"""Images are read, and files are written atomically."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unveil.errors import MissingInput, OutputUnwritable, UnreadableImage
from unveil.files import as_json, make_folder, read_image, replacing, write_json, write_png


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_final_name_appears_when_all_is_written(tmp_path: Path) -> None:
    target = tmp_path / "room.png"
    with replacing(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        temporary.write_text("new")
        assert not target.exists()
    assert names(tmp_path) == ["room.png"]
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyError()])
def test_after_an_error_the_old_file_stays_and_nothing_else(
    tmp_path: Path, error: Exception
) -> None:
    target = tmp_path / "room.png"
    target.write_text("old")
    expected = OutputUnwritable if isinstance(error, OSError) else KeyError

    def write_half() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(expected):
        write_half()
    assert names(tmp_path) == ["room.png"]
    assert target.read_text() == "old"


def test_the_message_names_file_reason_and_remedy(tmp_path: Path) -> None:
    target = tmp_path / "room.png"
    with pytest.raises(OutputUnwritable) as caught, replacing(target):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(target) in str(caught.value)
    assert "No space left on device" in str(caught.value)
    assert "choose another folder" in str(caught.value)


@pytest.mark.parametrize("parent", ["missing", "file", "n" * 300])
def test_where_nothing_can_be_written(tmp_path: Path, parent: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputUnwritable):
        write_json(tmp_path / parent / "report.json", {})


def test_a_folder_in_the_files_place(tmp_path: Path) -> None:
    (tmp_path / "report.json" / "inside").mkdir(parents=True)
    with pytest.raises(OutputUnwritable):
        write_json(tmp_path / "report.json", {})
    assert names(tmp_path) == ["report.json"]


def test_making_a_folder(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", tmp_path / "file" / "b"):
        with pytest.raises(OutputUnwritable, match="choose another one"):
            make_folder(wrong)


@pytest.mark.parametrize("channels", [3, 4])
def test_png(tmp_path: Path, channels: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    write_png(tmp_path / "room.png", picture)
    with Image.open(tmp_path / "room.png") as image:
        assert image.mode == {3: "RGB", 4: "RGBA"}[channels]
        np.testing.assert_array_equal(np.asarray(image), picture)


def test_a_full_disk_leaves_no_half_png(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(self: Image.Image, path: Path, **_: object) -> None:
        path.write_bytes(b"\x89PNG")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(OutputUnwritable):
        write_png(tmp_path / "room.png", np.zeros((2, 2, 3), np.uint8))
    assert names(tmp_path) == []


def test_json_knows_no_nan(tmp_path: Path) -> None:
    content = {
        "seconds": math.nan,
        "deep": [{"a": math.inf}, (1.5, -math.inf)],
        "name": "Grüße",
        "none": None,
        "flag": True,
    }
    write_json(tmp_path / "report.json", content)
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert "Grüße" in text
    assert json.loads(text) == {
        "seconds": None,
        "deep": [{"a": None}, [1.5, None]],
        "name": "Grüße",
        "none": None,
        "flag": True,
    }
    assert json.loads(as_json({})) == {}


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "CMYK"])
def test_any_kind_of_picture_is_read(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new("RGB", (5, 4), (9, 99, 199)).convert(mode).save(path)
    got = read_image(path)
    assert got.dtype == np.uint8
    assert got.shape == (4, 5, 4 if mode.endswith("A") else 3)


def test_a_palette_is_read_with_its_transparency(tmp_path: Path) -> None:
    palette = Image.new("RGB", (5, 4), (9, 99, 199)).quantize(2)
    palette.save(tmp_path / "a.png")
    palette.save(tmp_path / "b.png", transparency=0)
    assert read_image(tmp_path / "a.png").shape == (4, 5, 3)
    assert read_image(tmp_path / "b.png").shape == (4, 5, 4)


def test_a_camera_turned_on_its_side_is_turned_back(tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 2))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (4, 2, 3)


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    for name in ("none.png", "none.png" + "x" * 300, "none.png\0"):
        with pytest.raises(MissingInput, match=r"none\.png"):
            read_image(tmp_path / name)


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(whole)
    data = whole.read_bytes()
    broken = {
        "empty.png": b"",
        "text.png": b"not a picture",
        "cut.png": data[: len(data) // 2],
        "flipped.png": data[:60] + bytes(40) + data[100:],
    }
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableImage, match=name):
            read_image(tmp_path / name)
    with pytest.raises(UnreadableImage):
        read_image(tmp_path)
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(UnreadableImage, match="8 bits"):
        read_image(tmp_path / "deep.png")


@pytest.mark.parametrize("channels", [3, 4])
def test_pictures_are_written_and_read_back(tmp_path: Path, channels: int) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (7, 9, channels), dtype=np.uint8)
    write_png(tmp_path / "a.png", picture)
    assert np.array_equal(read_image(tmp_path / "a.png"), picture)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_an_unwritable_picture_is_reported(tmp_path: Path) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(OutputUnwritable, match="nowhere"):
        write_png(tmp_path / "nowhere" / "a.png", picture)
    (tmp_path / "b.png").mkdir()
    with pytest.raises(OutputUnwritable, match=r"b\.png"):
        write_png(tmp_path / "b.png", picture)
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.png"]


def test_a_full_disk_leaves_no_picture(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OutputUnwritable, match=r"a\.png"):
            write_png(tmp_path / "a.png", noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


# Names of outputs


def test_a_link_is_followed_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "target.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real" / "target.json")
    (tmp_path / "second.json").symlink_to("link.json")
    (tmp_path / "new.json").symlink_to(tmp_path / "real" / "made.json")
    for name in ("second.json", "new.json"):
        write_json(tmp_path / name, {"a": 1})
        assert (tmp_path / name).is_symlink()
        assert json.loads((tmp_path / name).read_text()) == {"a": 1}
    assert names(tmp_path / "real") == ["made.json", "target.json"]
    assert names(tmp_path) == ["link.json", "new.json", "real", "second.json"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.symlink_to(path), "symbolic link to itself"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.symlink_to("/dev/null"), "is a device or a pipe"),
        (lambda path: os.mkfifo(path), "is a device or a pipe"),
    ],
)
def test_what_is_no_file_is_refused_and_stays(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / "out.json"
    make(path)
    before = path.lstat().st_mode
    with pytest.raises(OutputUnwritable, match=said):
        write_json(path, {})
    assert path.lstat().st_mode == before
    assert names(tmp_path) == ["out.json"]


@pytest.mark.parametrize("stem", ["x", "ö", "日"])
@pytest.mark.parametrize("n_bytes", [200, 244, 250, 255])
def test_a_long_name_works(tmp_path: Path, stem: str, n_bytes: int) -> None:
    size = len(stem.encode())
    name = stem * ((n_bytes - 5) // size)
    name += "y" * (n_bytes - 5 - len(name.encode())) + ".json"
    assert len(name.encode()) == n_bytes
    write_json(tmp_path / name, {})
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("name", ["x" * 251 + ".json", "x." + "y" * 300, "a\0b"])
def test_a_name_that_cannot_be_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputUnwritable, match="choose a") as caught:
        write_json(tmp_path / name, {})
    assert "bug" not in str(caught.value)
    assert names(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_a_name_that_is_no_text_works(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"call\xff.json")
    write_json(path, {"name": path.name})
    assert json.loads(path.read_text()) == {"name": path.name}


def test_permissions_of_the_old_file_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.touch(0o600)
    write_json(path, {})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_file_and_folder_are_on_the_disk_before_and_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace

    def sync(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real_sync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        done.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", rename)
    write_json(tmp_path / "a.json", {})
    assert done == ["file", "rename", "folder"]


def test_a_disk_that_fails_at_the_end_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    write_json(tmp_path / "a.json", {"old": 1})
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputUnwritable, match="Input/output error"):
        write_json(tmp_path / "a.json", {})
    monkeypatch.undo()
    assert json.loads((tmp_path / "a.json").read_text()) == {"old": 1}
    assert names(tmp_path) == ["a.json"]


def test_an_error_with_a_message_of_its_own_keeps_it(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="gone"), replacing(tmp_path / "a"):
        raise MissingInput("gone")
