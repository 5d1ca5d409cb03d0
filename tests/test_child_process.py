"""Messages between the program and its child processes, and the end of a child without a parent."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unveil.child_process import child_command, portable_error, read_message, write_message
from unveil.errors import MissingInput, UnveilError

CHILD = """
import sys
from unveil.child_process import messages_to_parent, take_from_parent, write_message

def main(*arguments):
    answers = messages_to_parent(ignored_signals=["SIGINT", "SIGNONE"])
    print("printed", flush=True)
    write_message(answers, "started", arguments)
    take_from_parent(lambda *message: write_message(answers, "taken", *message))
    import time
    time.sleep(600)
"""


@given(st.lists(st.lists(st.integers() | st.text() | st.none(), max_size=3), max_size=4), st.data())
def test_messages_are_read_up_to_the_one_that_is_cut(
    messages: list[list[Any]], data: st.DataObject
) -> None:
    stream, ends = io.BytesIO(), [0]
    for message in messages:
        write_message(stream, *message)
        ends.append(stream.tell())
    kept = data.draw(st.integers(0, ends[-1]))
    cut = io.BytesIO(stream.getvalue()[:kept])
    found = []
    while (read := read_message(cut)) is not None:
        found.append(list(read))
    assert found == messages[: sum(end <= kept for end in ends[1:])]


def test_a_child_answers_and_ends_with_its_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some_child.py").write_text(CHILD)
    monkeypatch.syspath_prepend(tmp_path)
    with subprocess.Popen(
        child_command("some_child", None, 2.5, "ü"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        assert read_message(child.stdout) == ("started", (None, 2.5, "ü"))
        write_message(child.stdin, "job", 7)
        assert read_message(child.stdout) == ("taken", "job", 7)
        child.stdin.close()
        assert child.wait() == 0
        assert child.stderr.read().strip() == b"printed"


def test_an_error_that_can_be_sent_keeps_its_type_and_its_traceback() -> None:
    error = portable_error(MissingInput("call.mp4: no such file"), "call.mp4")
    assert isinstance(error, MissingInput)
    assert str(error) == "call.mp4: no such file"
    assert "MissingInput" in error.__notes__[0]


def test_another_error_becomes_one_of_the_program() -> None:
    class Local(Exception):
        """No other process knows it."""

    error = portable_error(Local("of this function"), "call.mp4")
    assert type(error) is UnveilError
    assert str(error) == "call.mp4: Local: of this function"
