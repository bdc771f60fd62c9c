"""The service itself: FastAPI over `Batches`. Nothing that a client sends takes it down; what is wrong with it gets a 4xx."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import SelfjudgeError
from ..judge import Case, Judge, Preference
from ..judge.ranks import order
from ..method.ranking import pairings
from ..types import storable
from .batches import Batches, Full
from .bodies import (
    CompareBody,
    Compared,
    Document,
    Health,
    RankBody,
    Ranked,
    RerankBody,
    Reranked,
    RerankedAll,
    case,
    pictures,
)
from .uploads import as_json, is_form

TOKEN = "SELFJUDGE_TOKEN"  # noqa: S105  # the name of a variable
"""Environment variable with the bearer token that clients must send, for all but `_FREE`; without it none is asked for."""

_TOO_LARGE = ("too_many_pixels", "too_many_bytes")
_RETRY_SECONDS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the service allows.

    waiting         comparisons that may wait; while there are so many, further requests get 429
    waiting_bytes   of their images, likewise
    batch           comparisons that are judged together
    body_bytes      of one request; a larger one gets 413
    seconds         that a request may take to arrive, else 408, and to be answered, else 504
    images          folder whose image files clients may name; none without it
    hosts           names under which clients may call it, against foreign pages that call a local service; all without it
    """

    waiting: int = 1024
    waiting_bytes: int = 2**30
    batch: int = 64
    body_bytes: int = 32 * 2**20
    seconds: float = 120.0
    images: Path | None = None
    hosts: Sequence[str] = ()


class Metrics:
    """Prometheus metrics of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        names: dict[str, Any] = {"registry": self.registry, "namespace": "selfjudge"}
        self.requests = Counter("requests", "Requests answered, by path and status.", ["path", "status"], **names)
        self.seconds = Histogram("request_seconds", "Seconds of requests, by path.", ["path"], **names)
        self.comparisons = Counter("comparisons", "Comparisons judged, each in both orders.", **names)
        self.batches = Histogram("batch_comparisons", "Comparisons of a batch.", buckets=(1, 2, 4, 8, 16, 32, 64, 128), **names)
        self.waiting = Gauge("waiting_comparisons", "Comparisons that wait.", **names)

    def watch(self, size: int) -> None:
        self.comparisons.inc(size)
        self.batches.observe(size)


class _Observed:
    """Counts answers, whoever gives them. A path that is none of the service's is `other`."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: frozenset[str]) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, path = time.perf_counter(), _path(scope)
        path = path if path in self._paths else "other"

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(path, message["status"]).inc()
                self._metrics.seconds.labels(path).observe(time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, sent)


