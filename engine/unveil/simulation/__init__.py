"""Simulated calls with known ground truth: person, room, virtual background, service's mask."""
