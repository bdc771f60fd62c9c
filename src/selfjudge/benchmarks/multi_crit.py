"""Multi-Crit (arXiv 2511.21662): two responses about an image, compared by one criterion at a time. By different criteria people
may prefer different responses: such a conflict shows whether a judge follows the criterion that it is given.

The criterion, in our words, stands below the question. `official` asks in the stored order and reads the last three lines. The
authors' script then asks another model about a reply without a verdict; here it has none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from ..chat import Sampling
from ..errors import InputError
from ..method.metrics import macro, share
from ..method.overall_judgment import last_lines, robust
from ..method.protocols import STRICT, Protocol
from ..run.tables import is_right
from ..types import Order, Verdict
from . import data_files, recorded
from .data_files import DataFiles
from .public import Replies, Spec, StoredPair, embedded, prompt
from .recorded import BadLine, Malformed

NAME = "multi-crit"

CRITERIA = {
    "open-ended": {
        "completeness": "Completeness. It does all that was asked, with what this needs of the image and of the world.",
        "visual-grounding": "Visual grounding. It rests on what can be seen, and names objects, colours or text of the image.",
        "hallucination": "No hallucination. It claims nothing that the image does not show, and nothing false about the world.",
        "expressiveness": "Expressiveness. It is vivid and original, or has an expert's precision and depth, as the task needs.",
        "clarity": "Clarity. It is well ordered and fluent, and easy to follow.",
    },
    "reasoning": {
        "grounding": "Visual grounding. Its reasoning refers to the parts of the image that matter, and reads them rightly.",
        "logic": "Logic. Each step follows from those before, nothing is left out or contradicted, and they lead to the answer.",
        "hallucination": "No hallucination. No step claims what the image does not show, or is false.",
        "exploration": "Exploration. It weighs other possibilities, doubts itself where due, and checks before it concludes.",
        "efficiency": "Efficiency. It takes no more words and steps than the problem needs, and repeats nothing.",
    },
}
"""What each criterion asks for, by split."""

_PREFERENCES = ("model_a", "model_b")
_NAMED = {Verdict.FIRST: "model_a", Verdict.SECOND: "model_b"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What people prefer by one criterion, and what a judge said; None for nothing that could be read."""

    question: str
    prompt: str
    split: str
    criterion: str
    preference: str
    said: str | None

    @property
    def right(self) -> bool:
        return self.said == self.preference


def pairs(files: DataFiles) -> Iterator[StoredPair]:
    """The rows of the hub, or of the authors' `*-flatten.jsonl`, whose images lie below `images`."""
    for part in data_files.each(files):
        below = part.folder / "images"
        for where, row in part.rows():
            split, criterion = _split(row.get("split")), data_files.field(row, "criterion", where)
            asked, preference = CRITERIA.get(split, {}).get(criterion), row.get("preference")
            if asked is None or preference not in _PREFERENCES:
                problem = f"`criterion` {criterion!r:.40} of split {row.get('split')!r:.40}, or `preference` {preference!r:.40}"
                raise InputError(f"{where}: unknown {problem}", hint="Preferences are model_a and model_b. Get the file again.")
            question = data_files.field(row, "question", where)
            yield StoredPair(
                where=where,
                id=str(row.get("question_id", "")),
                question=f"{question}\n\nCompare the responses by this criterion alone: {asked}",
                images=(embedded(row.get("image", row.get("image_path")), below if below.is_dir() else part.folder),),
                responses=(
                    data_files.field(row, "pred_a", where, empty=True),
                    data_files.field(row, "pred_b", where, empty=True),
                ),
                better=_PREFERENCES.index(preference),
                dimension=f"{split}: {criterion}",
                source=split,
                group=_prompt_of(row, criterion),
                own=(question, 1),
            )


def _prompt_of(row: Mapping[str, Any], criterion: str) -> str | None:
    """What the rows about one prompt share: its id, or what stands before the criterion in theirs."""
    return str(row.get("prompt_id") or str(row.get("question_id") or "").removesuffix(f"__{criterion}")) or None


def _split(value: Any) -> str:
    name = str(value).strip().lower().replace("_", "-")
    return "open-ended" if name == "openended" else name


def figures(replies: Replies) -> dict[str, Any]:
    """The figures of each split. The judge said what all its replies to an item name: in both orders, under `strict`."""
    named: dict[str, set[bool | None]] = defaultdict(set)
    for row in replies.rows:
        named[row["pair_id"]].add(is_right(row))
    judged = []
    for item in replies.items:
        b_is_better = item.stored is Order.REJECTED_FIRST
        right = named[item.pair.id].pop() if len(named[item.pair.id]) == 1 else None
        judged.append(
            _Judged(
                question=item.pair.id,
                prompt=item.group,
                split=item.level,
                criterion=item.dimension,
                preference=_PREFERENCES[b_is_better],
                said=None if right is None else _PREFERENCES[b_is_better is right],
            )
        )
    counted = {split: _counted(part) for split, part in _by_split(judged).items()}
    own = {"unread": "undecided"}  # also where the two orders name different responses
    return {
        split: {own.get(name, name): value for name, value in part.items() if name != "criteria"}
        for split, part in counted.items()
    }


