"""A network in LiteRT: the caller fills its input and copies its outputs."""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from unveil.errors import MissingRuntime
from unveil.person.models import Model, read

if TYPE_CHECKING:
    from unveil.arrays import F32

_idle: defaultdict[tuple[Model, int], list[Any]] = defaultdict(list)
"""Interpreters that no `Network` uses any more, at most one of each model and number of threads.

To make one takes 30 to 150 ms; a command and a batch use the same networks again and again. They
keep no state from one run to the next. Lists are changed by single operations, which the
interpreter lock makes atomic: networks are given back in any thread, whenever Python frees them.
"""

_around_creation: Callable[[], AbstractContextManager[object]] = nullcontext


@contextmanager
def networks_created_inside(
    context: Callable[[], AbstractContextManager[object]],
) -> Iterator[None]:
    """Enter `context()` around the creation of each network, in any thread, until this one ends.

    LiteRT logs to the process's standard error when it creates its first network, and its Python
    package cannot set the log level. The library leaves the process's streams alone; a program
    that owns them, such as the command line, can filter the log here.
    """
    global _around_creation
    before, _around_creation = _around_creation, context
    try:
        yield
    finally:
        _around_creation = before


class Network:
    """One of unveil's networks in LiteRT, on the CPU; one that is not used any more is used again.

    The number of threads changes the time of a run, but no bit of its result.
    Not thread-safe: use one per thread.

    Attributes
    ----------
    tensor
        The input, (h, w, 3), for the caller to fill.

    Raises
    ------
    DamagedModel
        The network's file is missing or has been changed.
    MissingRuntime
        LiteRT is not installed, or not for this machine.
    """

    def __init__(self, model: Model, threads: int) -> None:
        idle = _idle[model, threads]
        try:
            self._interpreter = idle.pop()
        except IndexError:
            self._interpreter = _created(model, threads)
        weakref.finalize(self, _give_back, idle, self._interpreter).atexit = False
        (self._input,) = (detail["index"] for detail in self._interpreter.get_input_details())
        # A copy, not LiteRT's own memory: it refuses to run while any reference to that is left,
        # such as by the frame of a function that a profiler in another thread (Dask's) looks at.
        self.tensor: F32 = self._interpreter.get_tensor(self._input)[0]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def run(self) -> None:
        """Compute the outputs from the input in `tensor`."""
        self._interpreter.set_tensor(self._input, self.tensor[None])
        self._interpreter.invoke()

    def output(self, index: int) -> F32:
        """Copy an output of the last run, without its leading axis of one."""
        copy: F32 = self._interpreter.get_tensor(self._outputs[index])[0]
        return copy


def _created(model: Model, threads: int) -> Any:
    """Make an interpreter, see `Network`."""
    content = read(model)
    # Most commands need no network.
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingRuntime(
            f"ai-edge-litert, which finds the person, cannot be loaded ({error}); "
            "install it, or do without the person"
        ) from error
    with _around_creation():
        interpreter = Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
    return interpreter


def _give_back(idle: list[Any], interpreter: Any) -> None:
    """Keep an interpreter for the next network of its kind, unless one is kept already."""
    if not idle:
        idle.append(interpreter)
