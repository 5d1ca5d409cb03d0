"""`protect`: times, sound, sizes, transparency, interruptions, and memory that does not grow."""

from __future__ import annotations

import io
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import av
import numpy as np
import pytest
from PIL import Image

from tests import sitter
from tests.footage import numbered_frames, write_video
from tests.interrupts import ctrl_c_raises, press_ctrl_c
from tests.sitter import INSIDE, OUTSIDE, Watcher, decoded, frame, luma_of, seated
from unveil.errors import (
    Interrupted,
    InvalidParameter,
    NoFrames,
    OutputExists,
    OutputUnwritable,
    ProtectionFailed,
    UnreadableVideo,
)
from unveil.progress import Progress
from unveil.protection import Protection, protect, run
from unveil.protection import protector as protector_module
from unveil.video import audio
from unveil.video.source import Source
from unveil.video.writer import VideoWriter

posix = pytest.mark.skipif(os.name == "nt", reason="sends signals to a thread")

RATE = 25
SOUND_RATE = 48000


def sitting(n: int, height: int = sitter.HEIGHT, width: int = sitter.WIDTH) -> Iterator[Any]:
    return (frame(number, height, width) for number in range(n))


def write_talk(path: Path, n_frames: int, codec: str = "aac", seconds: float | None = None) -> Path:
    """Write frames with a tone of 440 Hz, which lasts as long as they do or as said."""
    length = n_frames / RATE if seconds is None else seconds
    with av.open(str(path), "w") as output:
        pictures: Any = output.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        pictures.width, pictures.height = sitter.WIDTH, sitter.HEIGHT
        tone: Any = output.add_stream(codec, rate=SOUND_RATE, layout="mono")
        for number, made in enumerate(sitting(n_frames)):
            made.pts, made.time_base = number, Fraction(1, RATE)
            output.mux(pictures.encode(made))
        size = tone.codec_context.frame_size or 960
        name = tone.codec_context.format.name
        for first in range(0, int(length * SOUND_RATE), size):
            wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(first, first + size) / SOUND_RATE)
            samples = wave if name.startswith("fl") else (wave * 32767).astype(np.int16)
            dtype = np.float32 if name.startswith("fl") else np.int16
            heard = av.AudioFrame.from_ndarray(samples.astype(dtype)[None], name, "mono")
            heard.sample_rate, heard.pts, heard.time_base = (
                SOUND_RATE,
                first,
                Fraction(1, SOUND_RATE),
            )
            output.mux(tone.encode(heard))
        output.mux(pictures.encode(None))
        output.mux(tone.encode(None))
    return path


def white(source: Any, output: Any, watcher: Watcher | None = None, **options: Any) -> Protection:
    settings: dict[str, Any] = {"background": "white", "threads": 2, "smooth": 1} | options
    return protect(source, output, segmenter=watcher or Watcher(), **settings)


def sound_of(path: Path) -> tuple[float, float, list[bytes]]:
    """Begin and end in seconds, and the packets, of a file's sound."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        packets = [packet for packet in container.demux(stream) if packet.size]
        begin = float(packets[0].pts * packets[0].time_base)
        end = float((packets[-1].pts + packets[-1].duration) * packets[-1].time_base)
        return begin, end, [bytes(packet) for packet in packets]


def times_of(path: Path) -> list[float]:
    return [float(shown.pts * shown.time_base) for shown in decoded(path)]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "video.mp4", sitting(30), rate=RATE)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_talk(tmp_path_factory.mktemp("talks") / "talk.mp4", 100)


# What comes out


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_sound_after_a_short_picture_is_copied_as_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It would pile up in memory until the end of the file."""
    monkeypatch.setattr(audio, "MAX_PACKETS", 20)
    call = write_talk(tmp_path / "call.mkv", 10, seconds=20)
    white(call, tmp_path / name)
    _, _, wanted = sound_of(call)
    begin, end, packets = sound_of(tmp_path / name)
    assert packets == wanted
    assert begin < 0.1
    assert end == pytest.approx(20, abs=0.1)
    assert len(decoded(tmp_path / name)) == 10


