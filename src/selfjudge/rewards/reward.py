"""Rewards from comparisons.

A pairwise judge says which of two responses is better, so responses are compared with others to the same prompt: those of their
group, or a reference.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from ..errors import EngineError, InputError
from ..judge import Case, Judge, Picture, Preference
from ..judge.cases import check_count
from ..method.ranking import pairings
from ..run.image_files import image_cell

log = logging.getLogger(__name__)

JUDGE, URL = "SELFJUDGE_JUDGE", "SELFJUDGE_JUDGE_URL"
"""Environment variables of `compute_score`: a judge's folder or name, and the server that has it, if one does."""


class JudgeReward:
    """The share of its group that a response beats, in [0, 1]: `reward_funcs` of TRL's `GRPOTrainer` and `OnlineDPOTrainer`.

    Each sample of a prompt is compared with the others: all, or as many pairs of each group as `comparisons` says, at least one
    less than there are samples. Without `trace` the judge writes the letter alone (`Judge.compare_all`).
    A response that could not be judged at all, or that is alone, has None, which GRPO leaves out and
    online DPO takes for 0. The judge sees the last turn of a conversation. Where no response at all has a reward, that is logged.
    """

    __name__ = "judge"

    def __init__(self, judge: Judge, *, comparisons: int | None = None, trace: bool = True) -> None:
        if comparisons is not None:
            check_count("comparisons", comparisons)
        self._judge = judge
        self._trace = trace
        self._comparisons = comparisons

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        *,
        images: Sequence[Any] | None = None,
        image: Sequence[Any] | None = None,
        **_: Any,
    ) -> list[float | None]:
        """One reward for each completion. Both are texts or conversations; images are those of the data set's column.

        Raises InputError where there are not as many of each, and EngineError.
        """
        shown: list[Sequence[Picture]] = [_pictures(one) for one in (images or image or [None] * len(prompts))]
        texts, answers = list(map(_text, prompts)), list(map(_text, completions))
        if not len(texts) == len(answers) == len(shown):
            what = f"{len(texts)} prompts, {len(answers)} completions and images for {len(shown)} of them"
            raise InputError(what, hint="Give each completion its prompt, and its images if there are any: lists of one length.")
        pairs = [
            (first, second)
            for group in _groups(texts, shown)
            for first, second in ((group[i], group[j]) for i, j in pairings(len(group), self._comparisons))
        ]
        cases = (Case(prompt=texts[i], response_a=answers[i], response_b=answers[j], images=shown[i]) for i, j in pairs)
        said = list(self._judge.compare_all(cases, trace=self._trace))
        rewards = _shares(len(texts), pairs, said)
        if failed := Counter(one.problem for one in said if one.failed):
            [(problem, count)] = failed.most_common(1)
            log.warning("%d of %d comparisons were not judged, %d of them: %s", failed.total(), len(said), count, problem)
        elif rewards and all(one is None for one in rewards):
            why = Counter(one.problem for one in said).most_common(1) or [("are there several to each prompt?", 0)]
            log.warning("the judge gave no reward to any of %d responses: %s", len(rewards), why[0][0])
        return rewards


def _groups(texts: Sequence[str], shown: Sequence[Sequence[Picture]]) -> list[list[int]]:
    """Numbers of the completions of one prompt about the same images, wherever they stand: online DPO repeats all in turn."""
    groups: dict[object, list[int]] = {}
    for number, (text, pictures) in enumerate(zip(texts, shown, strict=True)):
        groups.setdefault((text, tuple(map(_content, pictures))), []).append(number)
    return list(groups.values())


def _content(picture: Any) -> object:
    """What tells two pictures apart: a data set decodes its pictures anew for each row."""
    if hasattr(picture, "tobytes"):
        return getattr(picture, "shape", picture.size), hashlib.sha256(picture.tobytes()).digest()
    return picture


def _shares(count: int, pairs: Sequence[tuple[int, int]], said: Sequence[Preference]) -> list[float | None]:
    won, met = [0.0] * count, [0] * count
    for (i, j), one in zip(pairs, said, strict=True):
        if (chance := one.leaning) is not None:
            won[i], won[j] = won[i] + chance, won[j] + 1 - chance
            met[i], met[j] = met[i] + 1, met[j] + 1
    return [won[n] / met[n] if met[n] else None for n in range(count)]


def _pictures(given: Any) -> list[Picture]:
    """Pictures, also as data sets store them (`bytes` and `path`), in a list or alone."""
    listed: Sequence[Any] = [] if given is None else given if isinstance(given, list | tuple) else [given]
    cells: list[Any] = [image_cell(one) if isinstance(one, Mapping) else one for one in listed]
    return cells


def _text(turns: Any) -> str:
    """The words of a text or a conversation, the last turn of which counts."""
    if isinstance(turns, str):
        return turns
    content = turns[-1]["content"]
    if isinstance(content, str):
        return content
    return "".join(block.get("text") or "" for block in content or ())


def best_of(sample: Callable[[int], str], judge: Judge, image: Picture | Sequence[Picture], prompt: str, *, n: int = 8) -> str:
    """The best of `n` responses, by a knock-out of n - 1 comparisons; `sample(k)` draws the k-th. Raises EngineError."""
    responses = [sample(k) for k in range(n)]
    return responses[judge.best(image, prompt, responses)]


def compute_score(
    data_source: str,  # noqa: ARG001  # verl hands it in by name
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """verl's `custom_reward_function`: P(the solution is better than `ground_truth`), a reference response, as `score`.

    `extra_info` has `question` and, if there are any, `images`, as `selfjudge export --format verl` writes them. The judge is
    named by SELFJUDGE_JUDGE, and SELFJUDGE_JUDGE_URL where a server has it. The score is 0.0 where no verdict could be read
    (`unread` 1.0) and where the request was lost (`lost` 1.0), which verl reports beside the score. Raises InputError, and
    EngineError when as many as eight in a row were lost.
    """
    extra = extra_info or {}
    if not isinstance(extra.get("question"), str):
        raise InputError("extra_info has no `question`", hint="Write the instruction there when the data is prepared.")
    try:
        said = _judge_of_environment().compare(_pictures(extra.get("images")), extra["question"], solution_str, ground_truth)
    except EngineError as error:
        _lost.append(error)
        if len(_lost) >= _MOST_LOST:
            raise
        log.warning("a reward was lost: %s", error)
        return {"score": 0.0, "unread": 0.0, "lost": 1.0}
    _lost.clear()
    return {"score": said.leaning or 0.0, "unread": float(said.leaning is None), "lost": 0.0}


_MOST_LOST = 8
_lost: list[EngineError] = []
"""Failures in a row. After so many, training would go on with rewards that nobody gave."""


@cache
def _judge_of_environment() -> Judge:
    name, url = os.environ.get(JUDGE), os.environ.get(URL)
    if not name:
        raise InputError(f"{JUDGE} is not set", hint=f"Set it to a judge's folder, or to its name at the server of {URL}.")
    return Judge.connect(url, name) if url else Judge.load(name)
