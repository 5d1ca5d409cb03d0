"""Recovery of the room and the virtual background from a recorded call."""
