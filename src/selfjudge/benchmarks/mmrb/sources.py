"""The sources of Multimodal RewardBench: the place of each, how its rows are found, and how prompts are built again.

The release names a row of a source by the file name of its image. The columns that are read, their order in the prompt, and the
key columns of two sources are facts of the official download script. Its sentences are not ours to copy: `requests.toml` has the
same requests in our own words, and a user who has the official script can give its wording instead (`--requests`).

Pure functions; rows are plain mappings. Schemas: the data sets' pages, as of 2025.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

from ...run.tables import Row

Requests = Mapping[str, str]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

REQUESTS: dict[str, str] = tomllib.loads((files(__package__) / "requests.toml").read_text(encoding="utf-8"))
"""Our requests by name: the official ones, put differently."""


class Unfit(Exception):
    """A row that cannot be built: `reason` is a short name to count by, the text names the fault."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def cell(row: Row, name: str) -> str:
    """A text of a source row. Raises Unfit when it is none."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Unfit("no_text", f"the source row has no text in `{name}`")
    return value


def choices(options: Sequence[Any]) -> str:
    """Options in one line: (A) first (B) second."""
    return " ".join(f"({letter}) {option}" for letter, option in zip(_LETTERS, options, strict=False))


def _fixed(name: str) -> Callable[[Row, Requests], str]:
    """The prompt of a source all of whose rows get the same request."""
    return lambda _row, requests: requests[name]


def _column(name: str) -> Callable[[Row, Requests], str]:
    """The prompt of a source that has its prompts in a column."""
    return lambda row, _requests: cell(row, name)


def mmmu_standard(row: Row, requests: Requests) -> str:
    question = cell(row, "question").replace("\r", "")
    return f"{requests['mmmu-s']}\n{question} {choices(_listed(row, 'options'))}"


def mathvista(row: Row, requests: Requests) -> str:
    """The request goes by the kind of answer. (The official script asks for lists and texts as it did in the row before.)"""
    language = (row.get("metadata") or {}).get("language")
    if language != "english":
        raise Unfit("not_english", f"the language of the source row is {language!r}")
    question = cell(row, "question").replace("\r", "")
    if row.get("unit"):
        question += f" (Unit: {row['unit']})"
    if row.get("question_type") == "multi_choice":
        question += " " + choices(_listed(row, "choices"))
    return f"{requests[_answer_kind(row)]}\nQuestion:{question}"


def _answer_kind(row: Row) -> str:
    if row.get("question_type") == "multi_choice":
        return "mathvista-choice"
    if row.get("answer_type") == "integer":
        return "mathvista-integer"
    if row.get("answer_type") == "float" and row.get("precision") in (1, 2):
        return f"mathvista-float-{int(row['precision'])}"
    return "mathvista-other"


def emma(row: Row, requests: Requests) -> str:
    """The question without the mark of its picture and without its options."""
    question = re.sub(r"^\s*<image_1>\s*", "", cell(row, "question"))
    return question.replace(requests["emma-find"], requests["emma-replace"])


def mmbench(row: Row, requests: Requests) -> str:
    """Question, options, request; the hint is not shown. An option that is not there is `nan`, or nothing."""
    options = {letter: row.get(letter) for letter in "ABCD"}
    there = {letter: option for letter, option in options.items() if option not in (None, "", "nan") and option == option}
    return _with_letters(cell(row, "question"), there, requests)


def seedbench(row: Row, requests: Requests) -> str:
    options = {letter: row.get(f"choice_{letter.lower()}") for letter in "ABCD"}
    return _with_letters(cell(row, "question"), options, requests)


def _with_letters(question: str, options: Mapping[str, Any], requests: Requests) -> str:
    lines = "".join(f"\n({letter}) {option}" for letter, option in options.items())
    return f"{question}{lines}\n\n{requests['letter-only']}"


def _listed(row: Row, name: str) -> Sequence[Any]:
    """Options as a list; MMMU-Pro has them as the text of a Python list."""
    value = row.get(name)
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise Unfit("bad_options", f"`{name}` is no list: {error}") from error
    if not isinstance(value, list | tuple) or not value:
        raise Unfit("bad_options", f"`{name}` is no list of options")
    return value


def only_image(row: Row, columns: Sequence[str]) -> Any:
    """The picture of a row that has one: in the first of its columns, or in a list of one. Raises Unfit."""
    pictures = [row[column] for column in columns if row.get(column) is not None]
    if len(pictures) == 1 and isinstance(pictures[0], list):
        pictures = pictures[0]
    if not pictures or row.get(columns[0]) is None:
        raise Unfit("no_image", "the source row has no picture")
    if len(pictures) > 1:
        raise Unfit("several_images", f"the source row has {len(pictures)} pictures; only rows with one belong to the benchmark")
    return pictures[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One source, by the prefix of the release's ids.

    A row is found by `key`, a column whose value is in the image's file name, or by position: the number in the file name
    minus `first`. Only the first `rows` count if that is set. `columns` are read besides the pictures in `images`.
    """

    name: str
    repository: str
    split: str = "test"
    text: Callable[[Row, Requests], str]
    images: tuple[str, ...] = ("image",)
    columns: tuple[str, ...] = ()
    configs: tuple[str | None, ...] = (None,)
    key: str | None = None
    first: int = 0
    rows: int | None = None

    def locate(self, image: str, *, by_key: bool) -> str | int:
        """The key or the position of the row of an image, by its path in the release. Raises Unfit.

        EMMA's file names end in `_0`, the number of the picture.
        """
        stem = PurePosixPath(image).stem
        if by_key:
            return stem
        number = re.fullmatch(r"(\d{1,9})(?:_\d+)?", stem)
        position = int(number[1]) - self.first if number else -1
        if position < 0 or (self.rows is not None and position >= self.rows):
            raise Unfit("bad_image_path", f"`{stem}` names no row of {self.repository}")
        return position


