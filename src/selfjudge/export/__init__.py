"""A run's pairs and traces in the formats of other trainers."""
