"""Stage II, first half: a judge compares each pair in both orders. What it sees carries no label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..chat import Completion, Request
from ..method.prompts import fill
from ..method.verdicts import parse, probability
from ..ports import NamedEngine, Progress
from ..recipe import Judging
from ..store import Table
from ..tables import Row
from ..types import Comparison, Order, PreferencePair, Verdict, seed_of
from .asking import ask

VERSION = 1

_ALTERNATIVES = 20
"""Log-probabilities asked for at each token: enough to find the other letter beside the one that was written."""


def judge(
    pairs: Sequence[PreferencePair],
    table: Table,
    *,
    model: NamedEngine,
    recipe: Judging,
    seed: int,
    progress: Progress,
) -> None:
    """Ask for `recipe.samples` replies per pair and order, read their verdicts, and seal the table."""

    def requests() -> Iterator[Request]:
        for pair in pairs:
            for order in Order:
                for sample in range(recipe.samples):
                    key = f"{pair.id}.{order}.{sample}"
                    yield comparison_request(key, pair.comparison(order), recipe, seed=seed_of(seed, key))

    with progress(f"judgments of {model.name}", len(pairs) * len(Order) * recipe.samples) as advance:
        ask(table, requests(), model, _to_row, advance)
    table.seal()


def comparison_request(key: str, comparison: Comparison, recipe: Judging, *, seed: int) -> Request:
    """What a judge is asked about two responses."""
    values = {"question": comparison.prompt.text, "first": comparison.first, "second": comparison.second}
    message = fill(recipe.template, values, comparison.prompt.images)
    return Request(key=key, messages=(message,), sampling=recipe.sampling.sampling(logprobs=_ALTERNATIVES), seed=seed)


def _to_row(request: Request, completion: Completion, model: str) -> Row:
    pair_id, order, sample = request.key.rsplit(".", 2)
    read = parse(completion.text, completion.finish)
    return {
        "key": request.key,
        "pair_id": pair_id,
        "order": order,
        "sample": int(sample),
        "judge": model,
        "trace": completion.text,
        "verdict": str(read) if isinstance(read, Verdict) else None,
        "problem": None if isinstance(read, Verdict) else str(read),
        "error": completion.error,
        "probability": probability(completion),
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
    }
