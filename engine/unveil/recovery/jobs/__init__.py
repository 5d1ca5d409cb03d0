"""Jobs of a batch: what is recovered, in which process, what came of it, and what is done."""
