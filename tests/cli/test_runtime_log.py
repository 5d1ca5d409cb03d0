"""Commands hide the runtime's start message, and nothing else that is written to standard error."""

from __future__ import annotations

import subprocess
import sys

import pytest


def stderr_of(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stderr


def test_a_command_hides_the_start_message() -> None:
    pytest.importorskip("ai_edge_litert")
    code = """
import sys
import typer
from unveil.cli.reporting import reporting
from unveil.person import Segmenter

app = typer.Typer()

@app.command()
def command(context: typer.Context) -> None:
    with reporting(context, quiet=True):
        Segmenter("selfie-landscape")
        print("standard error works", file=sys.stderr)

app([])
"""
    assert stderr_of(code) == "standard error works\n"


def test_other_lines_are_kept() -> None:
    code = """
import os
from unveil.cli.runtime_log import start_message_hidden
message = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\n"
with start_message_hidden():
    os.write(2, b"WARNING: before\\n" + message + b"ERROR: after\\n")
with start_message_hidden():
    os.write(2, message)
"""
    assert stderr_of(code) == (
        "WARNING: before\nERROR: after\nINFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
    )


def test_lines_are_kept_after_an_error() -> None:
    code = """
import os, contextlib
from unveil.cli.runtime_log import start_message_hidden
with contextlib.suppress(KeyError), start_message_hidden():
    os.write(2, b"WARNING: before\\n")
    raise KeyError
os.write(2, b"WARNING: behind\\n")
"""
    assert stderr_of(code) == "WARNING: before\nWARNING: behind\n"


def test_without_standard_error() -> None:
    code = """
import os
from unveil.cli.runtime_log import start_message_hidden
os.close(2)
with start_message_hidden():
    print("inside")
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"inside\n"
