"""Passes over a recording."""
