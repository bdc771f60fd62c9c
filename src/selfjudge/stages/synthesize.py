"""Stage I: the model writes preference pairs for unlabelled prompts.

Open prompts: its own answer against its own copy with a deliberate error. Closed prompts: the majority of its samples against
another of them; which of them are the same, rules say or, where the recipe wants it, the model. What was sampled is stored before
anything is decided; the pairs are a pure function of it.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from operator import attrgetter, itemgetter

import pyarrow.compute as pc

from ..chat import Completion, Message, Request, Sampling
from ..method.alteration import flaw, offered
from ..method.copies import replaced, rewritten
from ..method.equivalence import SAME, doubtful, representatives, same
from ..method.prompts import fill
from ..method.thinking import spoken
from ..method.voting import Pool, elect, is_decided, pool_of
from ..ports import Advance, NamedEngine, Progress
from ..recipe.experiment import ClosedRecipe, OpenRecipe, Synthesis
from ..run.merging import joined
from ..run.store import Table
from ..run.tables import Row
from ..run.views import View
from ..types import Alteration, Evidence, Finish, Kind, PreferencePair, Prompt, content_id, seed_of
from .asking import Group, ask

VERSION = 2

_RESPONSE, _ALTERATION, _SAMPLE, _SAME = "response", "alteration", "sample", "same"
"""What a response is for. Its key is `prompt.role` or `prompt.role.detail`: the instruction's name, the sample's number, or the
identity of the two texts that are compared."""


def sample_responses(
    prompts: Collection[Prompt],
    table: Table,
    *,
    recipe: Synthesis,
    open_model: Callable[[], NamedEngine],
    closed_model: Callable[[], NamedEngine],
    seed: int,
    progress: Progress,
) -> None:
    """Ask for everything that pairs are made of, and seal the table. The models are opened one after the other.

    The prompts stand by their ids.
    """
    opens = len(_of_kind(prompts, Kind.OPEN))
    writer = open_model()
    together = writer.engine.block == 1 and recipe.open.model == recipe.closed.model
    with progress("responses", 2 * opens + recipe.closed.samples * (len(prompts) - opens)) as advance:
        arrived = _Arrivals(recipe.open, seed)
        originals, samples = _responses(prompts, recipe.open, seed), _samples(prompts, recipe.closed, seed)
        if together:
            ask(table, arrived.between(chain(originals, samples)), writer, arrived.to_row, advance)
        else:
            ask(table, originals, writer, _to_row, advance)
        copies = _copies(prompts, table, advance, arrived, lacking=together)
        ask(table, copies, writer, _to_row, advance)
        sampler = writer if together else closed_model()
        if not together:
            ask(table, samples, sampler, _to_row, advance)
        for turn in recipe.closed.turns()[1:]:
            ask(table, _further(prompts, table, recipe.closed, seed, turn, advance), sampler, _to_row, advance)
    if recipe.closed.equivalence == "model":
        with progress("answers to compare", None) as advance:
            ask(table, _doubts(prompts, table, recipe.closed, seed), sampler, _to_row, advance)
    table.seal()


def _doubts(prompts: Collection[Prompt], table: Table, recipe: ClosedRecipe, seed: int) -> Iterator[Request]:
    """Which of the sampled answers are the same. The requests follow from the samples, which are all stored by now."""
    sampling = Sampling(temperature=0.0, max_tokens=recipe.sampling.max_tokens)
    for prompt, rows in _answered(_of_kind(prompts, Kind.CLOSED), _stored(table, _SAMPLE)):
        for first, second in doubtful(readable(rows), prompt.text).values():
            values = {"question": prompt.text, "first": spoken(first), "second": spoken(second)}
            yield _request(_same_key(prompt, (first, second)), fill(SAME, values, ()), sampling, seed)


def _same_key(prompt: Prompt, texts: tuple[str, str]) -> str:
    """By what is compared: a reply is never taken for that to another pair, also where failed samples were asked again."""
    return f"{prompt.id}.{_SAME}.{content_id(texts)}"


def _of_kind(prompts: Collection[Prompt], kind: Kind) -> Collection[Prompt]:
    return prompts.of_kind(kind) if isinstance(prompts, View) else [prompt for prompt in prompts if prompt.kind is kind]


def _stored(table: Table, *roles: str) -> Iterator[Row]:
    """What is stored so far for these roles, by prompt."""
    return table.stored(*_USED[1:], where=pc.field("role").isin(roles))


def _answered(prompts: Iterable[Prompt], rows: Iterable[Row]) -> Iterator[tuple[Prompt, list[Row]]]:
    return joined(prompts, rows, of_item=attrgetter("id"), of_row=itemgetter("prompt_id"))


def readable(rows: Sequence[Row]) -> list[str]:
    """The sampled answers of a prompt that are of use, by number."""
    samples = sorted((row for row in rows if row["role"] == _SAMPLE), key=lambda row: int(row["sample"]))
    return [row["text"] for row in samples if _flaw(row) is None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Original(Request):
    """A request for an original answer, with what its copy will be asked for with."""

    prompt: Prompt


class _Arrivals:
    """Original answers as they arrive: each is followed by the request for its altered copy, so that neither waits for the other.

    For engines that answer request by request; where answers come in batches, batches must not depend on what arrives when.
    """

    def __init__(self, recipe: OpenRecipe, seed: int) -> None:
        self._recipe, self._seed = recipe, seed
        self._waiting: deque[Request] = deque()
        self.followed = 0
        """Copies that were asked for."""

    def to_row(self, request: Request, completion: Completion, model: str) -> Row:
        row = _to_row(request, completion, model)
        if isinstance(request, _Original) and _flaw(row) is None:
            self._waiting.append(self.copy(request.prompt, row["text"]))
        return row

    def copy(self, prompt: Prompt, response: str) -> Request:
        """The request for the altered copy of a response; which template asks for it is drawn by the prompt's own seed."""
        original = spoken(response)
        name = random.Random(seed_of(self._seed, "instruction", prompt.id)).choice(offered(original, self._recipe.templates))
        values = {"question": prompt.text, "response": original}
        message = fill(self._recipe.templates[name], values, prompt.images)
        return _request(f"{prompt.id}.{_ALTERATION}.{name}", message, self._recipe.alteration.sampling(), self._seed)

    def between(self, requests: Iterable[Group]) -> Iterator[Request | Group]:
        """The requests, and those for copies as soon as they can be made. What arrives after the last one is left over."""
        for request in requests:
            while self._waiting:
                self.followed += 1
                yield self._waiting.popleft()
            yield request


