"""Scores of a recovered room against a photo or the exact ground truth."""
