"""What an answer says, in one form for all of its wordings."""

from .reading import normalise

__all__ = ["normalise"]
