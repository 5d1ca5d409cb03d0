"""`unveil protect`: what it prints, how it ends, and a clear line for whatever is wrong."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

import unveil as library
from tests.command import finished, start_unveil, unveil
from tests.footage import write_sound, write_video
from tests.sitter import decoded, frame, luma_of

N_FRAMES = 12


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    path = write_video(folder / "video.mp4", map(frame, range(N_FRAMES)), rate=25)
    # What is compiled, and told, on the first run is not in the way of the tests.
    for mode in (("--mode", "blur"), ("--background", "white")):
        assert unveil("protect", path, "-o", folder / "warm.mp4", "--force", *mode).exit_code == 0
    return path


def assert_told(done: Result, said: str, exit_code: int) -> None:
    """Check that an error took one line and stdout none."""
    assert done.exit_code == exit_code, done.stderr
    assert done.stdout == ""
    assert re.fullmatch(r"unveil: [^\n]+: [^\n]+\n", done.stderr), done.stderr
    assert re.search(said, done.stderr), done.stderr


def test_it_protects_and_says_so(tmp_path: Path, video: Path) -> None:
    out = tmp_path / "out.mp4"
    done = unveil("protect", video, "-o", out, "--background", "white", "--model", "lite")
    assert (done.exit_code, done.stderr) == (0, "")
    # Nobody sits in noise: the whole of each frame is background.
    assert re.fullmatch(
        rf"{out}: {N_FRAMES} frames at \d+/s, {N_FRAMES} show the background alone\n", done.stdout
    )
    assert all(luma_of(made).min() > 230 for made in decoded(out))
    report = json.loads((tmp_path / "out.report.json").read_text())
    assert report["nobody_found"] == N_FRAMES


def test_quiet_and_json(tmp_path: Path, video: Path) -> None:
    arguments = ("protect", video, "-o", tmp_path / "out.mp4", "--model", "selfie")
    assert unveil(*arguments, "--quiet").stdout == ""
    done = unveil(*arguments, "--json", "--force")
    assert json.loads(done.stdout) == json.loads((tmp_path / "out.report.json").read_text())


def test_options_are_passed_on(tmp_path: Path, video: Path) -> None:
    done = unveil(
        *("protect", video, "-o", tmp_path / "out.mkv", "--mode", "blur", "--blur", "9"),
        *("--model", "selfie-landscape", "--edge", "0.7", "--smooth", "5", "--every", "2"),
        *("--codec", "ffv1", "--threads", "1", "--start", "0.08", "--end", "0:00.32"),
        *("--no-sound", "--json"),
    )
    report = json.loads(done.stdout)
    assert report["parameters"] == {
        "mode": "blur",
        "background": None,
        "blur": 9,
        "model": "selfie-landscape",
        "edge": 0.7,
        "smooth": 5,
        "careful": False,
        "every": 2,
    }
    assert report["output"]["codec"] == "ffv1"
    assert report["frames"] == 6
    assert report["threads"] == 1


def test_the_package_has_the_function() -> None:
    assert callable(library.protect)
    assert library.Protector.__name__ == "Protector"
    assert callable(library.protect)  # still, after its package was imported


def test_standard_input_and_output(tmp_path: Path, video: Path) -> None:
    write_video(tmp_path / "in.mkv", map(frame, range(N_FRAMES)), rate=25)
    program = "from unveil.cli import main; main()"
    arguments = ["protect", "-", "-o", "-", "--background", "white", "--model", "selfie"]
    with (tmp_path / "in.mkv").open("rb") as piped:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program, *arguments],
            stdin=piped,
            capture_output=True,
            check=True,
            timeout=100,
        )
    (tmp_path / "out.mkv").write_bytes(done.stdout)
    assert len(decoded(tmp_path / "out.mkv")) == N_FRAMES
    assert b"standard output: 12 frames" in done.stderr


def test_ctrl_c_completes_the_file_and_says_what_is_not_done(tmp_path: Path, video: Path) -> None:
    long = write_video(tmp_path / "long.mp4", map(frame, range(3000)), rate=25)
    process = start_unveil("protect", long, "-o", tmp_path / "out.mp4", "--model", "heavy")
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".out*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    code, out, err = finished(process)
    assert (code, out) == (130, "")
    assert re.search(r"interrupted; .*out.mp4 ends at \d+\.\d s, the rest is not done\n$", err), err
    assert 0 < len(decoded(tmp_path / "out.mp4")) < 3000
    assert json.loads((tmp_path / "out.report.json").read_text())["interrupted"]


def test_ctrl_c_ends_a_camera(tmp_path: Path, video: Path) -> None:
    camera = "lavfi:testsrc=size=64x48:rate=25,realtime"
    process = start_unveil(
        "protect", camera, "-o", tmp_path / "out.mp4", "--model", "selfie", "--background", "white"
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".out*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.6)
    process.send_signal(signal.SIGINT)
    code, out, err = finished(process)
    assert code == 0, err
    assert "Ctrl-C ends it" in err
    assert "frames at" in out
    assert decoded(tmp_path / "out.mp4")


# What is wrong


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--mode", "replace"), "--background: mode replace needs one"),
        (("--background", "no-such.jpg"), "--background: 'no-such.jpg' is no file, and no colour"),
        (("--codec", "nonsense"), "--codec: 'nonsense' is no video encoder"),
        (("--codec", "aac"), "--codec: 'aac' is no video encoder"),
        (("--edge", "2"), "--edge: 2.0 is outside"),
        (("--every", "0"), "--every: 0 is outside"),
        (("--blur", "1"), "--blur: 1 is outside"),
        (("--crf", "64"), "--crf: 64 is outside"),
        (("--start", "x"), "--start: 'x' is not a time"),
        (("--threads", "0"), "--threads: 0"),
    ],
)
def test_wrong_options(tmp_path: Path, video: Path, arguments: tuple[str, ...], said: str) -> None:
    assert_told(unveil("protect", video, "-o", tmp_path / "out.mp4", *arguments), said, 2)
    assert not list(tmp_path.iterdir())


def test_wrong_outputs(tmp_path: Path, video: Path) -> None:
    (tmp_path / "old.mp4").write_text("dear")
    for name, said, code in (
        ("old.mp4", "old.mp4: exists; .*--force", 1),
        ("no/out.mp4", "no is not a folder", 1),
        ("out.xyz", "names no container", 2),
        ("out.png", "--out: out.png names one picture", 2),
    ):
        assert_told(unveil("protect", video, "-o", tmp_path / name), said, code)
    done = unveil("protect", video, "-o", tmp_path / "o.webm", "--mode=remove", "--codec=libsvtav1")
    assert_told(done, "--codec: libsvtav1 keeps no transparency", 2)
    assert [path.name for path in tmp_path.iterdir()] == ["old.mp4"]


def test_wrong_inputs(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video" * 100)
    write_sound(tmp_path / "sound.mp4")
    for name, said in (
        ("no.mp4", "no such file"),
        ("text.mp4", "not a video"),
        ("sound.mp4", "sound but no video"),
        ("/dev/video77", "no such device"),
        ("v4l2:/dev/null", "the device does not open"),
        ("lavfi:nonsense", "the device does not open"),
    ):
        source = name if ":" in name or name.startswith("/") else tmp_path / name
        assert_told(unveil("protect", source, "-o", tmp_path / "out.mp4"), said, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sound.mp4", "text.mp4"]


def write_truncated_picture(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("b.png", write_truncated_picture, "b.png: is not a picture that can be read"),
        ("b.jpg", lambda path: path.write_text("text"), "b.jpg: is neither a picture nor a video"),
        ("b.mp4", lambda path: path.write_text("text" * 99), "b.mp4: not a video"),
        ("b.mp4", lambda path: path.write_bytes(b""), "b.mp4: the file is empty"),
    ],
)
def test_unreadable_backgrounds(
    tmp_path: Path, video: Path, name: str, write: object, said: str
) -> None:
    write(tmp_path / name)
    done = unveil("protect", video, "-o", tmp_path / "o.mp4", "--background", tmp_path / name)
    assert_told(done, said, 1)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_full_disk(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", map(frame, range(60)), rate=25)
    out = tmp_path / "out.mkv"
    process = start_unveil(
        *("protect", source, "-o", out, "--codec", "ffv1", "--model", "selfie", "--mode", "blur"),
        file_bytes=20_000,
    )
    code, _, err = finished(process)
    assert code == 1
    assert re.search(r"unveil: .*out.mkv: (no space left|cannot be written).*\n$", err), err
    assert not out.exists()


def test_sound_that_the_container_cannot_hold(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    with av.open(str(source), "w") as output:
        pictures = output.add_stream("libx264", rate=25)
        tone = output.add_stream("aac", rate=48000, layout="mono")
        for number in range(5):
            made = frame(number)
            made.pts = number
            if number == 0:
                pictures.width, pictures.height = made.width, made.height
            output.mux(pictures.encode(made))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 48000
        output.mux(tone.encode(silence))
        output.mux([*pictures.encode(None), *tone.encode(None)])
    done = unveil("protect", source, "-o", tmp_path / "out.webm", "--model", "selfie")
    assert_told(done, r"webm cannot hold sound in aac; take \.mkv.*or leave the sound out", 2)
