"""A network that runs: its input to be filled in place, its outputs as arrays."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from unveil.arrays import F32
from unveil.errors import MissingRuntime
from unveil.person.models import Model, read

_GREETING: Final = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
_first_lock = threading.Lock()
_greeted = False


class Network:
    """One of unveil's networks in LiteRT, on the CPU.

    The number of threads changes how long a run takes and not one bit of its result.
    Not thread-safe: use one per thread.

    Raises
    ------
    DamagedModel
        The network's file is missing or has been changed.
    MissingRuntime
        LiteRT is not installed, or not for this machine.
    """

    def __init__(self, model: Model, threads: int) -> None:
        content = read(model)
        # Imported here: most of unveil's commands find no person.
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingRuntime(
                f"ai-edge-litert, which finds the person, cannot be loaded ({error}); "
                "install it, or do without the person"
            ) from error

        with _without_greeting():
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
        (self._input,) = (detail["index"] for detail in self._interpreter.get_input_details())
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    @property
    def tensor(self) -> F32:
        """The input, (h, w, 3): the network's own memory, to be filled and then let go."""
        view: F32 = self._interpreter.tensor(self._input)()[0]
        return view

    def run(self) -> None:
        """Compute the outputs from what was written into `tensor`."""
        self._interpreter.invoke()

    def output(self, index: int) -> F32:
        """Copy an output of the last run, without its leading axis of one."""
        copy: F32 = self._interpreter.get_tensor(self._outputs[index])[0]
        return copy


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Keep LiteRT's greeting off the terminal; anything else that it says comes through.

    The library writes it to the process's standard error when it first makes a network, past
    Python, and offers no way to ask for silence.
    """
    global _greeted
    with _first_lock:
        if _greeted:
            yield
            return
        try:
            terminal = os.dup(2)
        except OSError:  # there is no standard error, so nothing to keep clean
            yield
            return
        try:
            with tempfile.TemporaryFile() as said:
                os.dup2(said.fileno(), 2)
                try:
                    yield
                finally:
                    os.dup2(terminal, 2)
                    said.seek(0)
                    for line in said:
                        if line.strip() != _GREETING:
                            os.write(2, line)
            _greeted = True
        finally:
            os.close(terminal)
