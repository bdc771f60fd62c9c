"""Requests that failed: asked again on demand, in sealed tables too, with exactly what depends on them made anew; and told."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from PIL import Image
from typer.testing import CliRunner

from engines.serving import Asked, closed, half, raw, refusal, reply, serving, silent
from runs import digests, no_progress, scripted_recipe
from selfjudge.chat import Completion, Request
from selfjudge.cli import app
from selfjudge.engines import endpoint
from selfjudge.engines.openai import OpenAIEngine
from selfjudge.errors import RunError
from selfjudge.loop import run
from selfjudge.measure.evaluate import Asking, evaluate
from selfjudge.measure.judges import find_contestant
from selfjudge.ports import Advance, Engine, Fit
from selfjudge.recipe.inputs import ShapesBench
from selfjudge.run.disk import read_json, write_checked
from selfjudge.run.failures import failures, told, too_many
from selfjudge.run.folder import RunFolder
from selfjudge.run.tables import JUDGMENTS
from selfjudge.trainers.scripted import ScriptedTrainer
from selfjudge.types import Finish, content_id
from selfjudge.wiring import make_world

Fails = Callable[[Request], bool]


class Power(Exception):
    """The power goes off."""


class Moody:
    """An engine that fails some requests, notes all, and is gone after so many."""

    def __init__(self, engine: Engine, fails: Fails, asked: Counter[str], lifetime: int) -> None:
        self.block = engine.block
        self._engine, self._fails, self._asked, self._lifetime = engine, fails, asked, lifetime

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            if sum(self._asked.values()) == self._lifetime:
                raise Power
            self._asked[request.key] += 1
            [completion] = self._engine.generate([request])
            if self._fails(request):
                completion = replace(completion, text="", finish=Finish.ERROR, error="a bad moment")
            yield completion

    def close(self) -> None:
        self._engine.close()


class Learns(ScriptedTrainer):
    """A judge with other weights for other examples."""

    def fit(self, examples: Any, *, start: Path, into: Path, work: Path, seed: int, advance: Advance) -> Fit:
        fit = super().fit(examples, start=start, into=into, work=work, seed=seed, advance=advance)
        path = into / "model.safetensors"
        learned = content_id([(e.key, e.reply) for e in examples]).encode()
        path.write_bytes(path.read_bytes()[: -len(learned)] + learned)
        return fit


def ran(folder: Path, fails: Fails, *, retry: bool = False, lifetime: int = 10**9) -> tuple[dict[str, Any], Counter[str]]:
    """A run with such an engine: its summary, and how often each key was asked."""
    recipe, place, asked = scripted_recipe(), RunFolder(folder, retry_failed=retry), Counter[str]()
    world = make_world(recipe, place)
    opened = world.open_engine
    world = replace(world, trainer=Learns(), open_engine=lambda model: Moody(opened(model), fails, asked, lifetime))
    state = run(recipe, place, world, progress=no_progress, on_iteration=lambda state: None)
    return state, asked


def never(request: Request) -> bool:
    return False


def some(request: Request) -> bool:
    return request.seed % 12 == 0


def some_verdicts(request: Request) -> bool:
    return some(request) and "_first." in request.key


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digests of a run in which nothing failed."""
    folder = tmp_path_factory.mktemp("sound")
    ran(folder, never)
    return digests(folder)


@pytest.mark.slow
@pytest.mark.parametrize("fails", [some, some_verdicts])
def test_what_failed_is_asked_again_and_all_that_depends_on_it_is_made_anew(
    tmp_path: Path, sound: dict[str, str], fails: Fails, caplog: pytest.LogCaptureFixture
):
    state, _ = ran(tmp_path, fails)
    assert digests(tmp_path) != sound and state["iterations"][1]["failures"]["judge"]["failed"] > 0
    state, _ = ran(tmp_path, never, retry=True)
    assert digests(tmp_path) == sound
    assert not any(found["failed"] for entry in state["iterations"] for found in entry["failures"].values())
    assert "failed requests are asked again" in caplog.text
    assert ran(tmp_path, never)[1].total() == 0


