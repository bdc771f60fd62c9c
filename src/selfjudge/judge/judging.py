"""`Judge`: a model that compares responses, in this process or behind a server."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Self

from ..chat import Completion, Request
from ..errors import EngineError, InputError
from ..hub.models import find_model
from ..method.letters import opening
from ..method.protocols import STRICT, Protocol
from ..method.strikes import unbroken
from ..ports import CONTINUES, Engine, continues
from ..recipe.experiment import Judging
from ..recipe.file import engine_settings
from ..recipe.templates import SET_APART, check_judge_prompt
from ..run.cards import judge_of, judging_of
from ..run.disk import temporary
from ..run.fingerprint import fingerprint, states
from ..run.folder import RunFolder
from ..run.image_files import BadImage
from ..stages.asking import plan
from ..stages.judge import comparison_request
from ..types import Finish, ImageRef, Kind, Order, PreferencePair, Prompt, Verdict, content_id, seed_of
from ..wiring import open_engine
from .cases import Case, Picture, Preference, Shelf, Side, check_case, check_count, check_list, check_texts, unusable
from .ranks import Ranking, knocked_out, ranked

log = logging.getLogger(__name__)

_AHEAD = 4
"""Batches that are sorted by length together; their images are in memory."""


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """A case under way: its images, the keys of its requests, and the replies so far."""

    key: str | None = None
    images: tuple[ImageRef, ...] = ()
    keys: tuple[str, ...] = ()
    replies: list[Completion] = field(default_factory=list)
    given: Preference | None = None
    """What is known without asking: that it cannot be judged."""

    @property
    def whole(self) -> bool:
        return self.given is not None or (bool(self.keys) and len(self.replies) == len(self.keys))


class Judge:
    """A model that compares responses. `Judge.load` and `Judge.connect` open one; `close` it, or use it as a context manager."""

    def __init__(
        self, engine: Engine, *, template: str, max_tokens: int = 1024, images: Shelf | None = None, model: Path | str = ""
    ) -> None:
        """`max_tokens` is the longest reply. Raises InputError for a template that does not show both responses, or in which one
        could pass for the other."""
        check_count("max_tokens", max_tokens)
        try:
            check_judge_prompt(template)
        except ValueError as error:
            raise InputError(f"`template`: {error}", hint=SET_APART) from error
        self._engine = engine
        self._template = template
        self.max_tokens = max_tokens
        self._model = model
        self._loaded: dict[str, list[int]] | None = None
        """The files of the model's folder as they were before it was loaded."""
        self._images = images or Shelf()
        self._open = ExitStack()

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        revision: str | None = None,
        template: str | None = None,
        engine: str | Mapping[str, Any] = "transformers",
        max_tokens: int = 1024,
        **settings: Any,
    ) -> Self:
        """Load a judge, with the prompt that it was trained with unless `template` is another.

        `path` is a run folder (its best judge), a judge folder (`RUN/iteration-4/judge`), a name on the hub (`org/name`), or
        `shapes`. `revision` is a tag on the hub, such as `iteration-2`; the default is the final judge. `engine` is a kind
        (`transformers`, `vllm`, `ray`), or all of `execution.engine` as a recipe has it; `settings` are its fields, such as
        `batch_size`, `dtype` and `device`. `max_tokens` is the longest reply.

        Raises InputError when there is no such model or setting, EngineError when it cannot be loaded.
        """
        if not str(path):
            raise InputError("no judge is named", hint="Name a run folder, a judge folder, a model of the hub, or `shapes`.")
        folder = find_model(f"{path}@{revision}" if revision else str(judge_of(Path(path)))).path
        given = engine_settings({**({"kind": engine} if isinstance(engine, str) else engine), **settings})
        with ExitStack() as opened:
            place = RunFolder(opened.enter_context(temporary()))
            shelf, before = Shelf(place.images if given.kind == "vllm" else None), states(folder)
            loaded = open_engine(given, folder, shelf.get, place=place)
            prompt = template or (judging_of(folder) or Judging()).template
            judge = cls(loaded, template=prompt, max_tokens=max_tokens, images=shelf, model=folder)
            judge._open, judge._loaded = opened.pop_all(), before
        return judge

    @classmethod
    def connect(
        cls,
        url: str,
        model: str,
        *,
        template: str | None = None,
        judge: str | Path | None = None,
        max_tokens: int = 1024,
        **settings: Any,
    ) -> Self:
        """A judge behind an OpenAI-compatible server at `url`, which knows it as `model`. Needs no torch.

        The key of the server is read from OPENAI_API_KEY.

        The prompt is `template`, or that of the folder `judge`, or of `model` where that is a folder here, or the default of a
        recipe, which is logged. `settings` are those of the engine, such as `concurrency` and `timeout_seconds`. Raises
        InputError and EngineError.
        """
        server = engine_settings({"kind": "openai", "base_url": url, **settings})
        trained = judging_of(judge_of(Path(model)) if judge is None else _folder(judge))
        if template is None and trained is None:
            log.warning("%s is asked with the default prompt: none is known that it was trained with (docs/using.md, 7)", model)
        shelf = Shelf()
        engine = open_engine(server, Path(model), shelf.get, served_model=model)
        prompt, name = template or (trained or Judging()).template, f"{model} at {server.address}"  # type: ignore[union-attr]
        return cls(engine, template=prompt, max_tokens=max_tokens, images=shelf, model=name)

    def compare(self, image: Picture | Sequence[Picture], prompt: str, response_a: str, response_b: str) -> Preference:
        """Which of two responses to a prompt is better. Greedy, so the same question has the same answer.

        `image` is a path, the bytes of an image file, a PIL image, an array of grey (height, width) or colours (height, width,
        3 or 4), or a list of these, which may be empty. Raises InputError when it cannot be used or a text is none,
        EngineError when the engine gives no answer.
        """
        case = Case(images=image, prompt=prompt, response_a=response_a, response_b=response_b)
        check_texts(prompt=prompt, response_a=response_a, response_b=response_b)
        try:
            self._images.drop(self._images.put(image))
        except BadImage as bad:
            raise unusable(bad) from bad
        (said,) = self.compare_all([case])
        if said.failed:
            raise EngineError(
                f"the judge gave no answer: {said.problem}",
                hint="The message is the engine's. Correct a question that is at fault; else ask again, or on another `device`.",
            )
        return said

    @cached_property
    def identity(self) -> str:
        """A digest of the model (every file of a folder, or name and address) and of its prompt.

        Raises InputError where a folder is not what was loaded any more.
        """
        if not isinstance(self._model, Path):
            return content_id(self._model, self._template)
        digest = fingerprint(self._model)
        if self._loaded != states(self._model):
            raise InputError(
                f"{self._model} was changed since it was loaded", hint="Load the model again: run the command again."
            )
        return content_id(digest, self._template)

    @property
    def block(self) -> int:
        """Requests that the engine answers together; a case is two of them."""
        return self._engine.block

    def compare_all(
        self, cases: Iterable[Case | Preference], *, folder: Path | None = None, trace: bool = True, answered: bool = False
    ) -> Iterator[Preference]:
        """A preference for each case, in their order, while cases are still read; batched as the engine takes them.

        What is a preference already, such as the failure of a row that could not be read, is passed on in its place.

        A case that cannot be judged is a preference that has `failed`, with the reason. Image paths start at `folder` and stay in
        it; without one, a case may name any file. Without `trace` the judge writes the letter and no reason, which may make it
        another judge (docs/using.md). Raises EngineError when the engine is broken, or cannot begin a reply. A judge that has
        `answered` before is not taken for broken where it refuses all cases.
        """
        return self._compared(cases, self._protocol(trace=trace), 0, folder, answered=answered)

    def rank(
        self,
        image: Picture | Sequence[Picture],
        prompt: str,
        responses: Sequence[str],
        *,
        comparisons: int | None = None,
    ) -> Ranking:
        """Responses from best to worst, by the Bradley–Terry model over `comparisons` pairs: all, or at least n - 1.

        Raises InputError, and EngineError.
        """
        texts = check_list("responses", responses)
        if comparisons is not None:
            check_count("comparisons", comparisons)
        return ranked(len(texts), lambda pairs: self._matches(pairs, image, prompt, texts), comparisons)

    def best(self, image: Picture | Sequence[Picture], prompt: str, responses: Sequence[str]) -> int:
        """The number of the best response, by a knock-out of n - 1 comparisons. Raises InputError, and EngineError."""
        texts = check_list("responses", responses)
        return knocked_out(len(texts), lambda pairs: self._matches(pairs, image, prompt, texts))

    def score(
        self,
        image: Picture | Sequence[Picture],
        prompt: str,
        response: str,
        *,
        against: Sequence[str],
        samples: int = 4,
        trace: bool = True,
    ) -> float | None:
        """P(response is better than those of `against`), in [0, 1]: the mean over them, both orders and `samples` traces.

        Traces are sampled as in Stage II, since one greedy trace mostly ends in 0 or 1; `samples` 1 is the greedy one. Without
        `trace`, P is that of the letter alone, one token an order, and `samples` has no meaning. None when no verdict could be
        read. Raises InputError, and EngineError.
        """
        check_count("samples", samples)
        others = check_list("against", against)
        cases = [Case(images=image, prompt=prompt, response_a=response, response_b=other) for other in others]
        samples = samples if trace else 1
        protocol = self._protocol(trace=trace).changed(samples=samples)
        chances = [
            said.leaning for sample in range(samples) for said in map(_judged, self._compared(cases, protocol, sample, None))
        ]
        read = [chance for chance in chances if chance is not None]
        return sum(read) / len(read) if read else None

    def close(self) -> None:
        """Free the model."""
        self._engine.close()
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _protocol(self, *, trace: bool = True) -> Protocol:
        sampling = replace(STRICT.sampling, max_tokens=self.max_tokens)
        if trace:
            return replace(STRICT, template=self._template, sampling=sampling)
        if opening(self._template) and not continues(self._engine):
            hint = f"Engines that can: {CONTINUES}. Others need a trace."
            raise EngineError("this engine cannot begin a reply, as a verdict without a trace asks", hint=hint)
        return replace(STRICT, template=self._template, sampling=sampling, verdict="alone")

    def _matches(
        self,
        pairs: Iterable[tuple[int, int]],
        image: Picture | Sequence[Picture],
        prompt: str,
        responses: Sequence[str],
    ) -> Iterator[Preference]:
        cases = (Case(images=image, prompt=prompt, response_a=responses[i], response_b=responses[j]) for i, j in pairs)
        return map(_judged, self.compare_all(cases))

    def _compared(
        self, cases: Iterable[Case | Preference], protocol: Protocol, sample: int, folder: Path | None, *, answered: bool = False
    ) -> Iterator[Preference]:
        waiting: deque[_Waiting] = deque()
        asked: dict[str, Request] = {}
        owners: dict[str, _Waiting] = {}

        def requests() -> Iterator[Request]:
            for number, case in enumerate(cases):
                if isinstance(case, Preference):
                    waiting.append(_Waiting(given=case))
                    continue
                waiting.append(one := _Waiting(key=check_case(case).key))
                for request in self._requests(one, case, f"{number}.{sample}", protocol, folder):
                    asked[request.key], owners[request.key] = request, one
                    yield request

        def ready() -> Iterator[Preference]:
            while waiting and waiting[0].whole:
                yield _preference(waiting.popleft(), protocol)

        planned = chain.from_iterable(plan(requests(), self.block, _AHEAD))
        try:
            for completion in unbroken(self._engine.generate(planned), asked, name="the judge", answered=answered):
                del asked[completion.key]
                self._take(owners.pop(completion.key), completion)
                yield from ready()
            yield from ready()
        finally:
            for one in waiting:
                if not one.whole:
                    self._images.drop(one.images)

    def _take(self, owner: _Waiting, completion: Completion) -> None:
        owner.replies.append(completion)
        if owner.whole:
            self._images.drop(owner.images)

    def _requests(self, one: _Waiting, case: Case, name: str, protocol: Protocol, folder: Path | None) -> list[Request]:
        """The requests of a case, in both orders; none where it cannot be judged, which is then given."""
        try:
            check_texts(prompt=case.prompt, response_a=case.response_a, response_b=case.response_b)
            one.images = self._images.put(case.images, folder=folder)
        except BadImage as bad:
            one.given = Preference.failure(f"{bad.reason}: {bad}", case.key)
        except InputError as error:
            one.given = Preference.failure(f"invalid: {error}", case.key)
        if one.given is not None:
            return []
        about = Prompt(
            id=Prompt.identify(case.prompt, one.images),
            text=case.prompt,
            images=one.images,
            kind=Kind.OPEN,
            kind_rule="caller",
            source="caller",
        )
        identity = PreferencePair.identify(about, case.response_a, case.response_b)
        pair = PreferencePair(id=identity, prompt=about, chosen=case.response_a, rejected=case.response_b, evidence=None)
        one.keys = tuple(f"{name}.{order}" for order in Order)
        sample = name.rpartition(".")[2]
        return [
            comparison_request(key, pair.comparison(order), protocol, seed=seed_of(0, f"{identity}.{order}.{sample}"))
            for key, order in zip(one.keys, Order, strict=True)
        ]


