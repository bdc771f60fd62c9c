"""What every client asks: so many chat requests of about 700 characters, each different."""

from __future__ import annotations

TEXT = "The first answer names the colour that the image shows, and the second one does not. " * 8
CONCURRENCY = 256


def prompts(count: int) -> list[str]:
    return [f"{number} {TEXT}" for number in range(count)]
