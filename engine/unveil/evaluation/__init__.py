"""Evaluation of a virtual background: what attacks recover of a call before it.

>>> import unveil
>>> made = unveil.shield("beach.jpg", "beach.mp4")  # doctest: +SKIP
>>> unveil.evaluate_background(made.output, "beach.jpg").remaining_share  # doctest: +SKIP
"""

from unveil.evaluation.evaluate import BackgroundEvaluation, evaluate_background

__all__ = ["BackgroundEvaluation", "evaluate_background"]
