"""The commands: what they print, what they pass on, how they end."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numba
import numpy as np
import pytest
import typer
from PIL import Image

from tests.command import CALL_FRAMES, RECOVER, unveil, write_call
from tests.demo.test_run import use_small_calls
from tests.scoring.test_truth import make_truth
from unveil import __version__, cli
from unveil.auditing.batch import audit_all
from unveil.auditing.redact import redact
from unveil.cli import options, progress_bar
from unveil.demo import DemoKind, run_demo
from unveil.files import read_image
from unveil.live import LiveOptions
from unveil.person import ModelName
from unveil.progress import Progress
from unveil.protection import protect
from unveil.recovery.parameters import Method, RecoverOptions
from unveil.recovery.recover import recover
from unveil.recovery.result import FILES
from unveil.recovery.warmup import prepare
from unveil.scoring.leak import score_truth
from unveil.scoring.photo import score_room
from unveil.shielding.writing import shield
from unveil.simulation.service import Blur
from unveil.simulation.simulate import simulate_call
from unveil.simulation.subject import Motion
from unveil.timeline.timeline import draw_timeline

COMMANDS: dict[str, Any] = typer.main.get_command(cli.app).commands
TWINS = {
    "recover": recover,
    "audit": audit_all,
    "redact": redact,
    "protect": protect,
    "timeline": draw_timeline,
    "demo": run_demo,
    "score": score_room,
    "simulate": simulate_call,
    "live": LiveOptions,
    "shield": shield,
}


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    """Compile what the cache does not hold: it is told on the first run."""
    for method in get_args(Method):
        prepare(method)


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_call(tmp_path_factory.mktemp("calls") / "call.mp4")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    assert COMMANDS[name].help
    assert [p.name for p in COMMANDS[name].params if not getattr(p, "help", None)] == []
    shown = unveil(name, "--help")
    assert shown.exit_code == 0
    for parameter in COMMANDS[name].params:
        assert all(option in shown.stdout for option in parameter.opts if option.startswith("--"))


@pytest.mark.parametrize("name", COMMANDS)
def test_defaults_are_those_of_the_library(name: str) -> None:
    theirs = {key: p.default for key, p in inspect.signature(TWINS[name]).parameters.items()}
    if name in ("recover", "audit", "redact"):  # its options travel as one dataclass
        theirs |= {field.name: field.default for field in dataclasses.fields(RecoverOptions)}
    compared = {
        parameter.name: parameter.default
        for parameter in COMMANDS[name].params
        if parameter.name in theirs and not parameter.required and parameter.name != "folder"
    }
    # --preview chooses whether there are previews, and not only how often.
    compared.pop("preview_seconds", None)
    if name == "audit":  # a list may name them instead
        compared.pop("inputs")
    if name == "shield":  # with --evaluate the video need not be kept
        compared.pop("output")
    assert compared
    assert compared == {key: theirs[key] for key in compared}


def test_the_demo_offers_every_kind() -> None:
    assert get_args(get_type_hints(cli.demo.demo)["kind"]) == get_args(DemoKind)


def test_simulate_offers_every_choice() -> None:
    hints = get_type_hints(cli.simulate.simulate)
    for option, choice in (
        ("matte", ModelName),
        ("segmenter", ModelName),
        ("blur", Blur),
    ):
        assert get_args(hints[option]) == get_args(choice)
    (told,) = (p.metavar for p in COMMANDS["simulate"].params if p.name == "motions")
    assert told == "|".join(get_args(Motion))


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys
from typer.testing import CliRunner
from unveil.cli import app
assert CliRunner().invoke(app, ["recover", "--help"]).exit_code == 0
print([name for name in ("av", "numba", "numpy", "PIL", "pyarrow") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version() -> None:
    assert unveil("--version").stdout == f"unveil {__version__}\n"
    done = subprocess.run(
        [sys.executable, "-m", "unveil", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"unveil {__version__}\n"


def test_recover_writes_all_and_prints_a_table(tmp_path: Path, call: Path) -> None:
    done = unveil(*RECOVER, call, "-o", tmp_path)
    assert done.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "call").iterdir()) == sorted(FILES)
    header, row = done.stdout.splitlines()
    assert re.split(r"\s+", header.strip()) == [
        *("input", "frames", "damaged", "recovered", "confidence", "speed", "result")
    ]
    assert row.split()[:3] == ["call.mp4", str(CALL_FRAMES), "0"]
    assert str(tmp_path / "call") in row


def test_recover_passes_its_options_on(tmp_path: Path, call: Path) -> None:
    done = unveil(
        *("recover", call, "-o", tmp_path, "--method", "rarest", "--metric", "cosine"),
        *("--threshold", "0.5", "--noise-frames", "2", "--slots", "7", "--bits", "7"),
        *("--tolerance", "3", "--threads", "1", "--chunk", "5", "--start", "0:00.2"),
        *("--end", "0:00:01", "--stride", "2", "--person", "full", "--person-every", "3"),
        "--quiet",
    )
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    report = json.loads((tmp_path / "call" / "report.json").read_text())
    assert report["parameters"] == {
        "method": "rarest",
        "metric": "cosine",
        "threshold": 0.5,
        "noise_frames": 2,
        "slots": 7,
        "bits": 7,
        "tolerance": 3,
        "person": "full",
        "person_every": 3,
    }
    assert report["selection"] == {"start_seconds": 0.2, "end_seconds": 1.0, "stride": 2}
    assert report["threads"] == 1
    assert report["frames_read"] == 12


def test_json_is_one_object_an_input_and_nothing_else(tmp_path: Path, call: Path) -> None:
    done = unveil(*RECOVER, call, tmp_path / "no.mp4", "-o", tmp_path / "out", "--json")
    assert done.exit_code == 1
    missing, recovered = map(json.loads, done.stdout.splitlines())
    assert missing["state"] == "failed"
    assert "no.mp4" in missing["error"]
    assert recovered["state"] == "recovered"
    assert recovered["frames_read"] == CALL_FRAMES
    assert recovered["folder"] == str(tmp_path / "out" / "call")
    assert done.stderr.count("\n") == 1


def test_folders_and_globs_are_searched(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    for name in ("a.mp4", "b.mkv"):
        write_call(calls / name)
    for inputs, out in ((calls, "of-folder"), (calls / "*", "of-glob")):
        done = unveil(*RECOVER, inputs, "-o", tmp_path / out, "--no-isolate")
        assert done.exit_code == 0
        assert sorted(path.name for path in (tmp_path / out).iterdir()) == ["a", "b"]


def test_timeline_draws_a_row_a_pixel(tmp_path: Path, call: Path) -> None:
    strip = tmp_path / "strip.png"
    arguments = ("timeline", call, "--at", "10,20", "--at", "63, 47", "-o", strip)
    done = unveil(*arguments)
    assert done.exit_code == 0
    assert f"2 rows of {CALL_FRAMES} frames" in done.stdout
    assert read_image(strip).shape[0] > 2 * 28
    again = unveil(*arguments)
    assert again.exit_code == 1
    assert "--force" in again.stderr
    assert unveil(*arguments, "--force", "--quiet").stdout == ""


def test_demo_tells_how_much_was_recovered_and_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_small_calls(monkeypatch)
    done = unveil("demo", "-o", tmp_path / "out", "--kind", "plain")
    assert done.exit_code == 0
    assert re.search(r"Recovered (9\d\.\d|100\.0)% of the room", done.stdout)
    assert str(tmp_path / "out" / "demo.png") in done.stdout
    again = unveil("demo", "-o", tmp_path / "out")
    assert again.exit_code == 1
    assert re.fullmatch(r"unveil: .*out: holds an earlier .*--force.*\n", again.stderr)
    forced = unveil("demo", "-o", tmp_path / "out", "--force", "--kind", "photo", "--quiet")
    assert (forced.exit_code, forced.stdout) == (0, "")


def test_score_prints_every_measure(tmp_path: Path) -> None:
    room, truth = tmp_path / "room.png", tmp_path / "truth.png"
    Image.new("RGBA", (200, 180), (10, 200, 30, 255)).save(room)
    Image.new("RGB", (200, 180), (10, 200, 33)).save(truth)
    done = unveil("score", room, "--truth", truth)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        *("coverage", "matches", "mismatches", "accuracy"),
        *("AGE", "pEPs", "pCEPs", "MS-SSIM", "PSNR", "CQM"),
    ]
    assert lines[2].split()[1] == "36000"
    told = json.loads(unveil("score", room, "--truth", truth, "--json").stdout)
    assert told == score_room(room, truth).as_dict()
    strict = unveil("score", room, "--truth", truth, "--threshold", "0.1", "--json")
    assert json.loads(strict.stdout)["verification"]["matches"] == 0
    cosine = unveil("score", room, "--truth", truth, "--metric", "cosine", "--json")
    assert json.loads(cosine.stdout)["verification"]["metric"] == "cosine"


def test_score_against_the_truth_prints_every_measure(tmp_path: Path) -> None:
    truth = make_truth(200, 180)
    truth.write(tmp_path / "truth.npz")
    folder = tmp_path / "out"
    folder.mkdir()
    Image.fromarray(np.dstack([truth.room, truth.leak])).save(folder / "room.png")
    Image.fromarray(truth.background).save(folder / "background.png")
    done = unveil("score", folder, "--truth", tmp_path / "truth.npz")
    assert done.exit_code == 0
    for said in ("leak score", "its floor", "F ", "recall", "precision", "room CQM", "0.9 to 1.0"):
        assert said in done.stdout
    assert "nan" not in done.stdout
    told = json.loads(unveil("score", folder, "--truth", tmp_path / "truth.npz", "--json").stdout)
    assert told == score_truth(folder, tmp_path / "truth.npz").as_dict()
    for option in (("--threshold", "3"), ("--metric", "cosine")):
        refused = unveil("score", folder, "--truth", tmp_path / "truth.npz", *option)
        assert refused.exit_code == 2
        assert refused.stderr.startswith(f"unveil: {option[0]}: ")


def test_score_takes_a_folder_with_a_photo_too(tmp_path: Path) -> None:
    Image.new("RGBA", (20, 18), (10, 200, 30, 255)).save(tmp_path / "room.png")
    photo = tmp_path / "photo.png"
    Image.new("RGB", (20, 18), (10, 200, 33)).save(photo)
    (of_folder, of_file) = (
        unveil("score", path, "--truth", photo, "--json").stdout
        for path in (tmp_path, tmp_path / "room.png")
    )
    assert of_folder == of_file


def test_score_of_nothing_recovered(tmp_path: Path) -> None:
    room, truth = tmp_path / "room.png", tmp_path / "truth.png"
    Image.new("RGBA", (20, 18)).save(room)
    Image.new("RGB", (20, 18)).save(truth)
    done = unveil("score", room, "--truth", truth)
    assert done.exit_code == 0
    assert "nan" not in done.stdout
    assert json.loads(unveil("score", room, "--truth", truth, "--json").stdout)["coverage"] == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5", 1.5), (".5", 0.5), ("2:03", 123), ("1:02:03.5", 3723.5), (" 7 ", 7)],
)
def test_times(text: str, seconds: float) -> None:
    assert options.seconds("start_seconds", text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-1", "1:2:3:4", "1::2", "nan", "1e3", "1,5", "inf"])
def test_what_is_no_time(tmp_path: Path, call: Path, text: str) -> None:
    done = unveil(*RECOVER, call, "-o", tmp_path / "out", f"--start={text}")
    assert done.exit_code == 2
    assert re.fullmatch(r"unveil: --start: .* is not a time; .*h:mm:ss.*\n", done.stderr)


def test_debug_shows_where_an_error_arose(tmp_path: Path) -> None:
    arguments = ("recover", tmp_path / "no.mp4", "-o", tmp_path / "out")
    assert "Traceback" not in unveil(*arguments).stderr
    assert "Traceback" in unveil("--debug", *arguments).stderr


@pytest.mark.parametrize("debug", [True, False])
def test_a_bug_is_told_in_a_line_unless_debugged(
    tmp_path: Path, call: Path, monkeypatch: pytest.MonkeyPatch, debug: bool
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("oh\nno")

    # The package gives functions of the same names as its modules.
    monkeypatch.setattr(importlib.import_module("unveil.recovery.tiles"), "recover_tiles", fail)
    monkeypatch.setattr(importlib.import_module("unveil.timeline.timeline"), "draw_timeline", fail)
    for arguments in (
        ("recover", call, "-o", tmp_path / "out"),
        ("timeline", call, "--at", "1,1", "-o", tmp_path / "strip.png"),
    ):
        done = unveil(*(("--debug",) if debug else ()), *arguments)
        assert done.exit_code == 1
        if debug:
            assert "Traceback" in done.stderr
        else:
            assert re.fullmatch(
                r"unveil: .*ZeroDivisionError: oh no; .*unveil --debug \w+\n", done.stderr
            )


def test_compiling_is_told_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar.Display() as display:
        display.show("call.mp4", Progress("prepare"))
        assert capsys.readouterr().err == ""
        for _ in range(2):
            display.show("call.mp4", Progress("compile"))
    assert capsys.readouterr().err == "compiling kernels (first run on this machine) ...\n"
    with progress_bar.Display(quiet=True) as display:
        display.show("call.mp4", Progress("compile"))
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_compiling_is_told_only_when_it_happens(
    tmp_path: Path, call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert unveil(*RECOVER, call, "-o", tmp_path / "cached").stderr == ""
    engine = importlib.import_module("unveil.recovery.engine")
    table_of = engine.Engine._create

    def with_new_kernel(*arguments: Any) -> Any:
        numba.njit(lambda: 0)()
        return table_of(*arguments)

    monkeypatch.setattr(engine.Engine, "_create", with_new_kernel)
    done = unveil(*RECOVER, call, "-o", tmp_path / "compiled")
    assert done.stderr == "compiling kernels (first run on this machine) ...\n"


def test_lines_on_progress_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_bar, "LINE_SECONDS", 0.0)
    with progress_bar.Display() as display:
        display.show("call.mp4", Progress("count", 10, 600, 1.0, 2.0))
        display.show("call.mp4", Progress("count", 110, 600, 11.0, 4.0))
        display.show("camera", Progress("count", 10, None, float("nan"), 2.0))
        display.show("camera", Progress("count", 60, None, float("nan"), 4.0))
    assert capsys.readouterr().err.splitlines() == [
        "call.mp4: 10 frames",
        "call.mp4: 110 frames, 50 frames/s, 5.0x real time, 0:10 left",
        "camera: 10 frames",
        "camera: 60 frames, 25 frames/s",
    ]


def test_each_of_several_at_once_has_its_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_bar, "LINE_SECONDS", 0.0)
    with progress_bar.Display() as display:
        for n_frames, seconds in ((10, 2.0), (110, 4.0)):
            display.show("1/2 a.mp4", Progress("count", n_frames, 600, float("nan"), seconds))
            display.show("2/2 b.mp4", Progress("count", n_frames // 2, 600, float("nan"), seconds))
        display.clear()  # another one has ended
        display.show("1/2 a.mp4", Progress("count", 210, 600, float("nan"), 6.0))
    assert capsys.readouterr().err.splitlines() == [
        "1/2 a.mp4: 10 frames",
        "2/2 b.mp4: 5 frames",
        "1/2 a.mp4: 110 frames, 50 frames/s, 0:10 left",
        "2/2 b.mp4: 55 frames, 25 frames/s, 0:22 left",
        "1/2 a.mp4: 210 frames, 50 frames/s, 0:08 left",
    ]


def test_a_line_follows_the_last_one_of_an_input_that_has_ended(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with progress_bar.Display() as display:
        for seconds, title in ((31.0, "a"), (32.0, "b"), (33.0, "a"), (61.5, "a"), (62.0, "b")):
            now[0] = seconds
            display.show(title, Progress("count", 10))
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["a", "a", "b"]


def test_lengths_of_time_are_written_as_clocks_do() -> None:
    assert [progress_bar.clock(seconds) for seconds in (0, 9.2, 61, 3600, 36061)] == [
        "0:00",
        "0:10",
        "1:01",
        "1:00:00",
        "10:01:01",
    ]
