"""Benchmarks of unveil and its peers; each runner writes its own results."""