def test_a_full_disk_ends_it_while_sound_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio, "MAX_PACKETS", 20)

    def refuse(*_: object) -> None:
        raise OutputUnwritable("no space left")

    monkeypatch.setattr(VideoWriter, "write_sound", refuse)
    call = write_talk(tmp_path / "call.mkv", 10, seconds=20)
    with pytest.raises(OutputUnwritable, match="no space left"):
        white(call, tmp_path / "out.mkv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["call.mkv"]


def test_every_frame_comes_out_without_the_room(tmp_path: Path, video: Path) -> None:
    done = white(video, tmp_path / "out.mp4", crf=1)
    shown = decoded(tmp_path / "out.mp4")
    assert len(shown) == 30
    for number, made in enumerate(shown):
        assert np.abs(luma_of(made)[INSIDE].astype(int) - sitter.SKIN).max() < 6
        for outside in OUTSIDE:
            assert luma_of(made)[outside].min() > 225, number
    assert done.output == tmp_path / "out.mp4"
    assert not done.interrupted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "out.report.json"]


def test_the_report_tells_everything(tmp_path: Path, video: Path) -> None:
    watcher = Watcher(lambda n: RuntimeError("no") if n == 4 else None if n == 7 else seated())
    done = white(video, tmp_path / "out.mp4", watcher, start_seconds=0.2, edge=0.6)
    report = json.loads((tmp_path / "out.report.json").read_text())
    assert report == json.loads(json.dumps(done.report))
    assert report["parameters"] == {
        "mode": "replace",
        "background": "white",
        "blur": None,
        "model": "auto",
        "edge": 0.6,
        "smooth": 1,
        "careful": False,
        "every": 1,
    }
    assert report["input"]["name"] == "video.mp4"
    assert report["input"]["width"] == sitter.WIDTH
    assert report["frames"] == 25
    assert report["frames_failed_closed"] == 2
    assert (report["nobody_found"], report["segmentation_failed"]) == (1, 1)
    assert report["last_error"] == "RuntimeError: no"
    assert report["selection"] == {"start_seconds": 0.2, "end_seconds": None}
    assert report["version"]
    assert "2 show the background alone" in done.summary
    assert any("RuntimeError: no" in note for note in done.notes)


def test_threads_and_runs_change_no_byte(tmp_path: Path, talk: Path) -> None:
    for number, threads in enumerate((1, 2, 2)):
        path = tmp_path / f"{number}.mkv"
        white(talk, path, threads=threads, codec="ffv1", end_seconds=1)
    first, *others = (path.read_bytes() for path in sorted(tmp_path.glob("*.mkv")))
    assert others == [first, first]


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    pts = [0, 3, 4, 10, 11, 30]
    source = write_video(
        tmp_path / "vfr.mkv", sitting(6), pts=[40 * p for p in pts], time_base=Fraction(1, 1000)
    )
    white(source, tmp_path / "out.mkv")
    assert times_of(tmp_path / "out.mkv") == pytest.approx([p * 0.04 for p in pts], abs=1e-3)
    white(source, tmp_path / "out.mp4")
    assert times_of(tmp_path / "out.mp4") == pytest.approx([p * 0.04 for p in pts], abs=1e-3)


def test_frames_without_times_are_spaced_by_the_rate(tmp_path: Path) -> None:
    source = write_video(tmp_path / "raw.h264", sitting(10), rate=RATE)
    white(source, tmp_path / "out.mp4")
    steps = np.diff(times_of(tmp_path / "out.mp4"))
    assert len(steps) == 9
    assert (steps > 0).all()


def test_a_stretch_of_time(tmp_path: Path, video: Path) -> None:
    white(video, tmp_path / "out.mp4", start_seconds=0.4, end_seconds=0.8)
    assert times_of(tmp_path / "out.mp4") == pytest.approx([n / RATE for n in range(10)])
    with pytest.raises(NoFrames):
        white(video, tmp_path / "no.mp4", start_seconds=50)
    assert not list(tmp_path.glob("*no*"))


