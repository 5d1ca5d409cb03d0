"""Bad input, through the command line: a clear line and an exit code, or what could be saved."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, get_args

import pyarrow.parquet as pq
import pytest
from typer.testing import Result

from tests.command import (
    CALL_FRAMES,
    RECOVER,
    Argument,
    finished,
    start_unveil,
    unveil,
    wait_until,
    write_call,
)
from tests.footage import cut, flip_bytes, noise_frames, textured_frames, write_sound, write_video
from unveil.files import read_image
from unveil.recovery.parameters import Method
from unveil.recovery.result import FILES
from unveil.recovery.warmup import prepare


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    """Compile what the cache does not hold: it is told, and writes files, on the first run."""
    for method in get_args(Method):
        prepare(method)


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_call(tmp_path_factory.mktemp("calls") / "call.mp4")


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def assert_told(done: Result, said: str, exit_code: int = 1) -> None:
    """Check that an error took one line, "unveil: NAME: what is wrong", and stdout none."""
    assert done.exit_code == exit_code
    assert done.stdout == ""
    assert re.fullmatch(r"unveil: [^:\n]+: [^\n]+\n", done.stderr), done.stderr
    assert re.search(said, done.stderr), done.stderr


# Inputs that hold nothing


def test_a_missing_file(tmp_path: Path) -> None:
    assert_told(unveil(*RECOVER, tmp_path / "no.mp4", "-o", tmp_path / "out"), "no such file")
    assert_told(
        unveil("timeline", tmp_path / "no.mp4", "--at", "1,1", "-o", tmp_path / "strip.png"),
        "no such file",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_video(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("no video")
    assert_told(unveil(*RECOVER, tmp_path / "folder", "-o", tmp_path / "out"), "no video in this")


def test_a_glob_that_matches_nothing(tmp_path: Path) -> None:
    assert_told(unveil(*RECOVER, tmp_path / "*.mp4", "-o", tmp_path / "out"), "no video matches")


def write_empty(path: Path) -> None:
    path.write_bytes(b"")


def write_text(path: Path) -> None:
    path.write_text("This is no video.\n" * 100)


def write_headless(path: Path) -> None:
    whole = write_video(path.with_name("whole.mp4"), textured_frames(20))
    cut(whole, path, 0.5)
    whole.unlink()


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (write_empty, "is empty"),
        (write_text, "not a video"),
        (write_sound, "sound but no video"),
        (write_headless, r"incomplete.*moov"),
    ],
)
def test_a_file_without_a_frame(tmp_path: Path, write: Any, said: str) -> None:
    write(tmp_path / "bad.mp4")
    assert_told(unveil(*RECOVER, tmp_path / "bad.mp4", "-o", tmp_path / "out"), said)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.mp4"]


def test_a_time_without_frames(tmp_path: Path, call: Path) -> None:
    done = unveil(*RECOVER, call, "-o", tmp_path / "out", "--start", "1:00")
    assert_told(done, r"call.mp4: no frame between 60 s and its end; the video lasts 1.33 s")
    assert not (tmp_path / "out").exists()


# Inputs of which something can be saved


def test_a_file_that_lost_its_second_half(tmp_path: Path) -> None:
    whole = write_video(
        tmp_path / "whole.mp4",
        textured_frames(40),
        container_options={"movflags": "faststart"},
    )
    half = cut(whole, tmp_path / "half.mp4", 0.5)
    done = unveil(*RECOVER, half, "-o", tmp_path / "out")
    assert done.exit_code == 0
    assert re.match(r"unveil: half.mp4: .*; recovered from what could be read\n", done.stderr)
    report = report_of(tmp_path / "out" / "half")
    assert 10 < report["frames_read"] < 30
    assert report["truncated"]


def test_flipped_bytes(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", textured_frames(40))
    damaged = flip_bytes(whole, tmp_path / "damaged.mp4", 0.3, 0.6, 300)
    done = unveil(*RECOVER, damaged, "-o", tmp_path / "out")
    assert done.exit_code == 0
    assert "damaged" in done.stderr
    report = report_of(tmp_path / "out" / "damaged")
    assert 10 < report["frames_read"] < 40
    assert report["frames_damaged"] > 0


def test_one_frame(tmp_path: Path) -> None:
    single = write_video(tmp_path / "single.mkv", textured_frames(1))
    assert unveil(*RECOVER, single, "-o", tmp_path / "out").exit_code == 0
    assert report_of(tmp_path / "out" / "single")["frames_read"] == 1
    assert (read_image(tmp_path / "out" / "single" / "room.png")[..., 3] == 0).all()


@pytest.mark.parametrize(
    ("height", "width", "pixel_format", "method"),
    [
        (1, 1, "yuv444p", "transitions"),
        (1, 1, "yuv420p", "rarest"),
        (5, 3, "yuv420p", "transitions"),
        (5, 3, "yuv422p", "rarest"),
        (539, 959, "yuv420p", "transitions"),
        (16, 16384, "yuv420p", "transitions"),
        (16, 16384, "yuv444p", "rarest"),
    ],
)
def test_odd_sizes(tmp_path: Path, height: int, width: int, pixel_format: str, method: str) -> None:
    n_frames = 2 if height > 100 else 12
    frames = noise_frames(n_frames, height, width, pixel_format)
    odd = write_video(tmp_path / "odd.nut", frames, codec="rawvideo")
    done = unveil(*RECOVER, odd, "-o", tmp_path / "out", "--method", method)
    assert done.exit_code == 0, done.stderr
    folder = tmp_path / "out" / "odd"
    assert report_of(folder)["frames_used"] == n_frames
    for name in ("room.png", "background.png"):
        assert read_image(folder / name).shape == (height, width, 4)


def test_frames_whose_state_exceeds_the_memory(
    tmp_path: Path, call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 100, "SC_PAGE_SIZE": 4096}.get)
    done = unveil(*RECOVER, call, "-o", tmp_path / "out")
    assert_told(done, r"call.mp4: .*64x48.* GiB.*fewer slots")
    assert not (tmp_path / "out").exists()


# Outputs


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_an_out_that_cannot_be_made(tmp_path: Path, call: Path, out: str) -> None:
    (tmp_path / "file").write_text("mine")
    for done in (
        unveil(*RECOVER, call, "-o", tmp_path / out),
        unveil("demo", "-o", tmp_path / out),
    ):
        assert_told(done, "cannot be made a folder")
    assert_told(
        unveil("timeline", call, "--at", "1,1", "-o", tmp_path / "file" / "strip.png"),
        "cannot be written",
    )
    assert (tmp_path / "file").read_text() == "mine"


def test_an_out_without_permission(tmp_path: Path, call: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o500)
    if os.access(tmp_path / "out", os.W_OK):
        pytest.skip("this user may write anywhere")
    assert_told(unveil(*RECOVER, call, "-o", tmp_path / "out"), "cannot be written")


def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    source = write_video(tmp_path / "large.mkv", textured_frames(6))
    out = tmp_path / "out"
    process = start_unveil(*RECOVER, source, "-o", out, file_bytes=8192)
    exit_code, shown, said = finished(process)
    assert exit_code == 1
    assert shown == ""
    assert re.fullmatch(
        r"unveil: .*cannot be written \(File too large\); free some space.*\n", said
    )
    left = [path.name for path in out.rglob("*") if path.is_file()]
    assert set(left) <= {"room.png"}
    if left:
        read_image(out / "large" / "room.png")  # whole: nothing was recovered, so it is tiny


def test_an_earlier_result_is_kept_without_force(tmp_path: Path, call: Path) -> None:
    out = tmp_path / "out"
    assert unveil(*RECOVER, call, "-o", out, "--end", "1").exit_code == 0
    earlier = {name: (out / "call" / name).read_bytes() for name in FILES}
    assert_told(
        unveil(*RECOVER, call, "-o", out), "earlier result with other parameters; add --force"
    )
    assert {name: (out / "call" / name).read_bytes() for name in FILES} == earlier
    assert unveil(*RECOVER, call, "-o", out, "--force").exit_code == 0
    assert report_of(out / "call")["frames_read"] == CALL_FRAMES


# Options


@pytest.mark.parametrize(
    "options",
    [
        ("--threshold", "100.1"),
        ("--threshold", "-1"),
        ("--threshold", "nan"),
        ("--threshold", "1.5", "--metric", "cosine"),
        ("--noise-frames", "-1"),
        ("--slots", "1"),
        ("--bits", "0"),
        ("--bits", "9"),
        ("--tolerance", "256"),
        ("--threads", "0"),
        ("--chunk", "0"),
        ("--stride", "0"),
        ("--start", "-1"),
        ("--end", "0"),
        ("--preview", "0"),
    ],
)
def test_an_option_out_of_range(tmp_path: Path, call: Path, options: tuple[str, ...]) -> None:
    done = unveil(*RECOVER, call, "-o", tmp_path / "out", *options)
    assert_told(done, f"unveil: {options[0]}: ", exit_code=2)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("recover",),
        ("recover", "call.mp4"),
        ("recover", "call.mp4", "-o", "out", "--method", "other"),
        ("recover", "call.mp4", "-o", "out", "--metric", "other"),
        ("recover", "call.mp4", "-o", "out", "--bits", "many"),
        ("recover", "call.mp4", "-o", "out", "--other"),
        ("timeline", "call.mp4", "-o", "strip.png"),
        ("demo", "--kind", "other"),
        ("score", "room.png"),
        ("other",),
    ],
)
def test_a_command_that_is_misspelled(arguments: tuple[str, ...]) -> None:
    done = unveil(*arguments)
    assert done.exit_code == 2
    assert "Usage" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("at", ["64,0", "0,48", "-1,0", "5", "5,6,7", "a,b", "1.5,2", ""])
def test_a_pixel_outside(tmp_path: Path, call: Path, at: str) -> None:
    done = unveil("timeline", call, f"--at={at}", "-o", tmp_path / "strip.png")
    assert_told(done, "unveil: --at: ", exit_code=2)
    assert not (tmp_path / "strip.png").exists()


def test_pictures_that_cannot_be_scored(tmp_path: Path, call: Path) -> None:
    assert unveil(*RECOVER, call, "-o", tmp_path, "--quiet").exit_code == 0
    room = tmp_path / "call" / "room.png"
    assert_told(unveil("score", room, "--truth", tmp_path / "no.png"), "no.png")
    assert_told(unveil("score", room, "--truth", call), "call.mp4")
    other = tmp_path / "other.png"
    other.write_bytes(room.read_bytes()[:60])
    assert_told(unveil("score", room, "--truth", other), "other.png")
    done = unveil("score", room, "--truth", room, "--threshold", "101")
    assert_told(done, "unveil: --threshold: ", exit_code=2)
    damaged = tmp_path / "truth.npz"
    damaged.write_bytes(b"no archive")
    assert_told(unveil("score", room, "--truth", damaged), "truth.npz")
    assert_told(unveil("score", room, "--truth", tmp_path / "no.npz"), "no.npz")


# Batches, pipes and Ctrl-C


def test_bad_inputs_do_not_stop_good_ones(tmp_path: Path, call: Path) -> None:
    inputs: list[Argument] = [tmp_path / name for name in ("empty.mp4", "text.mp4", "no.mp4")]
    write_empty(tmp_path / "empty.mp4")
    write_text(tmp_path / "text.mp4")
    last = shutil.copy(call, tmp_path / "last.mp4")
    done = unveil(*RECOVER, *inputs, call, last, "-o", tmp_path / "out")
    assert done.exit_code == 1
    missing, *failed = (line.split(": ")[1] for line in done.stderr.splitlines())
    assert missing == str(tmp_path / "no.mp4")
    assert sorted(failed) == ["empty.mp4", "text.mp4"]  # told as they come
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["call", "last"]
    assert len(done.stdout.splitlines()) >= 6
    assert "is empty" in done.stdout


def test_standard_input(tmp_path: Path) -> None:
    video = write_video(tmp_path / "video.mkv", textured_frames(20))
    with video.open("rb") as stdin:
        process = start_unveil(*RECOVER, "-", "-o", tmp_path / "out", "--json", stdin=stdin)
        exit_code, shown, said = finished(process)
    assert (exit_code, said) == (0, "")
    assert json.loads(shown)["frames_read"] == 20
    assert sorted(path.name for path in (tmp_path / "out" / "stdin").iterdir()) == sorted(FILES)


def test_standard_input_that_is_no_video(tmp_path: Path) -> None:
    process = start_unveil(*RECOVER, "-", "-o", tmp_path / "out", stdin=subprocess.DEVNULL)
    exit_code, shown, said = finished(process)
    assert (exit_code, shown) == (1, "")
    assert re.fullmatch(r"unveil: standard input: no video that .*\n", said)


def test_ctrl_c_in_a_batch_keeps_what_is_finished(tmp_path: Path, call: Path) -> None:
    out, later = tmp_path / "out", shutil.copy(call, tmp_path / "later.mp4")
    # The second input is being read when the signal comes: it has frames for minutes.
    slow = write_video(tmp_path / "slow.mkv", textured_frames(600))
    process = start_unveil(
        *(*RECOVER, call, slow, later, "-o", out, "--preview", "0.000001", "--chunk", "1"),
        *("--workers", "1"),
    )
    wait_until((out / "slow" / "room.png").exists, process)
    process.send_signal(signal.SIGINT)
    exit_code, shown, said = finished(process)
    assert exit_code == 130
    assert said == (
        "unveil: interrupted; not finished: slow.mkv; not started: later.mp4; "
        "finished results stay\n"
    )
    assert "interrupted" in shown
    assert sorted(path.name for path in (out / "call").iterdir()) == sorted(FILES)
    assert not (out / "slow" / "report.json").exists()
    assert not (out / "later").exists()


@pytest.mark.parametrize("method", get_args(Method))
def test_ctrl_c_ends_a_recording_and_keeps_it(tmp_path: Path, method: Method) -> None:
    """The source delivers without a pause: Ctrl-C comes while frames are counted."""
    camera = "lavfi:testsrc=size=320x240:rate=100"
    process = start_unveil(
        *("recover", "--method", method, camera, "-o", tmp_path / "out", "--preview", "0.1"),
        *("--person-every", "50", "--threads", "2", "--json"),
    )
    folder = tmp_path / "out" / "testsrc=size=320x240_rate=100"
    wait_until((folder / "background.png").exists, process)
    process.send_signal(signal.SIGINT)
    exit_code, shown, said = finished(process)
    assert exit_code == 0
    assert json.loads(shown)["interrupted"]
    assert "Ctrl-C ends it" in said
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    n_frames = report_of(folder)["frames_used"]
    assert n_frames > 0
    # A chunk that was counted by half makes counts wrap to nearly 2**32.
    stats = pq.read_table(folder / "stats.parquet")
    for name in ("background_count", "room_count", "episodes", "last_frame"):
        assert max(stats[name].drop_null().to_pylist(), default=0) <= n_frames