def test_nothing_that_did_not_fail_is_asked_again_before_it_depends_on_what_did(tmp_path: Path):
    _, first = ran(tmp_path, some_verdicts)
    failed = [key for key in first if "_first." in key]
    _, again = ran(tmp_path, never, retry=True)
    assert failed and not any(".sample." in key or ".response" in key for key in again)


@pytest.mark.slow
@pytest.mark.parametrize("lifetime", [0, 1, 30, 60, 90, 150])
def test_a_retry_that_is_killed_is_finished_by_the_plain_command(tmp_path: Path, sound: dict[str, str], lifetime: int):
    ran(tmp_path, some)
    with pytest.raises(Power):
        ran(tmp_path, never, retry=True, lifetime=lifetime)
    ran(tmp_path, never, retry=True)
    assert digests(tmp_path) == sound
    ran(tmp_path, never)
    assert digests(tmp_path) == sound


def test_once_a_retry_has_begun_the_plain_command_meets_no_dead_end(tmp_path: Path):
    ran(tmp_path, some)
    with pytest.raises(Power):
        ran(tmp_path, never, retry=True, lifetime=100)
    state, _ = ran(tmp_path, never)
    assert state["stopped"] == "all iterations are done"


def test_what_failed_in_a_table_that_is_not_whole_yet_is_asked_again_too(tmp_path: Path, sound: dict[str, str]):
    with pytest.raises(Power):
        ran(tmp_path, some, lifetime=400)
    _, asked = ran(tmp_path, never, retry=True)
    assert digests(tmp_path) == sound and max(asked.values()) <= 3


