"""Stage II, first half: a judge compares each pair in both orders. What it sees carries no label.

Measuring asks in the same way, under the protocol of a benchmark.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from operator import attrgetter, itemgetter

from ..chat import Completion, Message, Request
from ..method.letters import letter_request
from ..method.prompts import fill
from ..method.protocols import Protocol
from ..method.selection import Rule, decisive
from ..ports import Advance, NamedEngine, Progress
from ..run.merging import joined
from ..run.store import Table
from ..run.tables import Row, judgment_of
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
    until: Rule | None = None,
) -> None:
    """Ask for `protocol.samples` replies per pair, each in the protocol's orders; read their verdicts, and seal the table.

    `stored` says in which order a benchmark keeps a pair, by its id; chosen first where it does not. `until` asks one reply after
    the other until this rule keeps a pair or drops it; the pairs must stand by their ids then.
    """
    if protocol.verdict == "forced":
        model = replace(model, engine=Forcing(model.engine, protocol))

    def to_row(request: Request, completion: Completion, name: str) -> Row:
        return _to_row(request, completion, name, protocol)

    alone = protocol.orders == "each"
    asked = None if alone else len(pairs) * protocol.samples * (2 if protocol.orders == "both" else 1)
    with progress(f"judgments of {model.name}", asked) as advance:
        if until is None:
            ask(table, _at_once(pairs, protocol, seed, stored or {}), model, to_row, advance)
        else:
            for turn in range(2 * protocol.samples):
                ask(table, _of_turn(turn, pairs, table, until, protocol, seed, advance), model, to_row, advance)
    table.seal()


def _at_once(pairs: Iterable[PreferencePair], protocol: Protocol, seed: int, stored: Mapping[str, Order]) -> Iterator[Group]:
    """All requests; of responses that are shown alone, each once."""
    shown: set[tuple[str, str, int]] = set()

    def is_asked(pair: PreferencePair, order: Order, sample: int) -> bool:
        if protocol.orders != "each":
            draw = seed_of(seed, "order", pair.id, sample)
            return order in protocol.orders_of(stored.get(pair.id, Order.CHOSEN_FIRST), draw)
        one = (pair.prompt.id, pair.comparison(order).first, sample)
        known = one in shown
        shown.add(one)
        return not known

    for pair in pairs:
        for order in Order:
            if samples := [sample for sample in range(protocol.samples) if is_asked(pair, order, sample)]:
                name = f"{pair.id}.{order}"
                make = partial(_asked, name, pair.comparison(order), samples, protocol, seed)
                yield Group(name=name, size=len(samples), make=make)


def _of_turn(
    turn: int, pairs: Iterable[PreferencePair], table: Table, rule: Rule, protocol: Protocol, seed: int, advance: Advance
) -> Iterator[Request]:
    """A request about each pair that the replies of the turns before have not decided."""
    for pair, rows in joined(pairs, table.stored(), of_item=attrgetter("id"), of_row=itemgetter("pair_id")):
        replies = {(reply.order, reply.sample): reply for reply in map(judgment_of, rows)}
        in_turn = list(islice(decisive(pair, replies, rule, samples=protocol.samples, seed=seed), turn + 1))
        if len(in_turn) > turn:
            order, sample = in_turn[turn]
            yield from _asked(f"{pair.id}.{order}", pair.comparison(order), [sample], protocol, seed)
        elif len(in_turn) == turn:
            advance(2 * protocol.samples - turn)


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
