"""Copies without the leaks: what is covered, what stays as it is, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

import unveil
from tests.command import call_frames
from tests.command import unveil as command
from tests.swaying import ASTRONAUT
from unveil.auditing.redact import DEFAULT_CRF
from unveil.cli.redact import CRF
from unveil.errors import CannotRedact, Interrupted, InvalidParameter, OutputExists

U8 = npt.NDArray[np.uint8]
RATE = 30


def pictures(path: Path) -> U8:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def sound_of(path: Path) -> list[tuple[float, bytes]]:
    """Read time and content of each packet of sound."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        packets = [packet for packet in container.demux(stream) if packet.size]
        return [
            (round(float(packet.pts * packet.time_base), 3), bytes(packet)) for packet in packets
        ]


def psnr(first: U8, second: U8) -> float:
    error = np.mean((first.astype(float) - second) ** 2)
    return math.inf if not error else float(10 * np.log10(255**2 / error))


def tone() -> Iterator[av.AudioFrame]:
    for number in range(64):
        wave = 0.3 * np.sin(np.arange(number * 1024, (number + 1) * 1024) / 15)
        frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, number * 1024, Fraction(1, 48000)
        yield frame


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the small call with sound."""
    path = tmp_path_factory.mktemp("talk") / "talk.mp4"
    with av.open(str(path), "w") as output:
        video: Any = output.add_stream("libx264", rate=RATE, options={"qp": "0"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv444p"
        sound: Any = output.add_stream("aac", rate=48000, layout="mono")
        for number, frame in enumerate(call_frames()):
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        for samples in tone():
            output.mux(sound.encode(samples))
        output.mux(sound.encode(None))
    return path


@pytest.fixture(scope="module")
def copied(talk: Path) -> unveil.Redaction:
    return unveil.redact(talk, talk.with_name("copy.mp4"), method="transitions", codec="libx264")


def test_what_was_recovered_is_no_longer_shown(talk: Path, copied: unveil.Redaction) -> None:
    recovery = unveil.recover(talk, method="transitions")
    claimed = recovery.room[..., 3] > 0
    room = recovery.room[..., :3].astype(int)
    before, after = (
        np.count_nonzero(claimed & (np.abs(frames - room).max(3) <= 25))
        for frames in (pictures(talk).astype(int), pictures(copied.output).astype(int))
    )
    assert before > 5000
    assert after < before / 100
    again = unveil.recover(copied.output, method="transitions")
    assert again.report["coverage"] < recovery.report["coverage"] / 10


def test_sound_and_times_stay_as_they_are(talk: Path, copied: unveil.Redaction) -> None:
    assert sound_of(copied.output) == sound_of(talk)
    with av.open(str(talk)) as first, av.open(str(copied.output)) as second:
        times = [[frame.time for frame in one.decode(video=0)] for one in (first, second)]
    assert times[1] == pytest.approx(times[0], abs=1e-3)


def test_the_report_tells_what_is_covered(copied: unveil.Redaction) -> None:
    stored = json.loads(copied.output.with_name("copy.report.json").read_text())
    assert stored == copied.report
    assert stored["frames"] == 40
    assert 30 <= stored["frames_covered"] <= 40
    assert 0 < stored["covered_share"] <= stored["most_covered_share"] < 0.5
    assert f"{stored['frames_covered']} of them covered" in copied.summary
    assert copied.complete


def test_a_simulated_call_loses_its_room_and_little_else(tmp_path: Path) -> None:
    made = unveil.simulate_call(
        tmp_path / "made",
        ASTRONAUT,
        height=144,
        width=192,
        n_frames=40,
        segmenter="full",
        camera_noise=0,
    )
    recovery = unveil.recover(made.call, method="farend")
    recovery.save(tmp_path / "before")
    copy = tmp_path / "copy.mp4"
    unveil.redact(made.call, copy, recovered=recovery, method="farend")
    unveil.recover(copy, method="farend").save(tmp_path / "after")
    before, after = (
        unveil.score_truth(tmp_path / name, made.truth) for name in ("before", "after")
    )
    assert before.f > 0.1
    assert after.f < before.f / 10
    truth = unveil.Truth.read(made.truth)
    outside = (truth.leak == 0) & (recovery.room[..., 3] == 0)
    frames, copied = pictures(made.call), pictures(copy)
    assert frames.shape == copied.shape
    assert psnr(frames[:, outside], copied[:, outside]) > 33


def test_a_call_without_leaks_is_copied_with_a_note(call: Path, tmp_path: Path) -> None:
    recovery = unveil.recover(call, method="transitions")
    empty = replace(
        recovery,
        room=np.zeros_like(recovery.room),
        confidence=np.zeros_like(recovery.confidence),
    )
    done = unveil.redact(call, tmp_path / "copy.mp4", recovered=empty, method="transitions")
    assert done.report["frames_covered"] == 0
    assert "nothing of the room was found, so nothing is covered" in done.notes


@pytest.mark.parametrize("motion", ["moves", "pans", "loops"])
def test_a_moving_background_is_refused(call: Path, tmp_path: Path, motion: str) -> None:
    recovery = unveil.recover(call, method="transitions")
    moving = replace(recovery, report={**recovery.report, "background": motion})
    with pytest.raises(CannotRedact, match=rf"call\.mp4: its virtual background {motion}"):
        unveil.redact(call, tmp_path / "copy.mp4", recovered=moving)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"stride": 2}, "stride"),
        ({"crop": "32:32"}, "crop"),
        ({"crf": 64}, "crf"),
    ],
)
def test_what_a_copy_cannot_have_is_refused(
    call: Path, tmp_path: Path, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidParameter, match=f"^{named}"):
        unveil.redact(call, tmp_path / "copy.mp4", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output", ["frame-%03d.png", "-", "camera"])
def test_a_copy_is_a_video_file(call: Path, output: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^output"):
        unveil.redact(call, output)


def test_an_earlier_copy_is_kept(call: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_text("earlier")
    with pytest.raises(OutputExists):
        unveil.redact(call, copy, method="transitions")
    assert copy.read_text() == "earlier"


def test_a_request_to_stop_leaves_nothing(call: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        unveil.redact(call, tmp_path / "copy.mp4", method="transitions", stop=lambda: True)
    assert list(tmp_path.iterdir()) == []


def test_the_command_has_the_defaults_of_the_library(call: Path, tmp_path: Path) -> None:
    assert CRF == DEFAULT_CRF
    copy = tmp_path / "copy.mkv"
    done = command("redact", call, "-o", copy, "--method", "transitions")
    assert done.exit_code == 0
    assert "40 frames" in done.stdout
    assert pictures(copy).shape == (40, 48, 64, 3)
    pipe = command("redact", "-", "-o", tmp_path / "b.mp4")
    assert pipe.exit_code == 2
    assert "record it to a file first" in pipe.stderr
