"""What a judge is asked about, and what it says: a `Case` goes in, a `Preference` comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from ..errors import InputError
from ..recipe.experiment import MAX_PIXELS
from ..run.folder import ImageStore
from ..run.image_files import BadImage, locate
from ..run.images import admit, encode
from ..types import ImageRef, Problem, storable

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    Picture = str | Path | bytes | Image | np.ndarray[Any, Any]
else:
    Picture = Any

Side = Literal["a", "b"]

_IMAGES = (
    "Give the path of an image file that can be opened (JPEG, PNG, WebP, …); in Python also the bytes of one, a PIL image, or an "
    "array of uint8, (height, width) or (height, width, 3); or a list of these, empty for a prompt without an image."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Two responses to a prompt about images. `key` is the caller's own and comes back with the preference."""

    prompt: str
    response_a: str
    response_b: str
    images: Picture | Sequence[Picture] = ()
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What a judge says about two responses, shown in both orders.

    preference   "a" or "b" when both orders agree; None when they do not, or when a verdict could not be read
    probability  P(a is better) from the tokens of the verdicts, mean over both orders; None when it could not be read
    traces       the judge's words with response a shown first, and with response b shown first
    consistent   whether both orders named the same response
    named        the response that each order named, as `traces`; None for a verdict that could not be read
    problem      why a verdict could not be read (`no_verdict`, `cut_off`, …) or the case was not judged; None if both were read
    failed       whether the case was not judged: an image that cannot be used, or a request that failed
    """

    preference: Side | None
    probability: float | None
    traces: tuple[str, str]
    consistent: bool
    named: tuple[Side | None, Side | None] = (None, None)
    problem: str | None = None
    failed: bool = False
    key: str | None = None

    @property
    def leaning(self) -> float | None:
        """P(a is better) in [0, 1]: the probability, or else the share of verdicts for a; None without either."""
        if self.probability is not None:
            return self.probability
        votes = [side == "a" for side in self.named if side is not None]
        return sum(votes) / len(votes) if votes else None

    @property
    def is_cut_off(self) -> bool:
        """Whether a verdict could not be read because its reply was cut off."""
        return self.problem == Problem.CUT_OFF

    @classmethod
    def failure(cls, problem: str, key: str | None) -> Preference:
        """A case that was not judged, and why."""
        return cls(
            preference=None, probability=None, traces=("", ""), consistent=False, problem=storable(problem), failed=True, key=key
        )


class Shelf:
    """The images of the cases that are under way in any thread, by content. `store` has them too, for servers that read files."""

    def __init__(self, store: ImageStore | None = None) -> None:
        self._held: dict[str, bytes] = {}
        self._users: Counter[str] = Counter()
        self._changing = Lock()
        self._store = store

    def get(self, ref: ImageRef) -> bytes:
        return self._held[ref.sha256]

    def put(self, pictures: Picture | Sequence[Picture], *, folder: Path | None = None) -> tuple[ImageRef, ...]:
        """Admit pictures. Paths start at `folder` and stay in it; without one, any file may be named.

        Raises BadImage, and InputError for what is no picture.
        """
        listed = pictures if isinstance(pictures, list | tuple) else [pictures]
        admitted = [admit(_file(picture, folder), max_pixels=MAX_PIXELS) for picture in listed]
        with self._changing:
            for ref, data in admitted:
                self._held[ref.sha256] = data
                self._users[ref.sha256] += 1
                if self._store is not None:
                    self._store.put(ref, data)
        return tuple(ref for ref, _ in admitted)

    def drop(self, refs: Sequence[ImageRef]) -> None:
        """Forget images that no other case under way shows."""
        with self._changing:
            for ref in refs:
                self._users[ref.sha256] -= 1
                if not self._users[ref.sha256]:
                    del self._held[ref.sha256], self._users[ref.sha256]
                    if self._store is not None:
                        self._store.path(ref).unlink(missing_ok=True)


def _file(picture: object, folder: Path | None) -> bytes | Path:
    """A picture as a file or the bytes of one. Raises BadImage, and InputError when it is of another type."""
    from PIL import Image

    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | Path):
        return locate(str(picture), folder or Path(), allow_outside=folder is None)
    if isinstance(picture, Image.Image) or hasattr(picture, "__array_interface__"):
        return encode(picture)
    raise InputError(f"the image is of type {type(picture).__name__}", hint=_IMAGES)


def unusable(bad: BadImage) -> InputError:
    """The error for an image that cannot be used."""
    return InputError(f"the image cannot be used: {bad.reason}: {bad}", hint=_IMAGES)


def check_count(name: str, value: object) -> None:
    """Raises InputError for what is no whole number of at least 1."""
    if not isinstance(value, int) or value < 1:
        raise InputError(f"`{name}` is {value!r:.40}", hint="Give a whole number of at least 1.")


def check_list(name: str, texts: object) -> list[str]:
    """Texts as a list. Raises InputError for none, and for a single text, whose letters they would be."""
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise InputError(f"`{name}` is of type {type(texts).__name__}, not a list of texts", hint=f"Give {name}=[…].")
    if not (listed := list(texts)):
        raise InputError(f"`{name}` is empty", hint="Give at least one response.")
    return listed


def check_case(case: object) -> Case:
    """The case itself. Raises InputError for anything else."""
    if not isinstance(case, Case):
        raise InputError(f"a case is of type {type(case).__name__}", hint="Give Case(prompt=…, response_a=…, response_b=…).")
    return case


def check_texts(prompt: object, **responses: object) -> None:
    """Raises InputError for the first value that is no text, or that no file could hold, and for an empty prompt.

    An empty response is what somebody answered, and is judged.
    """
    for name, text in {"prompt": prompt, **responses}.items():
        if not isinstance(text, str):
            raise InputError(f"`{name}` is of type {type(text).__name__}, not text", hint="Prompt and responses are strings.")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"`{name}` is not valid Unicode: {error.reason}", hint="Remove the broken character.") from error
    if not str(prompt).strip():
        raise InputError("`prompt` is empty", hint="Give the instruction that the responses answer.")