def test_what_fails_again_leaves_everything_as_it_was(tmp_path: Path):
    ran(tmp_path, some)
    before = digests(tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("judge.manifest.json")}
    ran(tmp_path, some, retry=True)
    assert digests(tmp_path) == before and {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_where_nothing_failed_nothing_is_asked_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    ran(tmp_path, never)
    assert ran(tmp_path, never, retry=True)[1].total() == 0
    assert "no failed requests were asked again" in caplog.text


def test_a_base_that_was_changed_is_still_an_error(tmp_path: Path):
    ran(tmp_path, some)
    manifest = tmp_path / "iteration-1/responses.manifest.json"
    told = read_json(manifest)
    told["identity"]["inputs"]["open_model"] = "another"
    write_checked(manifest, told)
    with pytest.raises(RunError, match=r"inputs\.open_model"):
        ran(tmp_path, never, retry=True)


def test_a_measurement_asks_again_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import selfjudge.measure.evaluate

    opened, asked = selfjudge.measure.judges.open_baseline, Counter[str]()
    fails: list[Fails] = [some]

    def moody(name: str) -> Engine:
        return Moody(opened(name), fails[0], asked, 10**9)

    def measured(*, retry: bool = False, samples: int = 1) -> dict[str, Any]:
        benches, place = [ShapesBench(name="shapes-bench", pairs=100)], RunFolder(tmp_path, retry_failed=retry)
        asking = Asking(samples=samples)
        return evaluate(find_contestant("longer", place), benches, place, asking=asking, progress=no_progress)[0].as_json()

    monkeypatch.setattr(selfjudge.measure.judges, "open_baseline", moody)
    failures = measured()["failures"]
    assert failures["requests"] == 200 and failures["failed"] > 0.02
    assert failures["reasons"] == {"a bad moment": round(failures["failed"] * 200)}
    fails[0] = never
    asked.clear()
    assert measured()["failures"] == failures and not asked
    assert measured(retry=True)["failures"]["failed"] == 0
    assert asked.total() == round(failures["failed"] * 200)
    measured(retry=True, samples=2)  # is stored beside it
    assert measured()["failures"]["failed"] == 0


def test_thirty_blocked_neighbours_are_rows_and_the_measurement_ends_with_3_and_says_why(tmp_path: Path):
    def rule(asked: Asked) -> Any:
        return refusal(400, "blocked by the filter") if 20 <= asked.number < 50 else "[[A]]"

    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    pairs = [{"prompt": f"{i}?", "image": "x.png", "chosen": "yes", "rejected": "no"} for i in range(60)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    options = ["evaluate", "--judge", "openai:m", "--benchmark", str(tmp_path / "pairs.jsonl"), "--dir", str(tmp_path / "run")]
    with serving(rule) as server:
        first = CliRunner().invoke(app, [*options, "--base-url", server.url])
        again = CliRunner().invoke(app, [*options, "--base-url", server.url, "--retry-failed"])
    assert first.exit_code == 3 and "evaluate pairs: of 120 requests, 30 failed (30 x 400: blocked by the filter)" in first.stderr
    assert again.exit_code == 0, (again.stderr, again.exception)
    assert "--retry-failed, which asks the failed requests again" in first.stderr and len(server.asked) == 150
    assert again.exit_code == 0, again.stderr


async def bomb(request: web.Request) -> web.StreamResponse:
    return web.Response(body=gzip.compress(bytes(2**26), 1), headers={"Content-Encoding": "gzip"})


MANNERS: dict[str, tuple[Any, str]] = {
    "null message": (raw(b'{"choices":[{"finish_reason":"content_filter: X","message":null}]}'), "blocked the reply"),
    "no choices": (raw(b'{"choices":[]}'), "blocked the reply"),
    "filter": (reply("I", "SAFETY"), "blocked the reply"),
    "flagged": (refusal(403, "Your input was flagged"), "403: Your input was flagged"),
    "dead": (refusal(500, "worker died"), "500: worker died"),
    "closed": (closed, "the connection broke"),
    "half": (half, "the connection broke"),
    "page": (raw(b"<html>502"), "the reply is not JSON"),
    "silent": (silent, "no reply within 0.3 seconds"),
    "odd end": (reply("x", "whatever"), 'finish_reason "whatever"'),
    "error inside": (raw(b'{"error":{"message":"upstream is gone","code":502}}'), "upstream is gone"),
    "bomb": (bomb, "longer than"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MANNERS)
def test_whatever_a_server_does_to_thirty_neighbours_the_measurement_ends_with_3_and_says_why(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    answer, words = MANNERS[name]
    bad = {f"item{i}?" for i in range(10, 25)}

    def rule(asked: Asked) -> Any:
        return answer if bad & set(asked.text.split()) else "[[A]]"

    monkeypatch.setattr(OpenAIEngine, "first_pause", 0.01)
    monkeypatch.setattr(endpoint, "_LONGEST_REPLY", 2**20)
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    pairs = [{"prompt": f"item{i}? ", "image": "x.png", "chosen": "yes", "rejected": "no"} for i in range(40)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    words_of = ["evaluate", "--judge", "openai:m", "--benchmark", str(tmp_path / "pairs.jsonl"), "--dir", str(tmp_path / "run")]
    settings = {"retries": 1, "concurrency": 4, "timeout_seconds": 0.3 if answer is silent else 10}
    changes = [word for key, value in settings.items() for word in ("--set", f"execution.engine.{key}={value}")]
    with serving(rule) as server:
        done = CliRunner().invoke(app, [*words_of, "--base-url", server.url, *changes, "--name", "mine"])
    assert done.exit_code == 3, (done.stderr, done.exception)
    assert "evaluate pairs: of 80 requests, 30 failed" in done.stderr and words in " ".join(done.stderr.split())
    assert "judged by mine" in done.stdout


def test_a_reply_that_was_cut_off_and_whose_letter_failed_counts_once():
    class Judgments:
        kind = JUDGMENTS

        def counts(self, *_: str) -> Counter[Any]:
            return Counter({("cut_off", "a bad moment", None): 60, ("cut_off", None, None): 40, (None, None, None): 900})

    found = failures(Judgments())
    assert (found["failed"], found["cut_off"]) == (0.06, 0.04) and not too_many({"judgments": found})


def test_more_than_a_tenth_is_too_much_and_the_line_says_why():
    def found(failed: float, cut_off: float) -> dict[str, Any]:
        return {"requests": 1_000, "failed": failed, "cut_off": cut_off, "reasons": {"a": 7} if failed else {}}

    stages = {"fine": found(0.1, 0.0), "failed": found(0.11, 0.0), "cut": found(0.0, 0.2), "both": found(0.06, 0.05)}
    assert list(too_many(stages)) == ["failed", "cut", "both"]
    assert told(stages["both"]) == "of 1,000 requests, 60 failed (7 x a) and 50 were cut off at their longest"
