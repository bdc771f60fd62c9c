"""Prompts as a run would take them: every row is read and every image opened, and nothing is stored or generated."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from jinja2 import Environment, PackageLoader, select_autoescape

from ..figures import Refusal
from ..method.languages import language
from ..ports import Benchmark, Progress, PromptSource
from ..run.disk import write_whole
from ..run.images import decode
from ..run.reasons import refusals
from ..run.tables import Row
from ..stages.contamination import index
from ..stages.ingest import Admitted
from ..types import storable
from .reading import read, refusal

_TILES = 60
"""Images of the contact sheet."""
_SIDE = 160
"""Pixels of a thumbnail's longer side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a run would make of its sources.

    refused   by reason, each with its count, meaning, what to change and three examples
    rules     prompts by the rule that decided whether they are open or closed
    languages prompts by the language of their text (ISO 639-1), as the rules for their wording take it
    left_out  prompts by the turns of their conversation that are not used
    sides     the shortest, the middle and the longest longer side of an image, in pixels; None without images
    tiles     thumbnails of the first images as data URLs, with the first prompt about each
    """

    rows: int
    used: int
    kinds: dict[str, int]
    rules: dict[str, int]
    languages: dict[str, int]
    left_out: dict[str, int]
    images: int
    sides: tuple[int, float, int] | None
    refused: Sequence[Refusal]
    tiles: Sequence[tuple[str, str]]


def check(sources: Sequence[PromptSource], *, max_pixels: int, progress: Progress, excluded: Sequence[Benchmark] = ()) -> Checked:
    """Read all rows of the sources. Raises SelfjudgeError where a source or a benchmark cannot be read."""
    refused: list[Row] = []
    used, kinds, rules, left_out, languages = 0, Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    sides, tiles = dict[str, int](), list[tuple[str, str]]()
    shown = index(excluded, progress) if excluded else None
    for raw, found in read(sources, max_pixels=max_pixels, progress=progress, excluded=shown):
        if isinstance(found, Admitted):
            used += 1
            kinds[found.prompt.kind] += 1
            rules[found.prompt.kind_rule] += 1
            languages[language(found.prompt.text)] += 1
            left_out.update([found.prompt.left_out] if found.prompt.left_out else ())
            for ref, data in found.images:
                if ref.sha256 not in sides and len(tiles) < _TILES:
                    tiles.append((_thumbnail(data), found.prompt.text))
                sides[ref.sha256] = max(ref.width, ref.height)
        elif found is not None:
            refused.append(refusal(raw.where, found))
    longer = sorted(sides.values())
    return Checked(
        rows=used + len(refused),
        used=used,
        kinds=dict(sorted(kinds.items())),
        rules=dict(rules.most_common()),
        languages=dict(languages.most_common()),
        left_out=dict(left_out.most_common()),
        images=len(sides),
        sides=(longer[0], median(longer), longer[-1]) if longer else None,
        refused=refusals(refused, _without_source),
        tiles=tiles,
    )


def _without_source(where: str) -> str:
    return where.partition("/")[2] or where


def _thumbnail(data: bytes) -> str:
    """A small picture as a data URL."""
    picture = decode(data)
    picture.thumbnail((_SIDE, _SIDE))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=70, comment=None)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def write_sheet(checked: Checked, path: Path, title: str, cut: Callable[[str], str] = lambda text: text[:200]) -> None:
    """Write the contact sheet: one HTML file that needs nothing else, whatever the prompts hold."""
    pages = Environment(loader=PackageLoader("selfjudge.forecast"), autoescape=select_autoescape())
    tiles = [(picture, cut(text)) for picture, text in checked.tiles]
    page = pages.get_template("sheet.html").render(title=title, checked=checked, tiles=tiles)
    write_whole(path, storable(page).encode())
