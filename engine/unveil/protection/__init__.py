"""Protection of videos: removes, blurs or replaces the real background of a person.

The package is not called `protect`, because `unveil.protect` is its function.

>>> import unveil
>>> unveil.protect("call.mp4", "protected.mp4", background="beach.jpg")  # doctest: +SKIP
"""

from __future__ import annotations

from unveil.protection.parameters import Mode, ProtectParameters
from unveil.protection.protector import Protector
from unveil.protection.result import Protection
from unveil.protection.stream import protect
from unveil.protection.tally import ProtectTally

__all__ = ["Mode", "ProtectParameters", "ProtectTally", "Protection", "Protector", "protect"]
