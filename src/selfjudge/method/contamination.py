"""Contamination: whether a training prompt shows what a benchmark shows. Texts and looks of images only, never a label.

Four kinds of hits, by prompt:

- `exact`: an image has the same admitted bytes, or decodes to the same pixels (a PNG and its lossless copy).
- `perceptual`: an image looks the same. Its perceptual hash proposes, within HASH_BITS of 64 bits; a thumbnail confirms, with a
  correlation of at least CORRELATION. The hash alone is no proof: on low-detail pictures hashes coincide by chance. A picture
  with less than CONTRAST has no look to compare and can only be hit exactly.
- `text`: the normalised instruction is the same, and specific.
- `generic_text`: the same, but short or common to several items ("Describe the image."). It does not condemn a prompt.

The thresholds are CHOSEN; `benchmarks/contamination_rates.py` measures them and docs/benchmarks.md has the figures.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .image_marks import IMAGE_MARK

HASH_BITS = 8
"""Bits of 64 in which the perceptual hashes of two pictures may differ."""
CORRELATION = 0.97
"""What the thumbnails of two pictures must at least have, colours included, brightness and contrast aside."""
CONTRAST = 2.5
"""Grey levels of 255, root mean square, that a thumbnail must deviate from its mean colour to be compared."""
SPECIFIC_WORDS = 13
"""Words that make an instruction specific: as many as GPT-3's filter took for an overlap (arXiv 2005.14165, appendix C)."""
THUMBNAIL = 16
"""Pixels of a thumbnail's side."""

_BLOCK = 256
"""Images compared with all of a benchmark at once: bounds memory to a few bytes a pair."""


