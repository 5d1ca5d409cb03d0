"""Benchmarks of unveil against its peers; every figure is written by the runner that took it."""
