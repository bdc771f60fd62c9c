"""Stage I: the model writes preference pairs for unlabelled prompts.

Open prompts: its own answer against its own copy with a deliberate error. Closed prompts: the majority of its samples against
another of them; which of them are the same, rules say or, where the recipe wants it, the model. What was sampled is stored before
anything is decided; the pairs are a pure function of it.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from ..chat import Completion, Message, Request, Sampling
from ..method.alteration import flaw, offered
from ..method.copies import replaced, rewritten
from ..method.equivalence import SAME, doubtful, representatives, same
from ..method.prompts import fill
from ..method.thinking import spoken
from ..method.voting import Elected, elect
from ..ports import NamedEngine, Progress
from ..recipe.experiment import ClosedRecipe, OpenRecipe, Synthesis
from ..run.store import Table
from ..run.tables import Row
from ..types import Alteration, Evidence, Finish, Kind, PreferencePair, Prompt, content_id, seed_of
from .asking import ask

VERSION = 2

_RESPONSE, _ALTERATION, _SAMPLE, _SAME = "response", "alteration", "sample", "same"
"""What a response is for. Its key is `prompt.role` or `prompt.role.detail`: the instruction's name, the sample's number, or the
identity of the two texts that are compared."""


def sample_responses(
    prompts: Sequence[Prompt],
    table: Table,
    *,
    recipe: Synthesis,
    open_model: Callable[[], NamedEngine],
    closed_model: Callable[[], NamedEngine],
    seed: int,
    progress: Progress,
) -> None:
    """Ask for everything that pairs are made of, and seal the table. The models are opened one after the other."""
    opens = [prompt for prompt in prompts if prompt.kind is Kind.OPEN]
    closed = [prompt for prompt in prompts if prompt.kind is Kind.CLOSED]
    with progress("responses", 2 * len(opens) + recipe.closed.samples * len(closed)) as advance:
        arrived = _Arrivals(opens, recipe.open, seed)
        writer = open_model()
        samples = _samples(closed, recipe.closed, seed)
        together = writer.engine.block == 1 and recipe.open.model == recipe.closed.model
        if together:
            arrived.note(table.stored())
            stream = arrived.between(chain(_responses(opens, recipe.open, seed), samples))
            ask(table, stream, writer, arrived.to_row, advance)
        else:
            ask(table, _responses(opens, recipe.open, seed), writer, _to_row, advance)
        originals = {r["prompt_id"]: r["text"] for r in table.stored() if r["role"] == _RESPONSE and _flaw(r) is None}
        advance(len(opens) - len(originals))
        altering = [prompt for prompt in opens if prompt.id in originals and prompt.id not in arrived.followed]
        ask(table, _alterations(altering, originals, recipe.open, seed), writer, _to_row, advance)
        sampler = writer if together else closed_model()
        if not together:
            ask(table, samples, sampler, _to_row, advance)
    if recipe.closed.equivalence == "model":
        _compare(closed, table, recipe.closed, sampler, seed, progress)
    table.seal()


def _compare(
    prompts: Sequence[Prompt], table: Table, recipe: ClosedRecipe, model: NamedEngine, seed: int, progress: Progress
) -> None:
    """Ask which of the sampled answers are the same. The requests follow from the samples, which are all stored by now."""
    rows = _by_prompt(row for row in table.stored() if row["role"] == _SAMPLE)
    requests = [request for prompt in prompts for request in _same(prompt, rows[prompt.id], recipe, seed)]
    with progress("answers to compare", len(requests)) as advance:
        ask(table, requests, model, _to_row, advance)


def _same(prompt: Prompt, rows: Sequence[Row], recipe: ClosedRecipe, seed: int) -> Iterator[Request]:
    sampling = Sampling(temperature=0.0, max_tokens=recipe.sampling.max_tokens)
    for first, second in doubtful(_readable(rows), prompt.text).values():
        values = {"question": prompt.text, "first": spoken(first), "second": spoken(second)}
        yield _request(_same_key(prompt, (first, second)), fill(SAME, values, ()), sampling, seed)


def _same_key(prompt: Prompt, texts: tuple[str, str]) -> str:
    """By what is compared: a reply is never taken for that to another pair, also where failed samples were asked again."""
    return f"{prompt.id}.{_SAME}.{content_id(texts)}"


def _by_prompt(rows: Iterable[Row]) -> dict[str, list[Row]]:
    by_prompt: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_prompt[row["prompt_id"]].append(row)
    return by_prompt


def _readable(rows: Sequence[Row]) -> list[str]:
    """The sampled answers of a prompt that are of use, by number."""
    samples = sorted((row for row in rows if row["role"] == _SAMPLE), key=lambda row: int(row["sample"]))
    return [row["text"] for row in samples if _flaw(row) is None]


class _Arrivals:
    """Original answers as they arrive: each is followed by the request for its altered copy, so that neither waits for the other.

    For engines that answer request by request; where answers come in batches, batches must not depend on what arrives when.
    """

    def __init__(self, prompts: Sequence[Prompt], recipe: OpenRecipe, seed: int) -> None:
        self._prompts = {prompt.id: prompt for prompt in prompts}
        self._recipe, self._seed = recipe, seed
        self._waiting: deque[Request] = deque()
        self.followed: set[str] = set()
        """Ids of the prompts whose copy was asked for."""

    def note(self, rows: Iterable[Row]) -> None:
        """Have the copies of these originals asked for."""
        for row in rows:
            if row["role"] == _RESPONSE and _flaw(row) is None:
                prompt = self._prompts[row["prompt_id"]]
                self._waiting.extend(_alterations([prompt], {prompt.id: row["text"]}, self._recipe, self._seed))

    def to_row(self, request: Request, completion: Completion, model: str) -> Row:
        row = _to_row(request, completion, model)
        self.note([row])
        return row

    def between(self, requests: Iterable[Request]) -> Iterator[Request]:
        """The requests, and those for copies as soon as they can be made. What arrives after the last one is left over."""
        for request in requests:
            while self._waiting:
                follower = self._waiting.popleft()
                self.followed.add(follower.key.partition(".")[0])
                yield follower
            yield request


def _responses(prompts: Sequence[Prompt], recipe: OpenRecipe, seed: int) -> Iterator[Request]:
    for prompt in prompts:
        yield _request(f"{prompt.id}.{_RESPONSE}", _instruction(prompt), recipe.response.sampling(), seed)


def _alterations(prompts: Sequence[Prompt], originals: dict[str, str], recipe: OpenRecipe, seed: int) -> Iterator[Request]:
    """One alteration of each original; which template asks for it is drawn by the prompt's own seed."""
    for prompt in prompts:
        original = spoken(originals[prompt.id])
        name = random.Random(seed_of(seed, "instruction", prompt.id)).choice(offered(original, recipe.templates))
        values = {"question": prompt.text, "response": original}
        message = fill(recipe.templates[name], values, prompt.images)
        yield _request(f"{prompt.id}.{_ALTERATION}.{name}", message, recipe.alteration.sampling(), seed)


