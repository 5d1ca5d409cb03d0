"""Counting of a long recording in segments: in processes, in a fixed order, with checkpoints."""
