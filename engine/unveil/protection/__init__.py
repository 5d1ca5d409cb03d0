"""Protected video: the person before nothing, before a blur or before another background.

The package bears another name than its function `unveil.protect`, or importing the one would
hide the other.

>>> import unveil
>>> unveil.protect("call.mp4", "protected.mp4", background="beach.jpg")  # doctest: +SKIP
"""

from __future__ import annotations

from unveil.protection.parameters import Mode, ProtectParameters
from unveil.protection.protector import Protector
from unveil.protection.stream import Protection, protect
from unveil.protection.tally import ProtectTally

__all__ = ["Mode", "ProtectParameters", "ProtectTally", "Protection", "Protector", "protect"]
