"""Benchmarks of others: what their official scripts read and how they score it. Re-implemented; no official text is copied."""
