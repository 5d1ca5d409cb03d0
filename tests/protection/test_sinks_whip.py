"""`protect` with the output whip:URL: what viewers see, the pace, refusals and Ctrl-C."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from tests import sitter
from tests.command import finished, start_unveil, unveil, wait_until
from tests.footage import write_video
from tests.protection.talks import sitting, white, write_talk
from tests.protection.whip.certificate import write_certificate
from tests.protection.whip.feed import trust_own_times
from tests.protection.whip.server import TOKEN, WhipServer, own_address, serving
from tests.sitter import INSIDE, OUTSIDE, Watcher, luma_of, seated
from unveil.errors import InvalidParameter, MissingInput, OutputUnwritable, ProtectionFailed
from unveil.protection.sinks import Footage, open_sink, output_of
from unveil.protection.sinks.whip import WhipSink
from unveil.protection.whip.token import VARIABLE
from unveil.video.source import Source

N_FRAMES, RATE = 40, 25
WHITE = 235


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    return write_video(folder / "video.mp4", sitting(N_FRAMES), rate=RATE)


@pytest.fixture
def server() -> Iterator[WhipServer]:
    with serving(WhipServer()) as running:
        yield running


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


def assert_protected(frames: list[av.VideoFrame]) -> None:
    """Check that frames show the person, and nothing of the noisy room."""
    for shown in frames:
        luma = luma_of(shown).astype(int)
        assert np.abs(luma[INSIDE] - sitter.SKIN).mean() < 6
        for outside in OUTSIDE:
            assert np.abs(luma[outside] - WHITE).max() < 12


def test_a_file_is_published_at_its_own_pace_and_every_frame_is_protected(
    tmp_path: Path, server: WhipServer, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust_own_times(monkeypatch)
    talk = write_talk(tmp_path / "talk.mp4", N_FRAMES)  # its sound is left out
    begin = time.monotonic()
    done = white(talk, f"whip:{server.url}", token_file=token_file)
    assert time.monotonic() - begin >= (N_FRAMES - 1) / RATE
    assert len(server.frames) >= 30
    assert_protected(server.frames)
    gaps = np.diff([frame.pts for frame in server.frames])
    assert (gaps % (90000 // RATE) == 0).all()
    assert len(server.ended) == 1
    assert done.output is None
    assert done.report["output"] == {
        "name": f"whip:127.0.0.1:{server.port}",
        "codec": None,
        "crf": None,
        "transparent": False,
        "sound_streams": 0,
    }
    assert done.summary.startswith(f"whip:127.0.0.1:{server.port}: {N_FRAMES} frames")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["talk.mp4", "token"]


def test_mode_remove_shows_green(video: Path, server: WhipServer, token_file: Path) -> None:
    white(video, f"whip:{server.url}", token_file=token_file, mode="remove", background=None)
    red, green, blue = server.frames[5].to_ndarray(format="rgb24")[4, 4].astype(int)
    assert green - max(red, blue) > 60


def test_pixels_that_are_not_square_are_made_square(
    tmp_path: Path, server: WhipServer, token_file: Path
) -> None:
    path = tmp_path / "wide.mkv"
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = sitter.WIDTH, sitter.HEIGHT, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        for made in sitting(12):
            output.mux(stream.encode(made))
        output.mux(stream.encode(None))
    white(path, f"whip:{server.url}", token_file=token_file)
    assert {(f.height, f.width) for f in server.frames} == {(sitter.HEIGHT, 2 * sitter.WIDTH)}


def test_a_camera_that_is_faster_than_the_network_is_published_without_delay(
    video: Path, server: WhipServer, token_file: Path
) -> None:
    def slowly(number: int) -> Any:
        time.sleep(0.05)
        return seated()

    camera = Source(f"file:{video}", None, "camera", "camera", live=True)
    done = white(camera, f"whip:{server.url}", Watcher(slowly), token_file=token_file)
    assert done.report["frames_held"] > 0
    assert_protected(server.frames)


def test_a_slow_network_shifts_a_file_and_says_so(
    video: Path, server: WhipServer, token_file: Path
) -> None:
    def slowly(number: int) -> Any:
        time.sleep(1.5 if number == 20 else 0)
        return seated()

    done = white(video, f"whip:{server.url}", Watcher(slowly), token_file=token_file)
    (note,) = (note for note in done.notes if "late in all" in note)
    assert "--model" in note
    times = [frame.pts / 90000 for frame in server.frames]
    assert max(np.diff(times)) > 0.25  # a pause, after which the pace is the file's again
    assert len(server.frames) >= 30
    assert np.median(np.diff(times)) == pytest.approx(1 / RATE, abs=1e-4)


# What is told


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, OutputUnwritable, "wants a token; give one by --token-file or UNVEIL_WHIP_TOKEN"),
        ({"codec": "libx264"}, InvalidParameter, "a WHIP server chooses the encoder"),
        ({"crf": 20}, InvalidParameter, "a WHIP server chooses the encoder"),
        ({"token_file": "missing"}, MissingInput, "missing: the token cannot be read"),
    ],
)
def test_what_cannot_be_published_is_told(
    video: Path, server: WhipServer, options: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        white(video, f"whip:{server.url}", **options)
    assert server.frames == []


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("whip:", "is no web address"),
        ("whip:meet.example.org/s3cr3t", "is no web address"),
        ("WHIP:http://meet.example.org/s3cr3t", "would send token"),
        ("whip:https://me:s3cr3t@meet.example.org/", "has a user or password"),
        ("https://meet.example.org/whip/s3cr3t", "write whip: before it"),
        ("rtmp://meet.example.org/live/s3cr3t", "write whip: before it"),
    ],
)
def test_addresses_that_are_not_taken_are_told_first(video: Path, output: str, said: str) -> None:
    watcher = Watcher()
    with pytest.raises(InvalidParameter, match=said) as caught:
        white(video, output, watcher)
    assert "s3cr3t" not in str(caught.value)
    assert watcher.n_asked == 0


def test_a_token_for_another_output_is_refused(
    video: Path, tmp_path: Path, token_file: Path
) -> None:
    with pytest.raises(InvalidParameter, match="token_file: is for an output whip:URL only"):
        white(video, tmp_path / "out.mp4", token_file=token_file)


def test_a_server_that_is_not_there_is_told_at_once(video: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(OutputUnwritable, match=rf"127\.0\.0\.1:{port}: cannot be reached"):
            white(video, f"whip:http://127.0.0.1:{port}/whip")


def test_without_the_extra_one_line_names_it(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unveil.protection.sinks.whip.find_spec", lambda name: None)
    with pytest.raises(OutputUnwritable, match=r"pip install 'unveil\[live\]'"):
        white(video, "whip:https://meet.example.org/whip")


def test_a_run_that_fails_ends_the_session(
    video: Path, server: WhipServer, token_file: Path
) -> None:
    failing = Watcher(lambda number: seated() if number < 4 else RuntimeError("broken"))
    with pytest.raises(ProtectionFailed):
        white(video, f"whip:{server.url}", failing, token_file=token_file)
    assert len(server.ended) == 1


def test_a_token_that_expires_during_a_call_ends_it(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failed:
        def __init__(self, url: str, token: str | None) -> None:
            self.n_pushed = 0

        @property
        def status(self) -> Any:
            state = "publishing" if self.n_pushed < 5 else "failed"
            return SimpleNamespace(
                state=state, message="the token has expired", frames_dropped=0, reconnects=0
            )

        def start(self) -> None:
            pass

        def push(self, frame: object) -> None:
            self.n_pushed += 1

        def close(self) -> None:
            closed.set()

    closed = threading.Event()
    monkeypatch.setattr("unveil.protection.whip.publisher.Publisher", Failed)
    with pytest.raises(OutputUnwritable, match="the token has expired"):
        white(video, "whip:https://meet.example.org/whip")
    assert closed.is_set()


# The command line

needs_network = pytest.mark.skipif(
    own_address() is None, reason="a process of its own needs an address but loopback"
)


def test_the_command_publishes_and_shows_no_secret(
    video: Path, server: WhipServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)
    address = f"whip:{server.url}?key=s3cr3t"
    done = unveil("protect", video, "-o", address, "--model", "selfie", "--json")
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert report["output"]["name"] == f"whip:127.0.0.1:{server.port}"
    assert "s3cr3t" not in done.output
    assert len(server.ended) == 1


@pytest.mark.parametrize("before", [(), ("--debug",)])
def test_a_refusal_is_one_line_without_a_secret(
    video: Path, server: WhipServer, tmp_path: Path, before: tuple[str, ...]
) -> None:
    (tmp_path / "wrong").write_text("wrong-s3cr3t")
    address = f"whip:{server.url}?key=s3cr3t"
    done = unveil(
        *before,
        "protect",
        video,
        "-o",
        address,
        "--model",
        "selfie",
        "--token-file",
        tmp_path / "wrong",
    )
    assert done.exit_code == 1
    assert "knows no such place, or the token does not belong to it" in done.stderr
    assert "s3cr3t" not in done.output
    if not before:
        assert done.stderr.count("\n") == 1


@needs_network
def test_https_takes_a_certificate_that_the_environment_names(video: Path, tmp_path: Path) -> None:
    certificate, tls = write_certificate(tmp_path)
    with serving(WhipServer(), tls=tls) as server:
        arguments = ("protect", video, "-o", f"whip:{server.url}", "--model", "selfie")
        environment = {VARIABLE: TOKEN, "SSL_CERT_FILE": str(certificate)}
        code, _, err = finished(start_unveil(*arguments, environment=environment))
        assert code == 0, err
        assert len(server.frames) >= 30
        assert len(server.ended) == 1


@needs_network
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to a process")
def test_ctrl_c_ends_the_session(tmp_path: Path, server: WhipServer) -> None:
    long = write_video(tmp_path / "long.mp4", sitting(20 * RATE), rate=RATE)
    process = start_unveil(
        "protect",
        long,
        "-o",
        f"whip:{server.url}",
        "--model",
        "selfie",
        environment={VARIABLE: TOKEN},
    )
    wait_until(lambda: len(server.frames) >= 10, process)
    process.send_signal(signal.SIGINT)
    code, out, err = finished(process)
    assert (code, out) == (130, "")
    assert "unveil: interrupted; whip:127.0.0.1" in err
    assert "Traceback" not in err
    assert len(server.ended) == 1


@needs_network
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to a process")
def test_ctrl_c_ends_the_wait_for_a_silent_server(video: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"whip:http://127.0.0.1:{silent.getsockname()[1]}/whip"
        process = start_unveil("protect", video, "-o", address, "--model", "selfie")
        connection, _ = silent.accept()
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        code, _, err = finished(process)
        connection.close()
    assert code == 130
    assert "Traceback" not in err
    assert time.monotonic() - begin < 8  # it gives an answer 10 s


# The sink alone


def test_the_stop_ends_the_pace(server: WhipServer, video: Path) -> None:
    stop = threading.Event()
    output = output_of(f"whip:{server.url}")
    assert output.token is None
    server.token = None
    with av.open(str(video)) as container:
        first = next(container.decode(video=0))
    from unveil.video.chunk import Layout
    from unveil.video.pixel_format import ColourTags

    footage = Footage(
        Layout(sitter.HEIGHT, sitter.WIDTH, 1, 1), False, 25.0, Fraction(1, 25), ColourTags()
    )
    sink = open_sink(output, footage, codec=None, crf=None, threads=1, stop=stop.is_set)
    assert isinstance(sink, WhipSink)
    sink.write(first, 0)
    threading.Timer(0.2, stop.set).start()
    sink.write(first, 25 * 3600)  # an hour later
    sink.finish(25 * 7200)
    assert len(server.ended) == 1