def test_colours_keep_their_tags(tmp_path: Path) -> None:
    source = write_video(tmp_path / "full.mkv", sitting(3), colour_range=2)
    white(source, tmp_path / "out.mkv")
    assert decoded(tmp_path / "out.mkv")[0].color_range == 2
    assert luma_of(decoded(tmp_path / "out.mkv")[0])[0, 0] >= 253  # white in full range


def test_a_turned_video_comes_out_upright(tmp_path: Path) -> None:
    source = write_video(tmp_path / "turned.mp4", sitting(3), rotation=(90, False, False))
    white(source, tmp_path / "out.mp4", Watcher(lambda number: seated(96, 64)))
    shown = decoded(tmp_path / "out.mp4")[0]
    assert (shown.height, shown.width) == (sitter.WIDTH, sitter.HEIGHT)
    assert "DISPLAYMATRIX" not in {str(data.type).rsplit(".", 1)[-1] for data in shown.side_data}


def test_the_shape_of_pixels_is_kept(tmp_path: Path) -> None:
    with VideoWriter(
        tmp_path / "wide.mp4", height=64, width=96, frame_rate=25, pixel_aspect=Fraction(16, 11)
    ) as writer:
        for made in sitting(3):
            writer.write(made)
    white(tmp_path / "wide.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 11)


def test_odd_sizes(tmp_path: Path) -> None:
    source = write_video(tmp_path / "odd.mkv", sitting(3, 51, 77), codec="ffv1")
    white(source, tmp_path / "out.mp4", Watcher(lambda number: seated(51, 77)))
    shown = decoded(tmp_path / "out.mp4")
    assert (shown[0].height, shown[0].width) == (51, 77)


def test_a_size_that_changes_is_scaled_to_the_largest(tmp_path: Path) -> None:
    parts = [
        write_video(tmp_path / "a.h264", sitting(5), rate=RATE),
        write_video(tmp_path / "b.h264", sitting(5, 128, 192), rate=RATE),
    ]
    both = tmp_path / "both.h264"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    done = white(both, tmp_path / "out.mp4", Watcher(lambda number: seated(128, 192)), crf=1)
    shown = decoded(tmp_path / "out.mp4")
    assert {(made.height, made.width) for made in shown} == {(128, 192)}
    assert len(shown) == 10
    assert luma_of(shown[-1])[OUTSIDE[0]].min() > 225
    assert any("5 frames of another size" in note for note in done.notes)


def test_a_background_video_repeats_at_its_own_pace(tmp_path: Path, video: Path) -> None:
    film = write_video(tmp_path / "film.mp4", numbered_frames(4, first=40), rate=10)
    nobody = Watcher(lambda number: None)
    white(video, tmp_path / "out.mkv", nobody, background=str(film), codec="ffv1")
    levels = [int(luma_of(made)[30, 50]) for made in decoded(tmp_path / "out.mkv")]
    assert levels == [40 + int(n / RATE * 10 + 1e-6) % 4 for n in range(30)]


# Sound


def test_sound_is_copied(tmp_path: Path, talk: Path) -> None:
    for name in ("out.mp4", "out.mkv"):
        done = white(talk, tmp_path / name)
        begin, end, packets = sound_of(talk)
        got_begin, got_end, got = sound_of(tmp_path / name)
        assert got == packets
        assert abs((got_end - got_begin) - (end - begin)) < 0.05
        assert abs(got_begin - begin) < 0.05
        assert done.report["output"]["sound_streams"] == 1
        with av.open(str(talk)) as source, av.open(str(tmp_path / name)) as out:
            assert source.duration
            assert out.duration
            assert abs(source.duration - out.duration) < 50_000


def test_sound_follows_the_stretch_of_time(tmp_path: Path, talk: Path) -> None:
    white(talk, tmp_path / "out.mp4", start_seconds=1.0, end_seconds=2.5)
    begin, end, _ = sound_of(tmp_path / "out.mp4")
    assert abs(begin) < 0.05
    assert abs(end - 1.5) < 0.05
    assert len(times_of(tmp_path / "out.mp4")) == 38


def test_sound_that_outlasts_the_pictures_is_kept(tmp_path: Path) -> None:
    source = write_talk(tmp_path / "long.mp4", 20, seconds=2.0)
    white(source, tmp_path / "out.mp4")
    assert abs(sound_of(tmp_path / "out.mp4")[1] - sound_of(source)[1]) < 0.05


def test_sound_of_a_pipe_is_copied(
    tmp_path: Path, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    white(talk, tmp_path / "talk.mkv")
    out = io.BytesIO()
    with (tmp_path / "talk.mkv").open("rb") as piped:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=piped))
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out))
        done = white("-", "-")
    monkeypatch.undo()
    assert done.output is None
    (tmp_path / "out.mkv").write_bytes(out.getvalue())
    assert len(decoded(tmp_path / "out.mkv")) == 100
    assert sound_of(tmp_path / "out.mkv")[2] == sound_of(talk)[2]


