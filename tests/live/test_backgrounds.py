"""Backgrounds by their ids: built in, uploaded, and given on the command line."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.footage import write_video
from tests.sitter import frame
from unveil.errors import InvalidParameter, UnreadableImage
from unveil.live.backgrounds import GIVEN, MAX_UPLOADS, Backgrounds
from unveil.scenery import SCENES


def png(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 18), (level, 0, 0)).save(file, "PNG")
    return file.getvalue()


def ids(backgrounds: Backgrounds) -> list[str]:
    return [entry.id for entry in backgrounds.entries()]


def test_the_built_in_ones_come_first() -> None:
    assert ids(Backgrounds()) == list(SCENES) == ["wall", "dusk", "shelves", "slate"]
    for entry in Backgrounds().entries():
        assert entry.as_dict() == {
            "id": entry.id,
            "name": SCENES[entry.id].name,
            "thumbnail_url": f"/backgrounds/{entry.id}.jpg",
        }
        thumbnail = np.array(Image.open(io.BytesIO(entry.thumbnail)))
        assert thumbnail.shape == (90, 160, 3)
        source = Backgrounds().source(entry.id)
        assert isinstance(source, np.ndarray)
        assert abs(float(thumbnail.mean()) - float(source.mean())) < 3


def test_the_oldest_upload_makes_room_but_never_one_in_use() -> None:
    backgrounds = Backgrounds()
    first = backgrounds.add_upload(png(0)).id
    added = [backgrounds.add_upload(png(n), {first}).id for n in range(1, MAX_UPLOADS + 2)]
    assert ids(backgrounds) == [*SCENES, first, *added[2:]]
    assert backgrounds.find(added[0]) is None
    with pytest.raises(InvalidParameter, match="is no background"):
        backgrounds.source(added[0])


def test_a_refused_upload_changes_nothing() -> None:
    backgrounds = Backgrounds()
    with pytest.raises(UnreadableImage):
        backgrounds.add_upload(b"no picture")
    assert ids(backgrounds) == list(SCENES)
    assert backgrounds.add_upload(png(1)).name == "Picture 1"


@pytest.mark.parametrize("id_", ["#00ff00", "#ABCDEF"])
def test_a_colour_is_a_background(id_: str) -> None:
    assert Backgrounds().source(id_) == id_


@pytest.mark.parametrize("id_", ["", "#fff", "#00ff0g", "white", "wall ", "/dev/video0", "a" * 99])
def test_what_is_none(id_: str) -> None:
    with pytest.raises(InvalidParameter, match="is no background and no colour"):
        Backgrounds().check(id_)


def test_a_picture_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "beach.png"
    path.write_bytes(png(180))
    backgrounds = Backgrounds()
    assert backgrounds.add_given(str(path)) == GIVEN
    entry = backgrounds.find(GIVEN)
    assert entry is not None
    assert entry.name == "beach.png"
    assert isinstance(entry.source, np.ndarray)
    assert (entry.source == (180, 0, 0)).all()


def test_a_video_from_the_command_line(tmp_path: Path) -> None:
    path = write_video(tmp_path / "loop.mkv", map(frame, range(3)), rate=25)
    backgrounds = Backgrounds()
    assert backgrounds.add_given(str(path)) == GIVEN
    entry = backgrounds.find(GIVEN)
    assert entry is not None
    assert entry.source == str(path)
    assert Image.open(io.BytesIO(entry.thumbnail)).size == (160, 90)


@pytest.mark.parametrize(
    ("text", "id_"), [("dusk", "dusk"), ("white", "#ffffff"), ("#0a0b0c", "#0a0b0c")]
)
def test_a_name_or_a_colour_from_the_command_line(text: str, id_: str) -> None:
    backgrounds = Backgrounds()
    assert backgrounds.add_given(text) == id_
    backgrounds.check(id_)


def test_what_the_command_line_cannot_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"is no file, no colour .* none of wall, dusk"):
        Backgrounds().add_given("no-such-file.png")
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"\x89PNG nothing")
    with pytest.raises(UnreadableImage):
        Backgrounds().add_given(str(damaged))
