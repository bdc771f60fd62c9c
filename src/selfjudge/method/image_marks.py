"""Marks of images in an instruction: `<image>`, `<IMAGE>`, `<image 1>`, `<|image_pad|>`, `[IMG]` and other spellings.

A template shows the images of a prompt together, so a mark can be taken away where it stands before or after the whole text.
"""

from __future__ import annotations

import re
from itertools import pairwise

IMAGE_MARK = re.compile(
    r"(?:<\|vision_start\|>|<\|?image_start\|?>)?"
    r"(?:<\|?(?:start_of_|begin_of_)?(?:image|img)(?:[ _-]?(?:here|pad|placeholder|context|soft[ _-]token|token))?"
    r"(?:[ _-]?#?(?P<number>\d{1,4}))?[ ]?/?\|?>|\[IMG\]|<__media__>)"
    r"(?:</img>|</image>|<\|vision_end\|>|<\|?image_end\|?>)?",
    re.IGNORECASE,
)
MARK = "<image>"
"""The spelling that stands for an image where a row has it as a block of a message."""


def unmarked(text: str, images: int) -> str:
    """The text without marks, of which there must be none or as many as `images`, all before or all after it.

    Raises ValueError where their number, order or place would be lost.
    """
    marks = list(IMAGE_MARK.finditer(text))
    if not marks:
        return text.strip()
    if len(marks) != images:
        raise ValueError(f"{len(marks)} {'mark' if len(marks) == 1 else 'marks'} such as `{marks[0][0]}` for {images} images")
    numbers = [int(mark["number"]) for mark in marks if mark["number"] is not None]
    if numbers and numbers != list(range(numbers[0], numbers[0] + images)):
        raise ValueError(f"its marks are numbered {', '.join(map(str, numbers))}: the images are shown in their own order")
    before, after = text[: marks[0].start()].strip(), text[marks[-1].end() :].strip()
    between = any(text[one.end() : other.start()].strip() for one, other in pairwise(marks))
    if between or (before and after):
        raise ValueError(f"`{marks[0][0]}` stands within the text, where an image cannot be shown")
    return before or after