def _samples(prompts: Sequence[Prompt], recipe: ClosedRecipe, seed: int) -> Iterator[Request]:
    for prompt in prompts:
        message = fill(recipe.template, {"question": prompt.text}, prompt.images)
        for number in range(recipe.samples):
            yield _request(f"{prompt.id}.{_SAMPLE}.{number:04d}", message, recipe.sampling.sampling(), seed)


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
    prompts: Sequence[Prompt], responses: Sequence[Row], *, recipe: Synthesis, seed: int
) -> tuple[list[PreferencePair], list[Row]]:
    """The pairs that the responses make, and a row for each prompt that makes none, with the reason. Pure."""
    by_prompt = _by_prompt(responses)
    pairs, dropped = [], []
    for prompt in prompts:
        rows = by_prompt[prompt.id]
        made = (
            _open_pair(prompt, rows, recipe.open) if prompt.kind is Kind.OPEN else _closed_pair(prompt, rows, recipe.closed, seed)
        )
        if isinstance(made, PreferencePair):
            pairs.append(_labelled(made, recipe, seed))
        else:
            dropped.append(drop(prompt.id, stage="synthesis", prompt_id=prompt.id, reason=made))
    return pairs, dropped


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


def _closed_pair(prompt: Prompt, rows: Sequence[Row], recipe: ClosedRecipe, seed: int) -> PreferencePair | str:
    readable = _readable(rows)
    elected = elect(
        readable,
        instruction=prompt.text,
        rules=recipe.election(),
        rng=random.Random(seed_of(seed, "election", prompt.id)),
        same=_equal(readable, rows, prompt) if recipe.equivalence == "model" else {},
    )
    return _pair(prompt, elected.chosen, elected.rejected, elected.vote) if isinstance(elected, Elected) else elected


def _equal(readable: Sequence[str], rows: Sequence[Row], prompt: Prompt) -> Mapping[str, str]:
    """The forms that count as another one, by the model's replies."""
    replies = {row["key"]: row["text"] for row in rows if row["role"] == _SAME and row["finish"] == Finish.STOP}
    asked = doubtful(readable, prompt.text).items()
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