class _Bounded:
    """Asks for the token, then reads the body, up to a size and a time, before anything else sees it. A form becomes JSON."""

    def __init__(self, app: ASGIApp, limits: Limits, token: str | None) -> None:
        self._app, self._limits, self._token = app, limits, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            request = await self._read(scope, receive) if scope["type"] == "http" else (scope, receive)
        except ClientDisconnect:
            return
        except HTTPException as error:
            await JSONResponse({"detail": error.detail}, error.status_code, error.headers)(scope, receive, send)
            return
        await self._app(*request, send)

    async def _read(self, scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
        """The request, with the whole body of a POST. Raises HTTPException, and ClientDisconnect."""
        free = scope["method"] == "GET" and _path(scope) in _FREE
        if self._token and not free and not _has_token(scope, self._token):
            raise HTTPException(401, "the bearer token is missing or wrong", headers={"WWW-Authenticate": "Bearer"})
        if scope["method"] != "POST":
            return scope, receive
        try:
            async with asyncio.timeout(self._limits.seconds):
                body = await self._body(scope, receive)
        except TimeoutError:
            raise HTTPException(408, f"the request took more than {self._limits.seconds:.0f} s to arrive") from None
        messages = deque[Message]([{"type": "http.request", "body": body, "more_body": False}])

        async def read() -> Message:
            return messages.popleft() if messages else await receive()

        if is_form(scope):
            try:
                scope, form = await as_json(scope, read)
            except ValueError as error:
                raise _wrong("form", storable(str(error))) from None
            messages.append(form)
        return scope, read

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        body, size, more = bytearray(), int(declared) if declared.isdigit() else 0, True
        while more and size <= self._limits.body_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            size, more = max(size, len(body)), message.get("more_body", False)
        if size > self._limits.body_bytes:
            raise HTTPException(413, f"the request has more than {self._limits.body_bytes} bytes")
        return bytes(body)


_FREE = ("/health", "/docs", "/openapi.json")
"""What may be read without the token."""


def _path(scope: Scope) -> str:
    return str(scope.get("path", "")).removeprefix(scope.get("root_path", ""))


def _has_token(scope: Scope, token: str) -> bool:
    scheme, _, given = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
    return scheme.lower() == b"bearer" and secrets.compare_digest(given.strip(), os.fsencode(token))


_UNAUTHORISED: dict[int | str, dict[str, Any]] = {401: {"description": "The bearer token is missing or wrong."}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is not text, or the service is called under another name."},
    408: {"description": "The request took too long to arrive."},
    413: {"description": "The request or an image is too large."},
    429: {"description": "Too many comparisons are waiting; Retry-After says when to ask again."},
    502: {"description": "The judge's engine failed."},
    503: {"description": "The service is stopping."},
    504: {"description": "The judge took too long."},
}


class Service:
    """A judge with its queue, and the handlers of its routes."""

    def __init__(self, judge: Judge, name: str, limits: Limits) -> None:
        self.name = name
        self.limits = limits
        self._judge = judge
        self.metrics = Metrics()
        self.batches = Batches(
            judge,
            limit=limits.waiting,
            bytes_limit=limits.waiting_bytes,
            size=limits.batch,
            folder=limits.images or Path(os.devnull),
            watch=self.metrics.watch,
        )
        self.metrics.waiting.set_function(lambda: self.batches.waiting)

    @asynccontextmanager
    async def running(self, _: FastAPI) -> AsyncIterator[None]:
        """Judges from the start of the service to its end, what is waiting then included."""
        self.batches.start()
        yield
        await asyncio.to_thread(self.batches.close)
        self._judge.close()

    async def judged(self, cases: Sequence[Case]) -> list[Preference]:
        """What the judge says. Raises HTTPException with 4xx or 5xx where it says nothing."""
        try:
            answers = [asyncio.wrap_future(answer) for answer in self.batches.submit(cases)]
        except Full:
            most = f"at most {self.limits.waiting}, with {self.limits.waiting_bytes:,} bytes of images, may"
            detail = f"{self.batches.waiting} comparisons are waiting; {most}"
            raise HTTPException(429, detail, headers={"Retry-After": str(_RETRY_SECONDS)}) from None
        except RuntimeError as error:
            raise HTTPException(503, str(error)) from None
        try:
            async with asyncio.timeout(self.limits.seconds):
                said = await asyncio.gather(*answers)
        except TimeoutError:
            raise HTTPException(504, f"the judge took more than {self.limits.seconds:.0f} s") from None
        except SelfjudgeError as error:
            raise HTTPException(502, storable(f"the judge failed: {error}")) from None
        finally:
            for answer in answers:
                answer.cancel()
        for one in said:
            _check(one)
        return said

    async def compare(self, body: CompareBody) -> Compared:
        """Compare two responses, in both orders."""
        (said,) = await self.judged([case(body.prompt, body.response_a, body.response_b, self._pictures(body.images))])
        return Compared.of(said)

    async def rank(self, body: RankBody) -> Ranked:
        """Rank responses from best to worst (Bradley–Terry)."""
        return await self._rank(body.prompt, body.responses, self._pictures(body.images), body.comparisons)

    async def rerank(self, body: RerankBody) -> RerankedAll:
        """Rank documents as responses to a query. The relevance is the chance to be better than an average one of them."""
        texts = [one if isinstance(one, str) else one.text for one in body.documents]
        ranked = await self._rank(body.query, texts, self._pictures(body.images), None)
        average = 1 / len(body.documents)
        results = [
            Reranked(
                index=number,
                relevance_score=ranked.strengths[number] / (ranked.strengths[number] + average),
                document=Document(text=texts[number]) if body.return_documents else None,
            )
            for number in ranked.order[: body.top_n]
        ]
        return RerankedAll(model=body.model or self.name, results=results, problem=ranked.problem)

    async def _rank(self, prompt: str, responses: list[str], images: Sequence[bytes | str], comparisons: int | None) -> Ranked:
        pairs = pairings(len(responses), comparisons)
        said = await self.judged([case(prompt, responses[i], responses[j], images) for i, j in pairs]) if pairs else []
        ranking = order(len(responses), pairs, said)
        return Ranked(
            order=list(ranking.order),
            strengths=list(ranking.strengths),
            comparisons=ranking.comparisons,
            undecided=ranking.undecided,
            failed=ranking.failed,
            problem=ranking.problem,
        )

    def _pictures(self, images: list[str]) -> list[bytes | str]:
        try:
            return pictures(images, paths=self.limits.images is not None)
        except ValueError as error:
            raise _wrong("images", str(error)) from None

    def health(self, response: Response) -> Health:
        """Whether the judge answers."""
        broken = self.batches.broken
        response.status_code = 200 if broken is None else 503
        detail = None if broken is None else storable(broken)
        return Health(status="ok" if broken is None else "failing", detail=detail, waiting=self.batches.waiting)

    def exposed(self) -> Response:
        """Metrics for Prometheus."""
        return Response(generate_latest(self.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _wrong(field: str, message: str) -> HTTPException:
    """A 422 in the form of FastAPI's own, which names the field."""
    return HTTPException(422, _fault(field, message))


def _fault(field: str, message: str) -> list[dict[str, Any]]:
    return [{"type": "value_error", "loc": ["body", field], "msg": message, "input": None}]


def _check(said: Preference) -> None:
    """Raises HTTPException for a case that was not judged."""
    if not said.failed:
        return
    problem = said.problem or ""
    if problem.startswith(_TOO_LARGE):
        raise HTTPException(413, problem)
    if problem.startswith("failed: "):
        raise HTTPException(502, problem)
    raise _wrong("body" if problem.startswith(("invalid: ", "refused: ")) else "images", problem)


def create_app(judge: Judge, name: str, limits: Limits | None = None) -> FastAPI:
    """The service of a judge that clients know as `name`. It closes the judge when it stops."""
    limits = limits or Limits()
    service = Service(judge, name, limits)

    about = f"The judge {name}. Each request may be sent as JSON, or as multipart/form-data with its images as files."
    app = FastAPI(title="selfjudge", description=about, lifespan=service.running)
    token = os.environ.get(TOKEN)
    guarded: dict[str, Any] = {"dependencies": [Depends(HTTPBearer(auto_error=False))] if token else []}  # for the page
    refused = _UNAUTHORISED if token else {}
    app.post("/v1/compare", **guarded, responses=_RESPONSES | refused)(service.compare)
    app.post("/v1/rank", **guarded, responses=_RESPONSES | refused)(service.rank)
    app.post("/v1/rerank", **guarded, responses=_RESPONSES | refused)(service.rerank)
    app.get("/health", responses={503: {"description": "The judge does not answer.", "model": Health}})(service.health)
    app.get("/metrics", **guarded, responses=refused, response_class=Response)(service.exposed)
    app.add_middleware(_Bounded, limits=limits, token=token)
    if limits.hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(limits.hosts))
    app.add_middleware(_Observed, metrics=service.metrics, paths=frozenset(getattr(one, "path", "") for one in app.routes))
    app.exception_handler(RequestValidationError)(_invalid)
    return app


_UNTYPED = "send JSON with the header content-type: application/json, or a form as multipart/form-data"


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """What is wrong with a request, by field, without what was sent: an image may be megabytes, and a text not valid Unicode."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for it alone
    faults = [{"type": one["type"], "loc": list(one["loc"]), "msg": storable(str(one["msg"]))} for one in error.errors()]
    if "json" not in request.headers.get("content-type", "").lower():
        faults = [{**fault, "msg": _UNTYPED} for fault in faults]
    return JSONResponse({"detail": faults}, 422)
