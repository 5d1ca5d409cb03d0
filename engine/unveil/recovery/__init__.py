"""Recovery of the room and the background from the counts."""
