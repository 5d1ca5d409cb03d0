"""Virtual backgrounds that resist recovery: a picture with noise, motion or decoys.

The package is not called `shield`, because `unveil.shield` is its function.

>>> import unveil
>>> unveil.shield("beach.jpg", "beach.mp4")  # doctest: +SKIP
"""

from unveil.shielding.parameters import ShieldParameters
from unveil.shielding.writing import Shield, shield

__all__ = ["Shield", "ShieldParameters", "shield"]