def _copies(
    prompts: Collection[Prompt], table: Table, advance: Advance, arrived: _Arrivals, *, lacking: bool
) -> Iterator[Request]:
    """The requests for the altered copies of all stored originals, or of those that have none (`lacking`)."""
    stored = 0
    for prompt, rows in _answered(_of_kind(prompts, Kind.OPEN), _stored(table, _RESPONSE, _ALTERATION)):
        by_role = {row["role"]: row for row in rows}
        if _RESPONSE not in by_role or _flaw(by_role[_RESPONSE]) is not None:
            advance(1)
        elif lacking and _ALTERATION in by_role:
            stored += 1
        else:
            yield arrived.copy(prompt, by_role[_RESPONSE]["text"])
    advance(stored - arrived.followed if lacking else 0)


def _responses(prompts: Collection[Prompt], recipe: OpenRecipe, seed: int) -> Iterator[Group]:
    sampling = recipe.response.sampling()

    def original(prompt: Prompt) -> Iterator[Request]:
        key = f"{prompt.id}.{_RESPONSE}"
        yield _Original(key=key, messages=(_instruction(prompt),), sampling=sampling, seed=seed_of(seed, key), prompt=prompt)

    for prompt in _of_kind(prompts, Kind.OPEN):
        yield Group(name=prompt.id, size=1, make=partial(original, prompt))