def test_sound_that_does_not_fit_is_told(tmp_path: Path, talk: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"webm cannot hold sound in aac; take \.mkv"):
        white(talk, tmp_path / "out.webm", end_seconds=0.2)
    assert not list(tmp_path.iterdir())
    done = white(talk, tmp_path / "out.webm", end_seconds=0.2, sound=False)
    assert done.report["output"]["sound_streams"] == 0


# Transparency


def test_webm_keeps_transparency(tmp_path: Path, video: Path) -> None:
    done = protect(
        video, tmp_path / "out.webm", mode="remove", segmenter=Watcher(), end_seconds=0.2, smooth=1
    )
    assert done.report["output"]["transparent"]
    shown = decoded(tmp_path / "out.webm", "libvpx-vp9")
    assert len(shown) == 5
    for made in shown:
        assert made.format.name == "yuva420p"
        alpha = luma_of(made, 3)
        assert alpha[INSIDE].min() > 250
        assert all(alpha[outside].max() < 5 for outside in OUTSIDE)
        assert all(luma_of(made)[outside].max() < 24 for outside in OUTSIDE)
    with av.open(str(tmp_path / "out.webm")) as container:
        assert container.streams.video[0].metadata["alpha_mode"] == "1"


def test_pictures_keep_transparency(tmp_path: Path, video: Path) -> None:
    pattern = tmp_path / "out" / "frame-%03d.png"
    with pytest.raises(OutputUnwritable, match="is not a folder"):
        protect(video, pattern, mode="remove", segmenter=Watcher())
    pattern.parent.mkdir()
    protect(video, pattern, mode="remove", segmenter=Watcher(), end_seconds=0.2, smooth=1)
    names = sorted(path.name for path in pattern.parent.iterdir())
    assert names == [*(f"frame-{n:03}.png" for n in range(1, 6)), "frame.report.json"]
    with Image.open(pattern.parent / "frame-001.png") as picture:
        assert picture.mode == "RGBA"
        alpha = np.asarray(picture)[..., 3]
    assert (alpha[INSIDE] == 255).all()
    assert not any(alpha[outside].any() for outside in OUTSIDE)
    with pytest.raises(OutputExists):
        protect(video, pattern, mode="remove", segmenter=Watcher())
    protect(*(video, pattern), mode="remove", segmenter=Watcher(), end_seconds=0.08, force=True)
    assert len(list(pattern.parent.glob("*.png"))) == 2


def test_an_encoder_with_transparency_keeps_it(tmp_path: Path, video: Path) -> None:
    protect(video, tmp_path / "o.mkv", mode="remove", codec="ffv1", segmenter=Watcher(), smooth=1)
    (made, *_) = decoded(tmp_path / "o.mkv")
    assert made.format.name == "yuva420p"
    assert (luma_of(made, 3)[INSIDE] == 255).all()


