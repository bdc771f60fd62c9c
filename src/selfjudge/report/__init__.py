"""The report of a run: one HTML page with the learning curve, the figures behind it, and judged pairs to look at."""

from .page import write_report

__all__ = ["write_report"]
