"""The pages of the viewer: one or two runs, read only. Whatever models and strangers wrote is text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Annotated, Any, get_args
from urllib.parse import urlencode

from fastapi import FastAPI, Form, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..errors import RunError
from ..report.curve import COIN, learning_curve
from ..report.differences import coded, marked, visible
from ..report.findings import concerns, headline
from ..report.status import status
from ..run.folder import ImageStore
from ..run.images import BadImage, thumbnail
from ..run.reasons import DROPPED, explained
from ..run.tables import Row, images_of, is_right
from ..types import ImageRef, Order
from .annotations import Annotations, Choice, turned
from .guard import guarded
from .index import FILTERS, PAGE, SORTS, RunIndex, Wanted
from .measured import Measured

_LONGEST = 20_000
"""Characters of a text that a page of one pair shows."""
_NUMBER = re.compile(r"-?\d{1,9}", re.ASCII)
_SMALL = 192
"""Pixels of the longer side of an image in a list."""
_BROWSER_TYPES = ("image/png", "image/jpeg", "image/webp")


Place = Annotated[int, Query(le=2**31)]
"""A page of a list, or a place in it: a larger one is none that the index can count to."""


class Pages:
    """The handlers of the pages."""

    def __init__(self, runs: Sequence[RunIndex], root: str) -> None:
        self._runs = runs
        self._root = root
        self._annotations = [Annotations(run) for run in runs]
        self._measured = Measured(runs)
        self._templates = Environment(
            loader=PackageLoader("selfjudge.view"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "visible": visible,
            "coded": coded,
            "argument": shlex.quote,
            "words": lambda name: visible(name, 200).replace("_", " "),
        }
        self._templates.globals |= {"root": root, "runs": runs, "query": _query, "is_right": is_right, "p_better": _p_better}

    def _page(self, template: str, /, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._templates.get_template(template).render(**values))

    def _run(self, number: int) -> RunIndex:
        """A run by its number, with what is new in its folder. Raises HTTPException."""
        if not 0 <= number < len(self._runs):
            raise HTTPException(404, "there is no such run")
        self._runs[number].refresh()
        return self._runs[number]

    def overview(self, run: int = 0) -> HTMLResponse:
        """What a run achieved, how its cases ended, and what was measured."""
        index = self._run(run)
        state = index.summary
        fates = [(name, explained(name, DROPPED), counts) for name, counts in index.fates().items()]
        curves = {}
        if state and (entries := state["iterations"]):
            curves = {name: Markup(learning_curve(entries, name, guides=COIN)) for name in entries[0]["benchmarks"]}  # noqa: S704
        return self._page(
            "overview.html",
            run=run,
            state=state,
            headline=headline(state) if state else [],
            concerns=concerns(state) if state else [],
            curves=curves,
            fates=fates,
            numbers=index.iterations(),
            status=status(index.run),
        )

    def status(self, run: int) -> HTMLResponse:
        """How far a run is."""
        return self._page("status.html", run=run, status=status(self._run(run).run))

    def pairs(self, request: Request, run: int = 0, page: Place = 1) -> HTMLResponse:
        """A list of cases."""
        index, wanted = self._run(run), _wanted(request.query_params)
        start = (max(page, 1) - 1) * PAGE
        found = index.cases(wanted, start)
        return self._page(
            "pairs.html", run=run, wanted=wanted, found=found, start=start, page=max(page, 1), pages=-(-found.total // PAGE),
            choices=index.choices(), sorts=SORTS, names=FILTERS,
        )  # fmt: skip

    def prompt(self, request: Request, run: int, prompt_id: str, n: Place | None = None) -> HTMLResponse:
        """A prompt in every iteration; `n` is its place in the list that the rest of the query asks for."""
        index, wanted = self._run(run), _wanted(request.query_params)
        prompt = index.prompt(prompt_id)
        if prompt is None:
            raise HTTPException(404, "there is no such prompt")
        turns = [(turn, _sides(turn.pair), explained(turn.dropped or "", DROPPED)) for turn in index.turns(prompt_id)]
        places = {} if n is None else self._neighbours(index, run, wanted, max(n, 0))
        return self._page(
            "prompt.html", run=run, prompt=prompt, images=images_of(prompt), turns=turns, wanted=wanted, places=places
        )

    def _neighbours(self, index: RunIndex, run: int, wanted: Wanted, n: int) -> dict[str, str]:
        """The addresses of the cases before and after the one at a place of a list."""
        first = max(n - 1, 0)
        found = dict(enumerate(index.prompts_of(wanted, first, n - first + 2), first))
        places = {name: k for name, k in (("previous", n - 1), ("next", n + 1)) if k in found}
        return {name: f"{self._root}/prompt/{run}/{found[k]}?{_query(wanted, n=k)}" for name, k in places.items()}

    def bench(
        self, name: str = "", a: str = "", b: str = "", dimension: str = "", every: bool = False, page: Place = 1
    ) -> HTMLResponse:
        """The items of a benchmark as one judge answered them, or those where two judges differ."""
        for number in range(len(self._runs)):
            self._run(number)
        names = self._measured.names()
        name = name if name in names else (names[0] if names else "")
        contestants = self._measured.contestants(name)
        one = contestants.get(a) or (list(contestants.values())[-1] if contestants else None)
        two = contestants.get(b)
        start = (max(page, 1) - 1) * PAGE
        found = self._measured.items((one, two), dimension=dimension, every=every, start=start) if one else None
        return self._page(
            "bench.html", names=names, name=name, contestants=contestants, a=one, b=two, found=found, dimension=dimension,
            dimensions=self._measured.dimensions((one, two)) if one else [], every=every, page=max(page, 1),
            pages=-(-found.total // PAGE) if found else 0, counts=self._measured.counts((one, two)) if one else (),
        )  # fmt: skip

    def item(self, name: str, item_id: str) -> HTMLResponse:
        """One item of a benchmark, with what every judge said about it."""
        found = self._measured.item(name, item_id)
        if found is None:
            raise HTTPException(404, "there is no such item")
        run, item, said = found
        return self._page("item.html", name=name, run=run, item=item, images=images_of(item), sides=_sides(item), said=said)

    def annotate(self, run: int, iteration: int | None = None) -> HTMLResponse:
        """The next pair that a person has not labelled, without anything that tells which response is called better."""
        index, annotations = self._run(run), self._annotations[run]
        numbers = index.iterations()
        number = iteration if iteration in numbers else (numbers[-1] if numbers else None)
        if number is None:
            return self._page(
                "annotate.html",
                run=run,
                number=None,
                pair=None,
                agreement=[],
                done=0,
                of=0,
                folder=annotations.folder,
                numbers=[],
            )
        round_ = annotations.round(number)
        left = [one for one in round_ if (number, one) not in annotations.labels]
        pair = annotations.pair(number, left[0]) if left else None
        sides = None if pair is None else _sides(pair)
        return self._page(
            "annotate.html", run=run, number=number, pair=pair, images=images_of(pair) if pair else (), folder=annotations.folder,
            shown=None if sides is None else sides[::-1] if pair and turned(pair["id"]) else sides,
            agreement=annotations.agreement(number) if not left else [], done=len(round_) - len(left), of=len(round_),
            numbers=numbers,
        )  # fmt: skip

    def label(self, run: int, iteration: int, pair_id: str, choice: Annotated[str, Form()]) -> Response:
        """Store a person's choice, and show the next pair."""
        self._run(run)
        pair = self._annotations[run].pair(iteration, pair_id)
        if pair is None or choice not in get_args(Choice):
            raise HTTPException(404 if pair is None else 422, "there is no such pair or choice")
        self._annotations[run].add(iteration, pair, choice)  # type: ignore[arg-type]
        return RedirectResponse(f"{self._root}/annotate/{run}?iteration={iteration}", 303)

    def take_back(self, run: int, iteration: int) -> Response:
        """Forget a person's last choice, and ask again."""
        self._run(run)
        self._annotations[run].take_back(iteration)
        return RedirectResponse(f"{self._root}/annotate/{run}?iteration={iteration}", 303)

    def image(self, run: int, media: str, sha256: str, small: bool = False) -> Response:
        """An image of a run, or a small copy for a list."""
        index = self._run(run)
        media_type = f"image/{media}"
        if media_type not in _BROWSER_TYPES or len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise HTTPException(404, "there is no such image")
        try:
            data = ImageStore(index.run / "images").get(ImageRef(sha256=sha256, media_type=media_type, width=1, height=1))
            if small:
                media_type, data = "image/jpeg", thumbnail(data, _SMALL)
        except (RunError, BadImage):
            raise HTTPException(404, "the image is gone or damaged") from None
        return Response(data, media_type=media_type, headers={"Cache-Control": "private, max-age=86400"})


