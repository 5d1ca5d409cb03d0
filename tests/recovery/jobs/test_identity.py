"""Hashes of contents and of parameters."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unveil.recovery.jobs import identity
from unveil.recovery.jobs.identity import content_hash, finished_report, parameters_hash
from unveil.recovery.parameters import RecoverOptions
from unveil.video.source import Source, source_of


def test_a_file_is_hashed_as_a_whole(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(3 * 2**20 + 17)
    (tmp_path / "call.mp4").write_bytes(content)
    told = content_hash(source_of(tmp_path / "call.mp4"))
    assert told == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_large_file_is_sampled_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(identity, "SAMPLE_BYTES", 8)
    path = tmp_path / "call.mp4"
    content = bytearray(range(256)) * 16

    def hashed(seconds: int = 10) -> str | None:
        path.write_bytes(content)
        os.utime(path, (seconds, seconds))
        return content_hash(source_of(path))

    first = hashed()
    assert str(first).startswith("sha256-sampled:")
    assert hashed() == first
    assert hashed(11) != first
    for place in (0, len(content) - 1):
        content[place] ^= 1
        assert hashed() != first
        content[place] ^= 1
    content.append(0)
    assert hashed() != first


def test_pictures_are_hashed_and_what_cannot_be_read_twice_is_not(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"100%-{number:03}.png")
    pictures = source_of(tmp_path / "100%-%03d.png")
    first = content_hash(pictures)
    assert first is not None
    Image.new("RGB", (8, 8), "red").save(tmp_path / "100%-002.png")
    assert content_hash(pictures) != first
    assert content_hash(Source("-")) is None
    assert content_hash(Source("https://example.org/call.mp4")) is None
    assert content_hash(Source("/dev/video0", "v4l2", live=True)) is None


def test_options_that_change_no_result_do_not_count(tmp_path: Path) -> None:
    first = parameters_hash(RecoverOptions(), "auto")
    for same in ({"threads": 3}, {"chunk_frames": 5}, {"threshold": 5.06}):
        assert parameters_hash(RecoverOptions(**same), "auto") == first
    others: list[dict[str, Any]] = [
        {"method": "rarest"},
        {"threshold": 6.0},
        {"start_seconds": 1.0},
        {"stride": 2},
        {"stream": 0},
        {"crop": "8:8:0:0"},
        {"background": np.zeros((2, 2, 3), np.uint8)},
        {"background": np.ones((2, 2, 3), np.uint8)},
    ]
    hashes = [parameters_hash(RecoverOptions(**other), "auto") for other in others]
    assert len({first, parameters_hash(RecoverOptions(), "off"), *hashes}) == len(others) + 2


def test_a_crop_and_a_picture_count_by_what_they_are(tmp_path: Path) -> None:
    crops = (parameters_hash(RecoverOptions(crop=c), "auto") for c in ("8:8:0:0", (8, 8, 0, 0)))
    assert len(set(crops)) == 1
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    pictures = [RecoverOptions(background=tmp_path / name) for name in ("a.png", "b.png")]
    assert len({parameters_hash(options, "auto") for options in pictures}) == 1


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"null", b"[" * 100_000, b"\xff"])
def test_a_damaged_report_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "report.json").write_bytes(content)
    assert finished_report(tmp_path) is None