def test_without_transparency_there_is_a_colour(tmp_path: Path, video: Path) -> None:
    done = protect(video, tmp_path / "out.mp4", mode="remove", segmenter=Watcher())
    assert not done.report["output"]["transparent"]
    red, green, blue = decoded(tmp_path / "out.mp4")[0].to_ndarray(format="rgb24")[4, 4]
    assert green > max(red, blue) + 40
    protect(
        *(video, tmp_path / "out.webm"),
        mode="remove",
        background="#ff0000",
        segmenter=Watcher(),
        end_seconds=0.1,
    )
    assert decoded(tmp_path / "out.webm")[0].to_ndarray(format="rgb24")[4, 4, 0] > 230


def test_an_encoder_without_transparency_is_refused_for_webm(tmp_path: Path, video: Path) -> None:
    with pytest.raises(InvalidParameter, match="codec: libsvtav1 keeps no transparency"):
        protect(video, tmp_path / "o.webm", mode="remove", codec="libsvtav1", segmenter=Watcher())


# Failing closed


def test_no_frame_leaves_before_there_is_a_mask(tmp_path: Path, video: Path) -> None:
    """A network that takes its time delays the output; it lets nothing pass."""
    asked = threading.Event()

    def slowly(number: int) -> Any:
        if number == 0:
            asked.wait(20)
        return seated()

    watcher = Watcher(slowly)
    worker = threading.Thread(target=white, args=(video, tmp_path / "out.mp4", watcher))
    worker.start()
    time.sleep(0.3)
    written = sum(path.stat().st_size for path in tmp_path.glob(".out*"))
    assert not (tmp_path / "out.mp4").exists()
    asked.set()
    worker.join()
    assert written < 2000  # a header at most
    for made in decoded(tmp_path / "out.mp4"):
        assert luma_of(made)[OUTSIDE[0]].min() > 225


def test_a_network_that_stays_broken_leaves_no_output(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protector_module, "MAX_FAILURES_IN_A_ROW", 5)
    watcher = Watcher(lambda number: RuntimeError("broken"))
    with pytest.raises(ProtectionFailed, match="5 frames in a row"):
        white(video, tmp_path / "out.mp4", watcher)
    assert not list(tmp_path.iterdir())


def test_late_masks_of_a_live_source_hold_the_last_frame(tmp_path: Path, video: Path) -> None:
    """Frames that come while the network works are left out, and never shown as they are."""

    def slowly(number: int) -> Any:
        time.sleep(0.05)
        return seated()

    camera = Source(f"file:{video}", None, "camera", "camera", live=True)
    done = white(camera, tmp_path / "out.mp4", Watcher(slowly), crf=1)
    shown = decoded(tmp_path / "out.mp4")
    assert done.live
    assert done.report["frames_held"] > 0
    assert len(shown) == done.report["frames"]
    assert len(shown) + done.report["frames_held"] == 30
    assert "came too fast" in done.summary
    for made in shown:
        assert luma_of(made)[OUTSIDE[0]].min() > 225


def test_a_camera_that_is_unplugged_leaves_what_came_before(tmp_path: Path) -> None:
    whole = write_video(
        tmp_path / "whole.mp4", sitting(60), container_options={"movflags": "faststart"}
    )
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    camera = Source(f"file:{cut}", None, "camera", "camera", live=True)
    with pytest.raises(UnreadableVideo, match=r"camera: stopped .*out.mp4 holds what came before"):
        white(camera, tmp_path / "out.mp4")
    assert decoded(tmp_path / "out.mp4")
    assert (tmp_path / "out.report.json").exists()


# Interruptions and failures of the output


