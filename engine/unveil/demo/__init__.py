"""The demonstration: makes a call, recovers and audits it, protects it anew and audits that."""

from unveil.demo.result import DemoKind, DemoResult, PersonDemo
from unveil.demo.run import run_demo
from unveil.simulation.ideal import DemoCall, Kind, make_call, moving_call

__all__ = [
    "DemoCall",
    "DemoKind",
    "DemoResult",
    "Kind",
    "PersonDemo",
    "make_call",
    "moving_call",
    "run_demo",
]