def _by_split(judged: Iterable[_Judged]) -> dict[str, list[_Judged]]:
    splits: dict[str, list[_Judged]] = defaultdict(list)
    for one in judged:
        splits[one.split].append(one)
    return dict(sorted(splits.items()))


def _counted(judged: Sequence[_Judged]) -> dict[str, Any]:
    """The figures of one split. Source: `_compute_metrics` of lmms-eval's task `multi_crit`, by Multi-Crit's authors.

    macro   the mean over criteria, each rounded to a hundredth of a percent, as the script has it
    pacc    prompts with every criterion right
    tos     of the prompts whose criteria conflict, those where the judge names both responses over some conflict
    cmr     of all conflicts, two criteria with other preferences, those with both right
    """
    questions: dict[str, _Judged] = {}
    prompts: dict[str, dict[str, _Judged]] = defaultdict(dict)
    for one in judged:
        questions.setdefault(one.question, one)  # of rows with one id the first counts
    for one in questions.values():
        prompts[one.prompt][one.criterion] = one
    every = [one for prompt in prompts.values() for one in prompt.values()]
    criteria = _by_criterion(every)
    torn = [found for prompt in prompts.values() if (found := _conflicts(prompt))]
    conflicts = [both for found in torn for both in found]
    return {
        "n": len(every),
        "overall": share(sum(one.right for one in every), len(every)),
        "macro": macro([round(value, 4) for value in criteria.values()]),
        "pacc": share(sum(all(one.right for one in prompt.values()) for prompt in prompts.values()), len(prompts)),
        "tos": share(sum(any(None not in (a.said, b.said) and a.said != b.said for a, b in found) for found in torn), len(torn)),
        "cmr": share(sum(one.right and other.right for one, other in conflicts), len(conflicts)),
        "conflicts": len(conflicts),
        "unread": sum(one.said is None for one in every),
        "criteria": criteria,
    }


def _conflicts(prompt: Mapping[str, _Judged]) -> list[tuple[_Judged, _Judged]]:
    return [(one, other) for one, other in combinations(prompt.values(), 2) if one.preference != other.preference]


def _by_criterion(judged: Iterable[_Judged]) -> dict[str, float]:
    marks: dict[str, list[bool]] = defaultdict(list)
    for one in judged:
        marks[one.criterion].append(one.right)
    return {name: sum(part) / len(part) for name, part in sorted(marks.items())}


def score(path: Path, *, protocol: str, k: int | None) -> dict[str, Any]:
    """The figures of recorded outputs, JSONL: rows with the reply in `critic`, as the authors' README describes them, or the
    samples of lmms-eval's tasks `multi_crit_*`, which are read already.

    `strict` reads a reply in freer words, and contradictions in it as none. Raises InputError.
    """
    if k is not None:
        raise InputError(f"{NAME} has one reply a row", hint="Remove --k.")
    judged: list[_Judged] = []
    faults: list[BadLine] = []
    for number, row in recorded.lines(path):
        try:
            if isinstance(row, Malformed):
                raise row
            judged.append(_recorded(row, protocol))
        except Malformed as fault:
            faults.append(BadLine(line=number, problem=str(fault)))
    if not judged:
        raise recorded.nothing_recorded(path, NAME, faults)
    splits = {split: _counted(part) for split, part in _by_split(judged).items()}
    return {"benchmark": NAME, "protocol": protocol, "n": len(judged), **splits, "malformed": [asdict(one) for one in faults]}


def _recorded(row: Any, protocol: str) -> _Judged:
    """One line. Raises Malformed."""
    read = row.get("overall") if isinstance(row, dict) else None
    one = read if isinstance(read, dict) else row
    question, criterion, preference = (recorded.text(one, name) for name in ("question_id", "criterion", "preference"))
    split = _split(recorded.text(one, "benchmark_type" if one is read else "split"))
    if split not in CRITERIA or preference not in _PREFERENCES:
        raise Malformed(f"its split is {split!r:.40} and its `preference` {preference!r:.40}, not model_a or model_b")
    if one is read:
        said: str | None = recorded.text(one, "prediction").strip().lower()
    else:
        verdict = (last_lines if protocol == "official" else robust)(recorded.text(one, "critic").strip())
        said = _NAMED[verdict] if isinstance(verdict, Verdict) else None
    return _Judged(
        question=question,
        prompt=_prompt_of(one, criterion) or question,
        split=split,
        criterion=criterion,
        preference=preference,
        said=said if said in _PREFERENCES else None,
    )


SPEC = Spec(
    name=NAME,
    files=("data/*.parquet", "*.parquet", "*-flatten.jsonl", "*/*-flatten.jsonl", "*.jsonl"),
    pairs=pairs,
    protocols={
        "strict": STRICT,
        "official": Protocol(
            name="official",
            version=1,
            orders="stored",
            samples=1,
            sampling=Sampling(temperature=0.6, top_p=0.95, max_tokens=8192),
            line="last_lines",
            template=prompt("multi_crit"),
            verbatim=True,
        ),
    },
    figures=figures,
)
