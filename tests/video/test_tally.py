"""Truncated or not: the declared length against what was read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.footage import cut
from tests.talks import evenly, write_talk
from unveil.video.reader import open_video
from unveil.video.tally import DecodeTally, Length


def tally_of(path: Path) -> DecodeTally:
    with open_video(path) as video:
        for _ in video.chunks():
            pass
    return video.tally


@pytest.fixture
def long_sound(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Write 2 s of pictures with 8 s of sound."""
    name, codec, sound = request.param
    options = None if codec == "libx264" else {"g": "10"}
    path = write_talk(
        tmp_path / name, evenly(20), sound=(0, 8), codec=codec, sound_codec=sound, options=options
    )
    if path.suffix in (".mkv", ".webm"):
        # As a writer that knows no tags, such as a browser, leaves the file.
        data = path.read_bytes()
        assert data.count(b"DURATION") >= 1
        path.write_bytes(data.replace(b"DURATION", b"DURANONE"))
    return path


KINDS = [
    ("talk.webm", "libvpx", "libopus"),
    ("talk.mkv", "libx264", "aac"),
    ("talk.flv", "libx264", "aac"),
    ("talk.ts", "libx264", "aac"),
    ("talk.mp4", "libx264", "aac"),
    ("talk.avi", "mpeg4", "pcm_s16le"),
    ("talk.nut", "libx264", "aac"),
]


@pytest.mark.parametrize("long_sound", KINDS, indirect=True, ids=[kind[0] for kind in KINDS])
def test_sound_that_is_longer_than_the_picture_is_no_damage(long_sound: Path) -> None:
    tally = tally_of(long_sound)
    assert (tally.frames_read, tally.truncated, tally.reason) == (20, False, None)


@pytest.mark.parametrize("long_sound", KINDS[:3], indirect=True, ids=[k[0] for k in KINDS[:3]])
def test_such_a_file_that_is_cut_off_is_truncated(tmp_path: Path, long_sound: Path) -> None:
    tally = tally_of(cut(long_sound, tmp_path / f"cut{long_sound.suffix}", 0.6))
    assert tally.truncated
    assert tally.reason is not None


@pytest.mark.parametrize(
    ("reached", "others", "said"),
    [
        (10.0, -1e9, None),
        (9.2, -1e9, None),
        (8.9, -1e9, "ends after 8.9 of 10.0 seconds"),
        (5.0, 9.9, None),
        (5.0, 8.0, "ends after 5.0 of 10.0 seconds"),
        (float("-inf"), 9.9, None),
    ],
)
def test_the_latest_end_of_all_streams_counts(
    reached: float, others: float, said: str | None
) -> None:
    length = Length(10.0, is_own=False, frames=None)
    assert length.shortfall(100, reached, others, from_start=True) == said


def test_a_length_of_the_pictures_alone_is_not_met_by_sound() -> None:
    length = Length(10.0, is_own=True, frames=None)
    assert length.shortfall(100, 5.0, 10.0, from_start=True) == "ends after 5.0 of 10.0 seconds"