def _samples(prompts: Collection[Prompt], recipe: ClosedRecipe, seed: int) -> Iterator[Group]:
    """The samples of the first turn."""
    first = recipe.turns()[0]
    for prompt in _of_kind(prompts, Kind.CLOSED):
        yield Group(name=f"{prompt.id}.{_SAMPLE}", size=len(first), make=partial(_sampled, prompt, recipe, seed, first))


def _further(
    prompts: Collection[Prompt], table: Table, recipe: ClosedRecipe, seed: int, turn: range, advance: Advance
) -> Iterator[Request]:
    """The samples of a later turn, of each prompt whose vote those before have not decided."""
    for prompt, rows in _answered(_of_kind(prompts, Kind.CLOSED), _stored(table, _SAMPLE)):
        before = [row for row in rows if row["sample"] < turn.start]
        if len(before) < turn.start:  # decided before the last turn
            continue
        if is_decided(readable(before), instruction=prompt.text, rules=recipe.election()):
            advance(recipe.samples - turn.start)
        else:
            yield from _sampled(prompt, recipe, seed, turn)


def _sampled(prompt: Prompt, recipe: ClosedRecipe, seed: int, numbers: range) -> Iterator[Request]:
    message, sampling = fill(recipe.template, {"question": prompt.text}, prompt.images), recipe.sampling.sampling()
    for number in numbers:
        yield _request(f"{prompt.id}.{_SAMPLE}.{number:04d}", message, sampling, seed)


def _instruction(prompt: Prompt) -> Message:
    return fill("{images}\n{question}", {"question": prompt.text}, prompt.images)


def _request(key: str, message: Message, sampling: Sampling, seed: int) -> Request:
    return Request(key=key, messages=(message,), sampling=sampling, seed=seed_of(seed, key))


def _to_row(request: Request, completion: Completion, model: str) -> Row:
    prompt_id, role, detail = [*request.key.split(".", 2), ""][:3]
    return {
        "key": request.key,
        "prompt_id": prompt_id,
        "role": role,
        "sample": int(detail) if role == _SAMPLE else 0,
        "instruction": detail if role == _ALTERATION else None,
        "model": model,
        "seed": request.seed,
        "text": completion.text,
        "finish": str(completion.finish),
        "error": completion.error,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
    }


def _flaw(row: Row) -> str | None:
    return flaw(row["text"], Finish(row["finish"]))


def make_pairs(
    prompts: Iterable[Prompt], responses: Iterable[Row], *, recipe: Synthesis, seed: int
) -> tuple[list[PreferencePair], list[Row]]:
    """The pairs that the responses make, and a row for each prompt that makes none, with the reason. Pure."""
    prompts, responses = list(prompts), list(responses)
    lost: list[Lost] = []
    pool = _pool(prompts, responses, recipe.closed)
    pairs = list(pairs_of(_each(prompts, responses, recipe, seed, pool), lost))
    return pairs, list(map(lost_row, lost))


Lost = tuple[str, str]
"""The id of a prompt that makes no pair, and the reason."""


Made = PreferencePair | Lost
_USED = ("key", "prompt_id", "role", "sample", "instruction", "text", "finish")
"""Columns of responses that decide about pairs."""
Choose = Callable[[Sequence[Prompt], Sequence[Row], list[PreferencePair]], list[PreferencePair]]


def made(prompts: Collection[Prompt], responses: Table, *, recipe: Synthesis, seed: int, choose: Choose | None) -> Iterable[Made]:
    """What a sealed table of responses makes; an experiment may `choose` other pairs, which is given all rows."""
    pool = _pool(prompts, responses.rows(*_USED), recipe.closed)
    found = _each(prompts, responses.rows(*_USED), recipe, seed, pool)
    if choose is None:
        return found
    lost: list[Lost] = []
    pairs = list(pairs_of(found, lost))
    return [*choose(list(prompts), list(responses.rows()), pairs), *lost]


def pairs_of(made: Iterable[Made], lost: list[Lost]) -> Iterator[PreferencePair]:
    """The pairs; the others go to `lost`."""
    for one in made:
        if isinstance(one, PreferencePair):
            yield one
        else:
            lost.append(one)