def _folder(judge: str | Path) -> Path:
    """The folder of a judge that a server has. Raises InputError where there is none."""
    folder = judge_of(Path(judge))
    if not folder.is_dir():
        raise InputError(f"there is no judge folder {folder}", hint="`judge` is a run or judge folder; or give its `template`.")
    return folder


def _preference(one: _Waiting, protocol: Protocol) -> Preference:
    if one.given is not None:
        return one.given
    replies = sorted(one.replies, key=lambda reply: one.keys.index(reply.key))
    if lost := next((reply for reply in replies if reply.finish is Finish.ERROR), None):
        return Preference.failure(f"{'refused' if lost.refused else 'failed'}: {lost.error}", one.key)
    read = [protocol.reading(reply) for reply in replies]
    named = tuple(_side(said.verdict, order) for said, order in zip(read, Order, strict=True))
    chances = [order.of_chosen(said.probability) for said, order in zip(read, Order, strict=True)]
    consistent = named[0] is not None and named[0] == named[1]
    return Preference(
        preference=named[0] if consistent else None,
        probability=None if None in chances else sum(c for c in chances if c is not None) / len(chances),
        traces=("", "") if protocol.verdict == "alone" else (replies[0].text, replies[1].text),
        consistent=consistent,
        named=(named[0], named[1]),
        problem=next((str(said.problem) for said in read if said.problem), None),
        key=one.key,
    )


def _judged(said: Preference) -> Preference:
    """A preference, unless the case cannot be judged at all. Raises InputError and EngineError."""
    if said.failed and not (said.problem or "").startswith(("failed: ", "refused: ")):
        raise InputError(f"this cannot be judged: {said.problem}", hint="Correct the image or the text.")
    return said


def _side(verdict: Verdict | None, order: Order) -> Side | None:
    if verdict is None:
        return None
    return "a" if verdict is order.chosen else "b"
