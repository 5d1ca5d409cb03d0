"""Tiles of a recorded meeting: galleries, a speaker with a strip, a picture beside a screen."""