def _wanted(given: Mapping[str, str]) -> Wanted:
    values = {name: given[name] for name in FILTERS if given.get(name)}
    low, high = (int(text) if _NUMBER.fullmatch(text := given.get(name, "")) else None for name in ("low", "high"))
    text, traces = given.get("q", "")[:200].strip(), given.get("traces") == "true"
    return Wanted(values=values, text=text, traces=traces, margins=(low, high), sort=given.get("sort", "newest"))


def _query(wanted: Wanted, **more: Any) -> str:
    """The query of an address that asks for these cases."""
    low, high = wanted.margins
    own = {"q": wanted.text or None, "traces": "true" if wanted.traces else None, "low": low, "high": high}
    own["sort"] = None if wanted.sort == "newest" else wanted.sort
    return urlencode({**wanted.values, **{name: value for name, value in own.items() if value is not None}, **more})


def _sides(pair: Row | None) -> tuple[Any, Any] | None:
    """Both responses in pieces that the other one has or has not."""
    return None if pair is None else marked(visible(pair["chosen"], _LONGEST), visible(pair["rejected"], _LONGEST))


def _p_better(row: Row) -> float | None:
    """The probability that a reply gives the better response."""
    return Order(row["order"]).of_chosen(row["probability"])


def _styles() -> Response:
    """The style of the report, and what only the viewer has."""
    parts = [files("selfjudge.report") / "templates" / name for name in ("page.css", "curve.css")]
    sheet = "".join(part.read_text() for part in [*parts, files("selfjudge.view") / "static" / "own.css"])
    return Response(sheet, media_type="text/css", headers={"Cache-Control": "private, max-age=3600"})


def create_app(runs: Sequence[RunIndex], key: str) -> FastAPI:
    """The viewer of one or two runs, under `/KEY`."""
    pages = Pages(runs, f"/{key}")
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, default_response_class=HTMLResponse)
    app.get("/")(pages.overview)
    app.get("/status/{run}")(pages.status)
    app.get("/pairs")(pages.pairs)
    app.get("/prompt/{run}/{prompt_id}")(pages.prompt)
    app.get("/bench")(pages.bench)
    app.get("/item")(pages.item)
    app.get("/annotate/{run}")(pages.annotate)
    app.post("/annotate/{run}/{iteration}/{pair_id}")(pages.label)
    app.post("/annotate/{run}/{iteration}")(pages.take_back)
    app.get("/image/{run}/{media}/{sha256}")(pages.image)
    app.get("/static/view.css")(_styles)
    app.mount("/static", StaticFiles(directory=str(files("selfjudge.view") / "static")))
    return guarded(app, key)