class HitKind(StrEnum):
    """How a prompt shows what a benchmark item shows, the surest first."""

    EXACT = "exact"
    PERCEPTUAL = "perceptual"
    TEXT = "text"
    GENERIC_TEXT = "generic_text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """How an image looks: SHA-256 of its admitted bytes and of its pixels, perceptual hash of 64 bits, RGB thumbnail."""

    sha256: str
    pixels: str
    phash: int
    thumbnail: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedItem:
    """A question of a benchmark, with the looks of its pictures and of pictures among its responses, whose texts are no part."""

    benchmark: str
    item: str
    text: str
    looks: tuple[Appearance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a training prompt shows."""

    text: str
    looks: tuple[Appearance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One kind of hit of one prompt: numbers of the items in the index, nearest first, and the nearest's distance in bits."""

    kind: HitKind
    items: tuple[int, ...]
    distance: int

    @property
    def condemns(self) -> bool:
        """Whether the prompt counts as contaminated by this alone."""
        return self.kind is not HitKind.GENERIC_TEXT


def normalised(text: str) -> str:
    """The words of an instruction: NFKC, lower case, without `<image>`, punctuation, symbols and surplus white space."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", IMAGE_MARK.sub(" ", text)).casefold())
    return " ".join("".join(map(_kept, folded)).split())


@cache
def _kept(character: str) -> str:
    """Letters, marks and numbers as they are; all else separates words."""
    return character if unicodedata.category(character)[0] in "LMN" else " "


def word_count(text: str) -> int:
    """Words of a normalised text; in scripts that write no spaces between words, each wide character is one."""
    wide = sum(unicodedata.east_asian_width(character) == "W" for character in text)
    spaced = "".join(" " if unicodedata.east_asian_width(character) == "W" else character for character in text)
    return wide + len(spaced.split())


def is_flat(look: Appearance) -> bool:
    """Whether a picture has too little contrast to be compared by its looks."""
    return float(np.sqrt(np.mean(_centred(look) ** 2))) < CONTRAST


def alike(one: Appearance, other: Appearance) -> bool:
    """Whether two pictures look the same."""
    if is_flat(one) or is_flat(other) or (one.phash ^ other.phash).bit_count() > HASH_BITS:
        return False
    return float(_direction(one) @ _direction(other)) >= CORRELATION


def _centred(look: Appearance) -> NDArray[np.float64]:
    """A thumbnail's colours less their mean, so that a brighter copy is still a copy."""
    colours = np.frombuffer(look.thumbnail, dtype=np.uint8).reshape(-1, 3).astype(np.float64)
    centred: NDArray[np.float64] = colours - colours.mean(axis=0)
    return centred


def _direction(look: Appearance) -> NDArray[np.float64]:
    """A thumbnail as a vector of length one, whose product with another's is their correlation."""
    vector = _centred(look).ravel()
    direction: NDArray[np.float64] = vector / np.linalg.norm(vector)
    return direction


class Index:
    """The items of benchmarks, to be searched by what prompts show. Items are numbered from 0 in the order given."""

    def __init__(self, indexed: Iterable[IndexedItem]) -> None:
        self.indexed = tuple(indexed)
        self._bytes = _places((look.sha256, n) for n, look in self._looks())
        self._pixels = _places((look.pixels, n) for n, look in self._looks())
        self._texts = _places((normalised(entry.text), n) for n, entry in enumerate(self.indexed))
        seen = [(n, look) for n, look in self._looks() if not is_flat(look)]
        self._owners = np.array([n for n, _ in seen], dtype=np.int64)
        self._hashes = np.array([look.phash for _, look in seen], dtype=np.uint64)
        self._directions = np.array([_direction(look) for _, look in seen]).reshape(len(seen), 3 * THUMBNAIL**2)

    def _looks(self) -> Iterator[tuple[int, Appearance]]:
        return ((n, look) for n, entry in enumerate(self.indexed) for look in entry.looks)

    def search(self, queries: Sequence[Query]) -> list[tuple[Hit, ...]]:
        """The hits of each prompt, at most one of a kind, the surest first."""
        exact = [_joined(map(self._same, query.looks)) for query in queries]
        resembling = self._resembling(queries)
        return [
            tuple(hit for hit in (_exact(same), _perceptual(near, same), self._text(query.text)) if hit is not None)
            for query, same, near in zip(queries, exact, resembling, strict=True)
        ]

    def _same(self, look: Appearance) -> tuple[int, ...]:
        return _joined((self._bytes.get(look.sha256, ()), self._pixels.get(look.pixels, ())))

    def _text(self, text: str) -> Hit | None:
        words = normalised(text)
        items = self._texts.get(words, ()) if words else ()
        if not items:
            return None
        kind = HitKind.TEXT if self._is_specific(words, items) else HitKind.GENERIC_TEXT
        return Hit(kind=kind, items=items, distance=0)

    def _is_specific(self, words: str, items: tuple[int, ...]) -> bool:
        """Long, and in some benchmark the text of one item only: what several items ask is a common phrase."""
        benchmarks = [self.indexed[n].benchmark for n in items]
        return word_count(words) >= SPECIFIC_WORDS and any(benchmarks.count(name) == 1 for name in set(benchmarks))

    def _resembling(self, queries: Sequence[Query]) -> list[dict[int, int]]:
        """For each prompt the items with an image that looks the same, and the distance of their hashes in bits."""
        found: list[dict[int, int]] = [{} for _ in queries]
        shown = [(n, look) for n, query in enumerate(queries) for look in query.looks if not is_flat(look)]
        for start in range(0, len(shown) if len(self._hashes) else 0, _BLOCK):
            block = shown[start : start + _BLOCK]
            hashes = np.array([look.phash for _, look in block], dtype=np.uint64)
            bits = np.bitwise_count(hashes[:, None] ^ self._hashes)
            near = bits <= HASH_BITS
            for row in np.flatnonzero(near.any(axis=1)):
                owner, look = block[row]
                self._confirm(look, np.flatnonzero(near[row]), bits[row], found[owner])
        return found

    def _confirm(self, look: Appearance, places: NDArray[np.intp], bits: NDArray[np.uint8], found: dict[int, int]) -> None:
        """Add to `found` the items whose thumbnail agrees, with the least distance of each."""
        agreed = places[self._directions[places] @ _direction(look) >= CORRELATION]
        for place in agreed:
            item, distance = int(self._owners[place]), int(bits[place])
            found[item] = min(distance, found.get(item, distance))


def _places(pairs: Iterable[tuple[Hashable, int]]) -> dict[Hashable, tuple[int, ...]]:
    """For each key the different numbers that go with it, in order."""
    places: defaultdict[Hashable, dict[int, None]] = defaultdict(dict)
    for key, number in pairs:
        places[key][number] = None
    return {key: tuple(numbers) for key, numbers in places.items()}


def _joined(many: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sorted({number for numbers in many for number in numbers}))


def _exact(same: tuple[int, ...]) -> Hit | None:
    return Hit(kind=HitKind.EXACT, items=same, distance=0) if same else None


def _perceptual(near: dict[int, int], same: tuple[int, ...]) -> Hit | None:
    """What looks the same without being the same."""
    left = sorted((distance, item) for item, distance in near.items() if item not in same)
    return Hit(kind=HitKind.PERCEPTUAL, items=tuple(item for _, item in left), distance=left[0][0]) if left else None