def test_ctrl_c_completes_the_output(tmp_path: Path, talk: Path) -> None:
    def interrupt(number: int) -> Any:
        if number == 50:
            raise KeyboardInterrupt
        return seated()

    done = white(talk, tmp_path / "out.mp4", Watcher(interrupt))
    assert done.interrupted
    shown = decoded(tmp_path / "out.mp4")
    assert len(shown) == 50
    assert done.report["interrupted"]
    assert abs(sound_of(tmp_path / "out.mp4")[1] - 2.0) < 0.05


def finishing(monkeypatch: pytest.MonkeyPatch, before: Callable[[], object]) -> None:
    """Call `before` in the thread that completes an output, when all frames are written."""
    real = run.open_sink

    def opened(*arguments: Any, **options: Any) -> Any:
        sink = real(*arguments, **options)
        finish = sink.finish

        def finish_later(end_pts: int | None = None) -> None:
            before()
            finish(end_pts)

        monkeypatch.setattr(sink, "finish", finish_later)
        return sink

    monkeypatch.setattr(run, "open_sink", opened)


@posix
def test_the_first_ctrl_c_while_the_encoder_drains_keeps_the_output(
    tmp_path: Path, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finishing(monkeypatch, press_ctrl_c)
    with ctrl_c_raises():
        done = white(talk, tmp_path / "out.mp4")
    assert done.interrupted
    assert done.complete
    assert done.unfinished is None
    assert not done.report["interrupted"]
    assert len(decoded(tmp_path / "out.mp4")) == done.report["frames"] == done.report["frames_read"]
    assert abs(sound_of(tmp_path / "out.mp4")[1] - sound_of(talk)[1]) < 0.05
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "out.report.json"]


@posix
def test_a_second_ctrl_c_while_the_encoder_drains_gives_the_output_up(
    tmp_path: Path, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(number: int) -> Any:
        if number == 50:
            raise KeyboardInterrupt
        return seated()

    def press_and_fail() -> None:
        press_ctrl_c()
        time.sleep(0.1)  # until the main thread has taken it
        raise OutputUnwritable("so that the output is not complete by then")

    finishing(monkeypatch, press_and_fail)
    with ctrl_c_raises(), pytest.raises(KeyboardInterrupt):
        white(talk, tmp_path / "out.mp4", Watcher(interrupt))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n_asked", [1, 30])
def test_a_request_to_stop_completes_the_output(tmp_path: Path, talk: Path, n_asked: int) -> None:
    watcher = Watcher()
    out = tmp_path / "out.mp4"
    done = white(talk, out, watcher, stop=lambda: watcher.n_asked >= n_asked)
    assert done.interrupted
    assert done.report["interrupted"]
    n_frames = len(decoded(out))
    assert n_asked <= n_frames == done.report["frames"] < 100
    assert done.unfinished is not None
    assert abs(sound_of(out)[1] - n_frames / RATE) < 0.05
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "out.report.json"]


@pytest.mark.parametrize("n_calls", [0, 1, 2])
def test_a_request_to_stop_before_the_first_frame(tmp_path: Path, talk: Path, n_calls: int) -> None:
    calls = itertools.count()
    with pytest.raises(Interrupted):
        white(talk, tmp_path / "out.mp4", stop=lambda: next(calls) >= n_calls)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_before_the_first_frame(tmp_path: Path, video: Path) -> None:
    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        white(video, tmp_path / "out.mp4", progress=interrupt)
    assert not list(tmp_path.iterdir())


