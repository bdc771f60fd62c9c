"""Benchmarks of others: their data, protocols and official scores. Re-implemented; no official text is copied."""
