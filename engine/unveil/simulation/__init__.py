"""Calls with known truth: a person, a room, a virtual background, a service's mask."""
