"""docs/commands.md against the command line: every option, its values and its default."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.markdown_page import PAGES, ROOT, code_in, inline_code_of, tables_of
from unveil.cli import app

GROUP: Any = typer.main.get_command(app)
TABLES = tables_of(ROOT / "docs" / "commands.md")
HELP = {"-h", "--help"}


def options_of(command: Any) -> dict[str, Any]:
    """Options of a command, by all their spellings joined."""
    return {
        " ".join(sorted([*parameter.opts, *parameter.secondary_opts])): parameter
        for parameter in command.params
        if parameter.param_type_name == "option"
    }


def documented(heading: str) -> dict[str, list[str]]:
    """Rows of the table below a heading, by all spellings joined."""
    rows = TABLES[heading]
    by_option = {" ".join(sorted(code_in(row[0]))): row for row in rows}
    assert len(by_option) == len(rows), f"{heading}: an option occurs twice"
    return by_option


EACH = [
    pytest.param(name, spelled, id=f"{name} {spelled}")
    for name, command in GROUP.commands.items()
    for spelled in options_of(command)
]


def test_every_command_has_a_section_and_no_other() -> None:
    sections = {heading for heading in TABLES if heading.startswith("unveil ")}
    assert sections == {f"unveil {name}" for name in GROUP.commands}


def test_every_command_is_in_the_readme() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert [name for name in GROUP.commands if f"`unveil {name}" not in text] == []


@pytest.mark.parametrize("name", GROUP.commands)
def test_every_option_of_a_command_is_documented_and_no_other(name: str) -> None:
    assert documented(f"unveil {name}").keys() == options_of(GROUP.commands[name]).keys()


def test_every_option_before_a_command_is_documented_and_no_other() -> None:
    told = documented("Commands").keys()
    assert told == {*options_of(GROUP), " ".join(sorted(HELP, key=str))}


@pytest.mark.parametrize(("name", "spelled"), EACH)
def test_values_and_defaults_are_those_of_the_program(name: str, spelled: str) -> None:
    parameter = options_of(GROUP.commands[name])[spelled]
    _, value, default, meaning = documented(f"unveil {name}")[spelled]
    assert meaning
    assert default.replace("`", "") == _default(parameter)
    if parameter.is_flag:
        assert value == ""
    elif parameter.metavar:
        assert code_in(value) == [parameter.metavar]
    else:
        assert code_in(value) == _choices(name, spelled)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_page_names_an_option_that_does_not_exist(page: Any) -> None:
    known = {
        word
        for command in [GROUP, *GROUP.commands.values()]
        for spelled in options_of(command)
        for word in spelled.split()
    }
    named = {
        word for text in inline_code_of(page) for word in re.findall(r"(?<!\S)--[a-z][a-z-]*", text)
    }
    assert named - known - HELP == set()


def _default(parameter: Any) -> str:
    """Write the default of an option as a table has it."""
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if parameter.is_flag:
        return next(iter(parameter.opts)) if parameter.default else "off"
    return str(parameter.default)


def _choices(name: str, spelled: str) -> list[str]:
    """Values of an option that has a choice, as the program lists them."""
    option = next(word for word in spelled.split() if word.startswith("--"))
    required = {"recover": ["a", "-o", "b"], "protect": ["a", "-o", "b"], "score": ["a"]}
    required |= {"timeline": ["a", "--at", "1,1", "-o", "b"], "simulate": ["a", "-o", "b"]}
    required |= {"audit": ["a", "-o", "b"], "redact": ["a", "-o", "b"]}
    required["score"] += ["--truth", "b"]
    refused = CliRunner().invoke(app, [name, *required.get(name, []), option, "?"])
    assert refused.exit_code == 2
    _, _, listed = re.sub(r"[\s│]+", " ", refused.output).partition("is not one of")
    return re.findall(r"'([\w-]+)'", listed)