PAIRS = "pairs"
"""The source whose prompts are in the release, and whose pictures are files of a git repository."""
PAIRS_REPOSITORY = "katiefraser/PAIRS"


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"image_{number}" for number in range(1, count + 1))


ORIGINS: tuple[Origin, ...] = (
    Origin(name="nocaps", repository="HuggingFaceM4/NoCaps", text=_fixed("nocaps"), key="image_id"),
    Origin(name="visitbench", repository="mlfoundations/VisIT-Bench", text=_column("instruction"), columns=("instruction",)),
    Origin(
        name="mmmu-s",
        repository="MMMU/MMMU_Pro",
        configs=("standard (10 options)",),
        text=mmmu_standard,
        images=_numbered(7),
        columns=("question", "options"),
    ),
    Origin(name="mmmu-v", repository="MMMU/MMMU_Pro", configs=("vision",), text=_fixed("mmmu-v")),
    Origin(
        name="mathvista",
        repository="AI4Math/MathVista",
        split="testmini",
        text=mathvista,
        images=("decoded_image",),
        columns=("question", "unit", "choices", "question_type", "answer_type", "precision", "metadata"),
        first=1,
    ),
    Origin(
        name="image2struct",
        repository="stanford-crfm/image2struct-latex-v1",
        configs=("algorithm", "equation", "table"),
        split="validation",
        text=_fixed("image2struct"),
        key="uuid",
    ),
    Origin(
        name="EMMA-Coding",
        repository="luckychao/EMMA",
        configs=("Coding",),
        text=emma,
        images=_numbered(5),
        columns=("question",),
    ),
    Origin(
        name="MMBench",
        repository="lmms-lab/MMBench",
        configs=("en",),
        split="dev",
        text=mmbench,
        columns=("question", "A", "B", "C", "D"),
    ),
    Origin(
        name="SEED-Bench",
        repository="lmms-lab/SEED-Bench",
        text=seedbench,
        columns=("question", "choice_a", "choice_b", "choice_c", "choice_d"),
        rows=14_200,
    ),
    Origin(name="RealworldQA", repository="xai-org/RealworldQA", text=_column("question"), columns=("question",)),
)

_NAMES = {name.lower(): name for name in (PAIRS, *(origin.name for origin in ORIGINS))}


def source_name(identity: str, image: str) -> str | None:
    """The source of a release row by the prefix of its id, in any case, or else by the folder of its image."""
    for lowered, name in _NAMES.items():
        if identity.lower().startswith(lowered):
            return name
    parts = PurePosixPath(image).parts
    return _NAMES.get(parts[1].lower()) if len(parts) > 2 else None


KNOWN_ROWS = 4_711

KNOWN_GROUPS = {
    "open_generation/correctness_task": 623,
    "open_generation/preference_task": 654,
    "knowledge": 630,
    "reasoning/math": 514,
    "reasoning/coding": 584,
    "safety/bias": 508,
    "vqa": 1_198,
}
"""Rows of each group, as the paper counts them; the 500 rows of toxicity are not in the release."""

KNOWN_PARTS = {
    "open_generation/correctness_task of visitbench": 221,
    "open_generation/correctness_task of nocaps": 402,
    "open_generation/preference_task of visitbench": 265,
    "open_generation/preference_task of nocaps": 389,
    "knowledge of mmmu-s": 330,
    "knowledge of mmmu-v": 300,
}
"""Rows of a group that come from one source, where that is known."""
