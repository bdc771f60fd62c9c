"""A judge for one's own code: `Judge.load` or `Judge.connect`, then `compare`, `compare_all`, `rank`, `best` and `score`."""

from .cases import Case, Picture, Preference
from .judging import Judge
from .ranks import Ranking

__all__ = ["Case", "Judge", "Picture", "Preference", "Ranking"]
