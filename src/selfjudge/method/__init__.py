"""The science: pure functions from values to values. No files, no clock, no network, no global random state."""
