"""`selfjudge doctor --server`: asks an OpenAI-compatible server some questions, and says what its answers mean for a run."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jiter import from_json
from PIL import Image

from ..chat import Block, Completion, Message, Request, Sampling
from ..engines.chat_completions import FINISHES, Again, Trouble, Writer, described, letters
from ..engines.endpoint import Endpoint
from ..engines.openai import OpenAIEngine
from ..errors import EngineError
from ..recipe.engines import OpenAISettings
from ..run.disk import temporary
from ..types import Finish, ImageRef
from .findings import Finding, Level

_SECONDS = 60.0
_FEW, _LONG = 2, 60  # tokens that a reply is cut off at, and characters that so few tokens never have
_COLOURS = ("red", "blue")
_DRAWS = {"first": 1, "again": 1, "other": 2, "third": 3}
"""Requests with the same words, by their seeds."""
_NUMBER = "Write one random whole number between 1 and 1000000. Only the number."
_REASONING = ("reasoning_content", "reasoning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What a server can do."""

    address: str
    model: str
    findings: tuple[Finding, ...]
    runs: bool
    """No finding is an error."""


def examine(settings: OpenAISettings, model: str | None) -> Examination:
    """Ask the server about ten short questions. Without a model it must have exactly one. Raises EngineError."""
    model = model or asyncio.run(_only_model(settings))
    settings = settings.model_copy(update={"concurrency": 4, "retries": 1, "timeout_seconds": _SECONDS})
    done, refused, able = _asked(settings, model, [*map(_about_picture, _COLOURS), *_questions()])
    with temporary() as folder:
        (folder / "red.png").write_bytes(_picture("red"))
        by_path, *_ = _asked(settings, model, [_about_picture("red")], folder)
    if done["plain"].finish is Finish.ERROR:
        raise EngineError(f"{settings.address} does not answer: {done['plain'].error}", hint="Try it with curl; see its log.")
    choice = asyncio.run(_choice(settings, model, refused))
    findings = (
        Finding(Level.FINE, "replies", f"answers, for example {done['plain'].text[:60]!r}"),
        *_about_ends(choice, done["cut"]),
        *_about_images(done, by_path["red"]),
        *_about_sampling(done),
        *_about_probabilities(done["plain"]),
        *_about_parameters(refused),
        _about_continuing(able),
    )
    return Examination(
        address=settings.address,
        model=model,
        findings=findings,
        runs=all(finding.level is not Level.ERROR for finding in findings),
    )


def _questions() -> Iterator[Request]:
    yield _request("plain", "Answer with the word yes.", logprobs=5)
    yield _request("cut", "Count from one to one hundred in words.", max_tokens=_FEW)
    for key, seed in _DRAWS.items():
        yield _request(key, _NUMBER, temperature=1.0, seed=seed)
        yield _request(f"top {key}", _NUMBER, temperature=1.0, seed=seed, top_k=1)


def _about_picture(colour: str) -> Request:
    picture = ImageRef(sha256=colour, media_type="image/png", width=64, height=64)
    return _request(colour, picture, "What colour is this image? Answer with one word.")


def _request(key: str, *content: Block, seed: int = 0, **sampling: Any) -> Request:
    drawn = Sampling(**{"temperature": 0.0, "max_tokens": 512, **sampling})
    return Request(key=key, messages=(Message(role="user", content=content),), sampling=drawn, seed=seed)


def _asked(
    settings: OpenAISettings, model: str, questions: Iterable[Request], folder: Path | None = None
) -> tuple[dict[str, Completion], frozenset[str], bool]:
    """The completions by key, the parameters that the server refuses, and whether it can continue a reply.

    Images go as paths if there is a folder.
    """
    path = None if folder is None else lambda ref: folder / f"{ref.sha256}.png"
    engine = OpenAIEngine(model, settings, read_image=_read, image_path=path)
    try:
        return {completion.key: completion for completion in engine.generate(questions)}, engine.refused, _continues(engine)
    finally:
        engine.close()


def _read(ref: ImageRef) -> bytes:
    return _picture(ref.sha256)


