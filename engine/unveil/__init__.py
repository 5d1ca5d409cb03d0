"""How much of a room a virtual background gives away, and a background that gives away less.

>>> import unveil
>>> recovery = unveil.recover("call.mp4")
>>> recovery.save("out/call")
>>> unveil.protect("video.mp4", "protected.mp4", background="beach.jpg")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unveil._version import __version__

if TYPE_CHECKING:
    from unveil.demo import run_demo
    from unveil.engine import Engine, recover
    from unveil.errors import UnveilError
    from unveil.leak_score import score_truth
    from unveil.parameters import Parameters
    from unveil.progress import Progress
    from unveil.protection import Protection, Protector, protect
    from unveil.recovery import Recovery
    from unveil.score import score_room, verify
    from unveil.simulate import simulate_call
    from unveil.timeline import draw_timeline
    from unveil.truth import Truth

__all__ = [
    "Engine",
    "Parameters",
    "Progress",
    "Protection",
    "Protector",
    "Recovery",
    "Truth",
    "UnveilError",
    "__version__",
    "draw_timeline",
    "protect",
    "recover",
    "run_demo",
    "score_room",
    "score_truth",
    "simulate_call",
    "verify",
]

_HOMES = {
    "Engine": "engine",
    "Parameters": "parameters",
    "Progress": "progress",
    "Protection": "protection",
    "Protector": "protection",
    "Recovery": "recovery",
    "Truth": "truth",
    "UnveilError": "errors",
    "draw_timeline": "timeline",
    "protect": "protection",
    "recover": "engine",
    "run_demo": "demo",
    "score_room": "score",
    "score_truth": "leak_score",
    "simulate_call": "simulate",
    "verify": "score",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `unveil --help` needs no compiler."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"unveil.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
