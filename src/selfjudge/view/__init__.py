"""A viewer for run folders: pages on this machine that read a run and never change it."""
