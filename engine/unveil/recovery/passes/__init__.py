"""Passes over a recording: what one is, who runs it, and the plans that need several."""
