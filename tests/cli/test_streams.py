"""Closed standard streams, readers that go away, terminals that lack letters: the result counts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.command import RECOVER, finished, start_unveil, unveil, write_call
from tests.footage import write_video
from tests.sitter import decoded, frame
from unveil.cli.runtime_log import start_message_hidden
from unveil.recovery.result import FILES
from unveil.recovery.warmup import prepare

if os.name == "nt":
    pytest.skip("closes POSIX descriptors", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare("transitions")


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_call(tmp_path_factory.mktemp("calls") / "call.mp4")


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("talk")
    path = write_video(folder / "talk.mp4", map(frame, range(3)), rate=25)
    done = unveil("protect", path, "-o", folder / "warm.mp4", "--background", "white")
    assert done.exit_code == 0
    return path


@pytest.mark.parametrize(
    ("closed", "option"),
    [
        ((1,), "--json"),
        ((1,), "--method=transitions"),
        ((2,), "--method=transitions"),
        ((1, 2), "--method=transitions"),
        ((0, 1, 2), "--json"),
    ],
)
def test_recover_with_closed_streams(
    tmp_path: Path, call: Path, closed: tuple[int, ...], option: str
) -> None:
    process = start_unveil(
        *(*RECOVER, call, "-o", tmp_path, option), closed=closed, new_interpreter=0 in closed
    )
    code, out, err = finished(process)
    assert (code, err) == (0, "")
    assert bool(out) == (1 not in closed)
    assert sorted(path.name for path in (tmp_path / "call").iterdir()) == sorted(FILES)


@pytest.mark.parametrize("closed", [(1, 2), (0, 1, 2)])
def test_protect_with_closed_streams(tmp_path: Path, talk: Path, closed: tuple[int, ...]) -> None:
    """No file takes the number of a closed stream: FFmpeg's messages would go into it."""
    process = start_unveil(
        *("protect", talk, "-o", tmp_path / "out.mp4", "--background", "white", "--json", "-q"),
        closed=closed,
        new_interpreter=0 in closed,
    )
    assert finished(process) == (0, "", "")
    assert len(decoded(tmp_path / "out.mp4")) == 3


def test_a_video_cannot_go_to_a_closed_standard_output(talk: Path) -> None:
    process = start_unveil("protect", talk, "-o", "-", "--background", "white", closed=(1,))
    code, _, err = finished(process)
    assert (code, err) == (
        1,
        "unveil: standard output: is closed; name a file or a program that takes the video\n",
    )


def test_a_closed_standard_input_holds_no_video(tmp_path: Path) -> None:
    code, _, err = finished(start_unveil(*RECOVER, "-", "-o", tmp_path, closed=(0,)))
    assert (code, err) == (1, "unveil: standard input: is closed; pipe a video into it\n")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("option", ["--json", "--no-isolate"])
def test_a_reader_who_went_away(tmp_path: Path, call: Path, stream: str, option: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_text("no video")
    process = start_unveil(
        *RECOVER, damaged, call, "-o", tmp_path / "out", option, **{stream: writing}
    )
    os.close(writing)
    code, out, err = finished(process)
    assert code == 1  # for the damaged one
    assert "Traceback" not in f"{out}{err}"
    assert "Broken pipe" not in f"{out}{err}"
    assert sorted(path.name for path in (tmp_path / "out" / "call").iterdir()) == sorted(FILES)


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("recover", "--help")])
def test_help_to_a_reader_who_went_away(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start_unveil(*arguments, stdout=writing)
    os.close(writing)
    code, _, err = finished(process)
    assert (code, err) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_results_that_cannot_be_written_are_an_error(tmp_path: Path, call: Path) -> None:
    with Path("/dev/full").open("w") as full:
        process = start_unveil(*RECOVER, call, "-o", tmp_path, "--json", stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith("unveil: standard output: cannot be written (No space left on device)")
    assert err.count("\n") == 1


ENVIRONMENTS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
"""In "C", Python itself starts in another way, and escapes each byte beyond ASCII of a name."""

OTHER_LETTERS, NOT_UTF_8 = "Gespräch… 日本.mp4", os.fsdecode(b"not utf-8 \xff.mp4")


def copied(call: Path, path: Path) -> Path:
    try:
        path.write_bytes(call.read_bytes())
    except OSError:
        pytest.skip("the file system refuses the name")
    return path


@pytest.mark.parametrize(
    ("environment", "name"),
    [("ascii", NOT_UTF_8), ("latin-1", OTHER_LETTERS), ("C", OTHER_LETTERS)],
)
def test_names_of_inputs_that_the_terminal_cannot_show(
    tmp_path: Path, call: Path, environment: str, name: str
) -> None:
    process = start_unveil(
        *(*RECOVER, copied(call, tmp_path / name), "-o", tmp_path / "out"),
        environment=ENVIRONMENTS[environment],
        new_interpreter=environment == "C",
    )
    code, out, err = finished(process)
    assert (code, err) == (0, "")
    assert "100.0%" in out
    (folder,) = (tmp_path / "out").iterdir()
    assert json.loads((folder / "report.json").read_text(encoding="utf-8"))["frames_used"] == 40


@pytest.mark.parametrize(
    ("environment", "name"), [("ascii", NOT_UTF_8), ("latin-1", NOT_UTF_8), ("C", OTHER_LETTERS)]
)
def test_names_of_outputs_that_the_terminal_cannot_show(
    tmp_path: Path, talk: Path, environment: str, name: str
) -> None:
    protected = copied(talk, tmp_path / name)
    process = start_unveil(
        *("protect", talk, "-o", protected, "--force", "--background", "white"),
        environment=ENVIRONMENTS[environment],
        new_interpreter=environment == "C",
    )
    code, out, _ = finished(process)
    assert (code, "3 frames at" in out) == (0, True)
    assert len(decoded(protected)) == 3


def test_no_folder_for_temporary_files(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The message that would be hidden is shown, and nothing fails."""
    monkeypatch.setattr("unveil.cli.runtime_log._started", False)

    def fail() -> None:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.TemporaryFile", fail)
    with start_message_hidden():
        os.write(2, b"message\n")
    assert capfd.readouterr().err == "message\n"


def test_an_environment_with_next_to_nothing(tmp_path: Path, call: Path) -> None:
    environment = {"HOME": str(tmp_path / "none"), "TMPDIR": str(tmp_path / "none")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    process = start_unveil(
        *(*RECOVER, call, "-o", tmp_path / "out"), environment=environment, new_interpreter=True
    )
    code, _, err = finished(process)
    assert (code, err) == (0, "")
    assert not (tmp_path / "none").exists()