def _picture(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(file, "PNG")
    return file.getvalue()


async def _only_model(settings: OpenAISettings) -> str:
    async with Endpoint(settings.address, "", seconds=_SECONDS).open() as endpoint:
        hint, names = "Name one with --model.", []
        try:
            names = await endpoint.models()
            message = f"it has {endpoint.shown(', '.join(names)) or 'no models'}"
        except Trouble as trouble:
            message = endpoint.shown(str(trouble))
            if trouble.again is Again.UNREACHABLE:
                hint = "Check the address and whether the server is running."
    if len(names) != 1:
        raise EngineError(f"{settings.address}: {message}", hint=hint)
    return names[0]


async def _choice(settings: OpenAISettings, model: str, refused: frozenset[str]) -> dict[str, Any]:
    """The choice of a reply as the server sent it; empty if it has none."""
    async with Endpoint(settings.address, model, seconds=_SECONDS).open() as endpoint:
        body = Writer(model, _read, None).body(_request("raw", "Is 7 a prime number?"), refused)
        try:
            _, _, reply = await endpoint.exchange("/chat/completions", _SECONDS, io.BytesIO(body))
            choice = from_json(endpoint.clean(reply.decode()).encode())["choices"][0]
        except (Trouble, ValueError, LookupError, TypeError):
            return {}
    return choice if isinstance(choice, dict) else {}


def _continues(engine: OpenAIEngine) -> bool:
    try:
        return engine.continues
    except EngineError:
        return False


def _about_continuing(able: bool) -> Finding:
    what = "can be continued" if able else "cannot be continued: it is no vLLM or SGLang, by the owner of its models"
    do = "" if able else "Forced verdicts, and scores without a trace, need another server."
    return Finding(Level.FINE, "unfinished replies", what, do)


def _about_ends(choice: Mapping[str, Any], cut: Completion) -> Iterator[Finding]:
    reason = choice.get("finish_reason")
    known = reason is None or letters(reason) in FINISHES
    level = Level.FINE if known else Level.ERROR
    yield Finding(
        level, "finish_reason", f"whole replies end with {reason!r}", "" if known else "Every reply would be a failed row."
    )
    if len(cut.text) > _LONG:
        do = "A run takes longer than planned: replies have any length."
        yield Finding(Level.WARNING, "max_tokens", "has no effect", do)
    elif cut.finish is Finish.STOP and cut.completion_tokens == _FEW:
        do = "A judge that was cut off would count as one that gave no verdict."
        yield Finding(Level.WARNING, "finish_reason", "a reply that was cut off does not say so", do)
    message = choice.get("message")
    if name := next((name for name in _REASONING if isinstance(message, dict) and message.get(name)), None):
        do = "It is not part of the reply, but counts against --max-tokens: give it room."
        yield Finding(Level.FINE, "reasoning", f"comes apart, in `{name}`", do)


def _about_images(done: Mapping[str, Completion], path: Completion) -> Iterator[Finding]:
    said = {colour: done[colour] for colour in _COLOURS}
    words = ", ".join(f"{colour} as {reply.error or reply.text[:60]!r}" for colour, reply in said.items())
    if all(colour in reply.text.lower() for colour, reply in said.items()):
        yield Finding(Level.FINE, "images", "sees them")
    elif any(reply.error for reply in said.values()):
        yield Finding(Level.ERROR, "images", f"refuses them: {words}", "Serve a model that takes images.")
    else:
        yield Finding(Level.WARNING, "images", f"takes them, but names {words}", "See whether the server passes images on.")
    able = not path.error and "red" in path.text.lower()
    what = "reads images from local paths" if able else "reads no images from local paths"
    yield Finding(
        Level.FINE, "file URLs", what, "Images travel inside the requests; only servers of `kind: vllm` are sent paths."
    )


def _about_sampling(done: Mapping[str, Completion]) -> Iterator[Finding]:
    free, single = ([done[f"{kind}{key}"].text for key in _DRAWS] for kind in ("", "top "))
    if len(set(free)) == 1:
        yield Finding(Level.WARNING, "seed", "all samples are alike", "Votes and traces need samples that differ.")
        return
    same = free[0] == free[1]
    do = "" if same else "A request that is asked again, as after a kill, gets another text; nothing else changes."
    yield Finding(Level.FINE if same else Level.WARNING, "seed", "decides the reply" if same else "does not decide the reply", do)
    alike = len(set(single)) == 1
    do = "" if alike else "Where a recipe or protocol limits sampling to likely tokens, all are drawn from."
    yield Finding(Level.FINE if alike else Level.WARNING, "top_k", "is respected" if alike else "has no effect", do)


def _about_probabilities(plain: Completion) -> Iterator[Finding]:
    if plain.tokens:
        most = max(len(token.logprobs) for token in plain.tokens)
        yield Finding(Level.FINE, "log-probabilities", f"of up to {most} tokens in each place")
    else:
        yield Finding(Level.WARNING, "log-probabilities", "are not given", "There are no figures and scores by probability.")


def _about_parameters(refused: frozenset[str]) -> Iterator[Finding]:
    if refused:
        yield Finding(
            Level.WARNING, "parameters", f"requests are sent {described(refused)}", "`result.json` of a measurement says so."
        )