def test_an_output_that_exists_is_not_replaced(tmp_path: Path, video: Path) -> None:
    (tmp_path / "out.mp4").write_text("dear")
    with pytest.raises(OutputExists, match="--force"):
        white(video, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_text() == "dear"
    white(video, tmp_path / "out.mp4", force=True)
    assert len(decoded(tmp_path / "out.mp4")) == 30


def test_a_failure_while_writing_ends_it(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = run.open_sink

    def failing(*arguments: Any, **options: Any) -> Any:
        sink = real(*arguments, **options)
        monkeypatch.setattr(
            sink, "write", lambda *_: (_ for _ in ()).throw(OutputUnwritable("full"))
        )
        return sink

    monkeypatch.setattr(run, "open_sink", failing)
    with pytest.raises(OutputUnwritable, match="full"):
        white(video, tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "options", "error", "said"),
    [
        ("no/out.mp4", {}, OutputUnwritable, "is not a folder"),
        ("out.xyz", {}, InvalidParameter, "names no container"),
        ("out.mp4", {"codec": "nonsense"}, InvalidParameter, "codec: 'nonsense'"),
        ("out.webm", {"codec": "libx264"}, InvalidParameter, "libx264"),
        ("out.mp4", {"crf": 99}, InvalidParameter, "crf: 99"),
        ("out.png", {}, InvalidParameter, "number them"),
        ("out-%d.png", {"crf": 3}, InvalidParameter, "pictures are PNG"),
        ("", {}, OutputUnwritable, "is a folder"),
    ],
)
def test_outputs_that_cannot_be(
    tmp_path: Path, video: Path, name: str, options: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        white(video, tmp_path / name, **options)
    assert not list(tmp_path.iterdir())


# Virtual cameras


class FakeCamera:
    """What pyvirtualcam does, without a device."""

    made: ClassVar[list[FakeCamera]] = []

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.frames: list[Any] = []
        self.naps = 0
        self.closed = False
        FakeCamera.made.append(self)

    def send(self, picture: Any) -> None:
        """Keep it."""
        self.frames.append(picture.copy())

    def sleep_until_next_frame(self) -> None:
        """Count."""
        self.naps += 1

    def close(self) -> None:
        """Remember."""
        self.closed = True


@pytest.fixture
def cameras(monkeypatch: pytest.MonkeyPatch) -> list[FakeCamera]:
    FakeCamera.made = []
    module = SimpleNamespace(Camera=FakeCamera, PixelFormat=SimpleNamespace(I420="I420"))
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    return FakeCamera.made


def test_a_virtual_camera_shows_every_frame(video: Path, cameras: list[FakeCamera]) -> None:
    done = white(video, "camera:/dev/video9")
    (camera,) = cameras
    assert done.output is None
    assert camera.options["device"] == "/dev/video9"
    assert camera.options["fps"] == pytest.approx(RATE)
    assert len(camera.frames) == camera.naps == 30
    assert camera.closed
    for shown in camera.frames:
        assert shown.shape == (sitter.HEIGHT * 3 // 2, sitter.WIDTH)
        assert (shown[: sitter.HEIGHT, :24] == 235).all()


def test_a_virtual_camera_that_is_missing(
    video: Path, cameras: list[FakeCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**options: Any) -> None:
        raise RuntimeError("no v4l2loopback device")

    monkeypatch.setattr(sys.modules["pyvirtualcam"], "Camera", refuse)
    for system, said in {
        "Linux": "modprobe v4l2loopback devices=1 exclusive_caps=1",
        "Darwin": "click Start and then Stop Virtual Camera",
        "Windows": r"install OBS \(obsproject",
        "FreeBSD": "there is no driver for this system",
    }.items():
        monkeypatch.setattr("platform.system", lambda system=system: system)
        with pytest.raises(OutputUnwritable, match=f"virtual camera: does not open .*; .*{said}"):
            white(video, "camera")
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(OutputUnwritable, match=r"unveil\[camera\]"):
        white(video, "camera")


# Memory


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """500 frames hold no more arrays at their end than after the first 100."""
    import tracemalloc

    source = write_talk(tmp_path / "long.mp4", 500)
    seen: dict[int, int] = {}

    def answer(number: int) -> Any:
        if number in (100, 490):
            seen[number] = tracemalloc.get_traced_memory()[0]
        return seated()

    white(source, tmp_path / "warm.mp4", end_seconds=1)
    tracemalloc.start()
    try:
        done = white(source, tmp_path / "out.mp4", Watcher(answer))
    finally:
        tracemalloc.stop()
    assert done.report["frames"] == 500
    assert seen[490] - seen[100] < 20 * sitter.HEIGHT * sitter.WIDTH
