"""Recovery of many recordings on the machines of a Dask cluster.

>>> import unveil.cluster
>>> outcomes = unveil.cluster.recover_many(["a.mp4", "b.mp4"], "/shared/out", cluster="local")
"""

from __future__ import annotations

from unveil.cluster.recover_many import recover_many

__all__ = ["recover_many"]
