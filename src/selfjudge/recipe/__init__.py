"""Recipes: what a run does, and the files they are read from."""