def lost_row(lost: Lost) -> Row:
    """Its row in the table of what was dropped."""
    return drop(lost[0], stage="synthesis", prompt_id=lost[0], reason=lost[1])


def _pool(prompts: Collection[Prompt], responses: Iterable[Row], recipe: ClosedRecipe) -> Pool:
    """The answers that won votes, where the rejected one is to be one of them; that needs all responses beforehand."""
    if recipe.alternative != "pooled":
        return {}
    answered = _answered(_of_kind(prompts, Kind.CLOSED), responses)
    return pool_of(((prompt.text, readable(rows)) for prompt, rows in answered), recipe.election())


def _each(prompts: Iterable[Prompt], responses: Iterable[Row], recipe: Synthesis, seed: int, pool: Pool) -> Iterator[Made]:
    """As `make_pairs`, prompt by prompt; both stand by the ids of the prompts."""
    for prompt, rows in _answered(prompts, responses):
        if prompt.kind is Kind.OPEN:
            made = _open_pair(prompt, rows, recipe.open)
        else:
            made = _closed_pair(prompt, rows, recipe.closed, seed, pool)
        if isinstance(made, PreferencePair):
            yield _labelled(made, recipe, seed)
        else:
            yield prompt.id, made


def drop(key: str, *, stage: str, prompt_id: str, reason: str, pair_id: str | None = None) -> Row:
    """A row of the table of what was dropped."""
    return {"key": key, "stage": stage, "prompt_id": prompt_id, "pair_id": pair_id, "reason": reason}


def _open_pair(prompt: Prompt, rows: Sequence[Row], recipe: OpenRecipe) -> PreferencePair | str:
    by_role = {row["role"]: row for row in rows}
    original = by_role[_RESPONSE]
    if (reason := _flaw(original)) is not None:
        return reason
    altered, text = by_role[_ALTERATION], spoken(original["text"])
    make = replaced if recipe.mode == "replace" else rewritten
    copy = make(text, altered["text"], Finish(altered["finish"]))
    if isinstance(copy, str):
        return copy
    ratio, limit = len(copy.text) / len(text), recipe.length_ratio
    if limit is not None and not 1 / limit <= ratio <= limit:
        return "length_ratio"
    return _pair(prompt, text, copy.text, Alteration(instruction=altered["instruction"], edits=copy.edits))


def _closed_pair(prompt: Prompt, rows: Sequence[Row], recipe: ClosedRecipe, seed: int, pool: Pool) -> PreferencePair | str:
    samples = readable(rows)
    elected = elect(
        samples,
        instruction=prompt.text,
        rules=recipe.election(),
        rng=random.Random(seed_of(seed, "election", prompt.id)),
        same=_equal(samples, rows, prompt) if recipe.equivalence == "model" else {},
        pool=pool,
    )
    if isinstance(elected, str):
        return elected
    return _pair(prompt, spoken(elected.chosen), spoken(elected.rejected), elected.vote)


def _equal(samples: Sequence[str], rows: Sequence[Row], prompt: Prompt) -> Mapping[str, str]:
    """The forms that count as another one, by the model's replies."""
    replies = {row["key"]: row["text"] for row in rows if row["role"] == _SAME and row["finish"] == Finish.STOP}
    asked = doubtful(samples, prompt.text).items()
    return representatives(forms for forms, texts in asked if same(replies.get(_same_key(prompt, texts), "")))


def _pair(prompt: Prompt, chosen: str, rejected: str, evidence: Evidence) -> PreferencePair:
    identity = PreferencePair.identify(prompt, chosen, rejected)
    return PreferencePair(id=identity, prompt=prompt, chosen=chosen, rejected=rejected, evidence=evidence)


def _labelled(pair: PreferencePair, recipe: Synthesis, seed: int) -> PreferencePair:
    """The pair as it is or, in a control, with a random side or the other one called the chosen one."""
    heads = recipe.labels == "coin" and random.Random(seed_of(seed, "coin", pair.id)).random() < 0.5
    if heads or recipe.labels == "flipped":
        return replace(pair, chosen=pair.rejected, rejected=pair.chosen)
    return pair
