"""Audits of calls: what leaks, when, a page that anyone can read, and a copy without the leaks.

The package is not called `audit`, because `unveil.audit` is its function.

>>> import unveil
>>> unveil.audit("call.mp4").write("report/call")  # doctest: +SKIP
"""
