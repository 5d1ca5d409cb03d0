"""What is known of the virtual background: steadiness, changes, motion, a given picture."""
