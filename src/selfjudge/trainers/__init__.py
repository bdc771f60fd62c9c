"""Supervised fine-tuning. `wiring` knows the trainers by kind."""
