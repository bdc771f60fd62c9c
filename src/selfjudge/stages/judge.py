"""Stage II, first half: a judge compares each pair in both orders. What it sees carries no label.

Measuring asks in the same way, under the protocol of a benchmark.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial

from ..chat import Completion, Message, Request
from ..method.letters import letter_request
from ..method.prompts import fill
from ..method.protocols import Protocol
from ..ports import NamedEngine, Progress
from ..run.store import Table
from ..run.tables import Row
from ..types import Comparison, Order, PreferencePair, seed_of
from .asking import Group, ask
from .forcing import Forcing

VERSION = 2

_RIVALS = 5
"""Log-probabilities asked for at each token: enough to find the other symbol beside the one that was written. They are most of a
reply's bytes on the wire."""


def judge(
    pairs: Collection[PreferencePair],
    table: Table,
    *,
    model: NamedEngine,
    protocol: Protocol,
    seed: int,
    progress: Progress,
    stored: Mapping[str, Order] | None = None,
) -> None:
    """Ask for `protocol.samples` replies per pair, each in the protocol's orders; read their verdicts, and seal the table.

    `stored` says in which order a benchmark keeps a pair, by its id; chosen first where it does not.
    """
    kept = stored or {}
    alone = protocol.orders == "each"
    shown: set[tuple[str, str, int]] = set()
    if protocol.verdict == "forced":
        model = replace(model, engine=Forcing(model.engine, protocol))

    def is_asked(pair: PreferencePair, order: Order, sample: int) -> bool:
        if not alone:
            draw = seed_of(seed, "order", pair.id, sample)
            return order in protocol.orders_of(kept.get(pair.id, Order.CHOSEN_FIRST), draw)
        one = (pair.prompt.id, pair.comparison(order).first, sample)
        known = one in shown
        shown.add(one)
        return not known

    def requests() -> Iterator[Group]:
        for pair in pairs:
            for order in Order:
                if samples := [sample for sample in range(protocol.samples) if is_asked(pair, order, sample)]:
                    name = f"{pair.id}.{order}"
                    make = partial(_asked, name, pair.comparison(order), samples, protocol, seed)
                    yield Group(name=name, size=len(samples), make=make)

    def to_row(request: Request, completion: Completion, name: str) -> Row:
        return _to_row(request, completion, name, protocol)

    asked = None if alone else len(pairs) * protocol.samples * (2 if protocol.orders == "both" else 1)
    with progress(f"judgments of {model.name}", asked) as advance:
        ask(table, requests(), model, to_row, advance)
    table.seal()


def _asked(name: str, comparison: Comparison, samples: Sequence[int], protocol: Protocol, seed: int) -> Iterator[Request]:
    for key in (f"{name}.{sample}" for sample in samples):
        yield comparison_request(key, comparison, protocol, seed=seed_of(seed, key))


def comparison_request(key: str, comparison: Comparison, protocol: Protocol, *, seed: int, logprobs: int = _RIVALS) -> Request:
    """What a judge is asked about two responses, with so many log-probabilities at each token of its reply."""
    message = _message(protocol.template, comparison, protocol.verbatim)
    request = Request(key=key, messages=(message,), sampling=replace(protocol.sampling, logprobs=logprobs), seed=seed)
    return letter_request(request, "", protocol.template) if protocol.verdict == "alone" else request


@lru_cache
def _message(template: str, comparison: Comparison, verbatim: bool) -> Message:
    """The judge's turn, one and the same for all samples."""
    values = {"question": comparison.prompt.text, "first": comparison.first, "second": comparison.second}
    return fill(template, values, comparison.prompt.images, verbatim=verbatim)


def _to_row(request: Request, completion: Completion, model: str, protocol: Protocol) -> Row:
    pair_id, order, sample = request.key.rsplit(".", 2)
    said, letter = protocol.reading(completion), completion.letter
    return {
        "key": request.key,
        "pair_id": pair_id,
        "order": order,
        "sample": int(sample),
        "judge": model,
        "trace": completion.text,
        "verdict": said.verdict,
        "problem": said.problem,
        "forced": said.forced,
        "error": completion.error or (letter.error if letter else None),
        "probability": said.probability,
        "prompt_tokens": completion.prompt_tokens + (letter.prompt_tokens if letter else 0),
        "completion_tokens": completion.completion_tokens + (letter.completion_tokens if letter else 0),
    }
