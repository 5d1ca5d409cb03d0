"""The counting state: quantised colour counts per pixel and their accumulators."""
