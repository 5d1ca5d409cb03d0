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
    from unveil.auditing.audit import Audit, audit
    from unveil.auditing.batch import audit_all
    from unveil.auditing.redact import Redaction, redact
    from unveil.demo import run_demo
    from unveil.errors import UnveilError
    from unveil.evaluation import BackgroundEvaluation, evaluate_background
    from unveil.progress import Progress
    from unveil.protection import Protection, Protector, protect
    from unveil.recovery.batch import recover_all
    from unveil.recovery.engine import Engine
    from unveil.recovery.parameters import Parameters
    from unveil.recovery.recover import recover
    from unveil.recovery.result import Recovery
    from unveil.scoring.leak import score_truth
    from unveil.scoring.photo import score_room, verify
    from unveil.scoring.truth import Truth
    from unveil.shielding import Shield, shield
    from unveil.simulation.simulate import simulate_call
    from unveil.tiles.find import find_tiles
    from unveil.tiles.model import Tile
    from unveil.timeline.timeline import draw_timeline

__all__ = [
    "Audit",
    "BackgroundEvaluation",
    "Engine",
    "Parameters",
    "Progress",
    "Protection",
    "Protector",
    "Recovery",
    "Redaction",
    "Shield",
    "Tile",
    "Truth",
    "UnveilError",
    "__version__",
    "audit",
    "audit_all",
    "draw_timeline",
    "evaluate_background",
    "find_tiles",
    "protect",
    "recover",
    "recover_all",
    "redact",
    "run_demo",
    "score_room",
    "score_truth",
    "shield",
    "simulate_call",
    "verify",
]

_HOMES = {
    "Audit": "auditing.audit",
    "BackgroundEvaluation": "evaluation",
    "Engine": "recovery.engine",
    "Parameters": "recovery.parameters",
    "Progress": "progress",
    "Protection": "protection",
    "Protector": "protection",
    "Recovery": "recovery.result",
    "Redaction": "auditing.redact",
    "Shield": "shielding",
    "Tile": "tiles.model",
    "Truth": "scoring.truth",
    "UnveilError": "errors",
    "audit": "auditing.audit",
    "audit_all": "auditing.batch",
    "draw_timeline": "timeline.timeline",
    "evaluate_background": "evaluation",
    "find_tiles": "tiles.find",
    "protect": "protection",
    "recover": "recovery.recover",
    "recover_all": "recovery.batch",
    "redact": "auditing.redact",
    "run_demo": "demo",
    "score_room": "scoring.photo",
    "score_truth": "scoring.leak",
    "shield": "shielding",
    "simulate_call": "simulation.simulate",
    "verify": "scoring.photo",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `unveil --help` needs no compiler."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"unveil.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
