"""How good a judge is: measuring, comparing measurements, and contamination."""
