"""What an answer says, in one form for all of its wordings."""

from .polarity import CANNOT_TELL
from .reading import normalise

__all__ = ["CANNOT_TELL", "normalise"]
