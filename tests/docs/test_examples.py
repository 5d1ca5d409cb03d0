"""Runs every command and every Python example of README.md and docs/ on small inputs."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import unveil
from tests.markdown_page import PAGES, ROOT, Block, blocks_of, inline_code_of
from unveil.cli import app

PARSED_ONLY = {
    "unveil recover /dev/video0 -o camera --preview 10": "needs a camera",
    "unveil protect /dev/video0 -o camera --background loop.mp4 --model lite": (
        "needs a camera and a virtual camera"
    ),
    "unveil protect /dev/video0 -o whip:https://meet.example.org/group/NAME/.whip "
    "--token-file token.txt": "needs a camera and a server",
    "unveil live --open": "serves until it is ended",
    "unveil live --background dusk --model full --virtual-camera auto": "serves until it is ended",
    "unveil live --whip https://meet.example.org/group/NAME/.whip --token-file token.txt": (
        "serves until it is ended"
    ),
    "ffmpeg -i talk.mov -f matroska - | unveil protect - -o - --background '#204060' | ffplay -": (
        "needs FFmpeg's programs and a screen"
    ),
}
"""Commands that are not run: their options are read by the program, no more."""

NOT_RUN = {"python -m bench.report": "writes into the repository; test_benchmarks.py compares"}

LANGUAGES = {"console", "sh", "python", "sql", "js"}
"""Blocks of "js" are run in a browser by tests/live/page/test_page_stream.py."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_example_works(page: Path, workplace: Path) -> None:
    namespace: dict[str, Any] = {}
    for block in blocks_of(page):
        assert block.language in LANGUAGES, f"{block.place}: a block that no test runs"
        if block.language == "python":
            code = "\n" * (block.line - 1) + block.text
            exec(compile(code, block.place, "exec"), namespace)
        elif block.language not in ("sql", "js"):
            for command, shown in block.commands:
                for part in command.split(" && "):
                    _run(block, part, shown)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_query_works(page: Path, workplace: Path) -> None:
    queries = [block for block in blocks_of(page) if block.language == "sql"]
    if not queries:
        return
    duckdb = pytest.importorskip("duckdb", reason="duckdb is in the extra bench")
    _unveil("recover call.mp4 -o out --method farend")
    for query in queries:
        assert duckdb.sql(query.text).fetchall(), f"{query.place}: finds nothing"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_in_the_text_can_be_parsed(page: Path) -> None:
    for command in inline_code_of(page):
        words = command.split()
        known = len(words) > 1 and words[0] == "unveil" and not words[1].isupper()
        if known and not words[1].startswith("-") and "--help" not in words:
            _parse(shlex.join(words if len(words) > 2 else [*words, *_REQUIRED[words[1]]]))


def test_every_public_name_is_in_the_python_page() -> None:
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    words = set(re.findall(r"unveil\.(\w+)", text))
    assert set(unveil.__all__) - words == {"__version__"}


def test_the_readme_is_short() -> None:
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) < 220


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.stem
)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        other = page.parent / name if name else page
        assert other.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in anchors, target


def test_what_is_not_run_is_still_shown() -> None:
    shown = {
        command
        for page in PAGES
        for block in blocks_of(page)
        if block.language in {"console", "sh"}
        for command, _ in block.commands
    }
    assert {*PARSED_ONLY, *NOT_RUN} <= shown


_REQUIRED: dict[str, list[str]] = {
    "recover": ["INPUT", "-o", "OUT"],
    "audit": ["INPUT", "-o", "OUT"],
    "redact": ["INPUT", "-o", "OUT"],
    "protect": ["INPUT", "-o", "OUT"],
    "shield": ["BACKGROUND", "-o", "OUT.mp4"],
    "timeline": ["INPUT", "--at", "1,1", "-o", "OUT"],
    "simulate": ["PERSON", "-o", "OUT"],
    "score": ["RECOVERY", "--truth", "TRUTH"],
    "demo": [],
    "live": [],
}
"""What a text leaves out where it names a command alone."""


def _run(block: Block, command: str, shown: list[str]) -> None:
    """Run a command, or check what can be checked of one that cannot be run."""
    first = command.split()[0]
    if command in PARSED_ONLY:
        (ours,) = (part for part in command.split(" | ") if part.startswith("unveil "))
        _parse(ours)
    elif command in NOT_RUN:
        module = command.removeprefix("python -m ").replace(".", "/")
        assert (ROOT / f"{module}.py").is_file(), block.place
    elif block.language == "sh":
        _check_setup(command, block.place)
    elif first == "ls":
        names = sorted(path.name for path in Path(command.split()[1]).iterdir())
        assert " ".join(shown).split() == names, block.place
    else:
        assert first == "unveil", f"{block.place}: a command that no test runs: {command}"
        done = _unveil(command.removeprefix("unveil "))
        assert done.exit_code == 0, f"{block.place}: {command}\n{done.output}"


def _unveil(arguments: str) -> Any:
    return CliRunner().invoke(app, shlex.split(arguments))


def _parse(command: str) -> None:
    """Read a command's options as the program does; raises for one that it does not know."""
    words = shlex.split(command)
    commands: dict[str, Any] = typer.main.get_command(app).commands
    commands[words[1]].make_context(words[1], words[2:])


def _check_setup(command: str, place: str) -> None:
    """Compare a command that sets an environment up with what `.ci/run` runs."""
    extras = re.fullmatch(r"pip install (?:-e )?'\.\[(\w+)\]'", command)
    if extras:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        assert extras[1] in project["project"]["optional-dependencies"], place
        return
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    script = script.replace('"$python"', "python3").replace('"$work/venv', '".venv')
    script = script.replace('"', "").replace("'", "").replace("--quiet ", "").replace("-q", "")
    run = [re.sub(r"^\w+=\S+ ", "", line.strip()) for line in script.splitlines()]
    assert any(line.split()[: len(command.split())] == command.split() for line in run), (
        f"{place}: .ci/run does not run {command}"
    )
