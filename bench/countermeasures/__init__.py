"""What helps against a recovery: resisting backgrounds, and how the person's edge is cut."""
