"""Generation on a Ray cluster: the answers of the engine alone, each once, whatever happens to actors and nodes."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from engines.clusters import Mortal, Nodes, nodes, on, replica_processes
from selfjudge.chat import Completion, Message, Request, Sampling
from selfjudge.engines.scripted import ScriptedEngine
from selfjudge.errors import EngineError
from selfjudge.hub.models import embedded_model
from selfjudge.ports import Engine, ReadImage
from selfjudge.recipe.engines import RaySettings, ScriptedSettings, ScriptRule, TransformersSettings
from selfjudge.run.fingerprint import fingerprint
from selfjudge.run.images import admit
from selfjudge.shapes.drawing import draw
from selfjudge.shapes.prompts import png
from selfjudge.shapes.scenes import draw_scene
from selfjudge.types import Finish, ImageRef
from selfjudge.wiring import open_engine, open_replica

pytestmark = pytest.mark.ray

WARM = Sampling(temperature=1.0, max_tokens=24)
ECHO = ScriptedSettings(kind="scripted", rules=(ScriptRule(when="(.+)", replies=("\\1!", "\\1?")),), seconds_per_request=0.02)
BATCHED = TransformersSettings(batch_size=8, device="cpu")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """As many as a replica has: more would round differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    with nodes() as started:
        yield started


def request(key: object, text: str, ref: ImageRef | None = None) -> Request:
    content = (text,) if ref is None else (ref, text)
    return Request(key=str(key), messages=(Message(role="user", content=content),), sampling=WARM, seed=hash(str(key)) >> 1)


def numbered(count: int) -> list[Request]:
    return [
        Request(key=str(i), messages=(Message(role="user", content=(f"n{i}",)),), sampling=WARM, seed=i) for i in range(count)
    ]


def scripted(read_image: ReadImage) -> Engine:
    return ScriptedEngine(ECHO)


class Album:
    """Drawn scenes as images, and how often each was read."""

    def __init__(self, count: int) -> None:
        self._bytes: dict[str, bytes] = {}
        self.reads: list[str] = []
        self.refs = [self._show(i) for i in range(count)]

    def read(self, ref: ImageRef) -> bytes:
        self.reads.append(ref.sha256)
        return self._bytes[ref.sha256]

    def _show(self, seed: int) -> ImageRef:
        scene = draw_scene(random.Random(seed), held_out=True)
        ref, data = admit(png(draw(scene, random.Random(0))), max_pixels=10**6)
        self._bytes[ref.sha256] = data
        return ref


def during(asked: list[Request], engine: Engine, after: int, happen: Callable[[], None]) -> dict[str, Completion]:
    """All answers, by key, each once; something happens after so many of them."""
    done: dict[str, Completion] = {}
    for completion in engine.generate(asked):
        assert completion.key not in done
        done[completion.key] = completion
        if len(done) == after:
            happen()
    assert set(done) == {r.key for r in asked}
    return done


def test_two_nodes_give_the_answers_of_one_engine_even_when_one_of_them_goes(cluster: Nodes, capfd: pytest.CaptureFixture[str]):
    album, other = Album(24), cluster.add()
    asked = [
        Request(key=f"{i}", messages=(Message(role="user", content=(ref, "describe the image")),), sampling=WARM, seed=i)
        for i, ref in enumerate(ref for ref in album.refs for _ in range(4))
    ]
    model = embedded_model()
    alone = open_engine(BATCHED, model, album.read)
    expected = {done.key: done.text for done in alone.generate(asked)}
    album.reads.clear()
    capfd.readouterr()
    with on(cluster, partial(open_engine, BATCHED, model), read_image=album.read, block=8, share=8) as engine:
        done = during(asked, engine, 24, lambda: cluster.pull_the_plug(other))
    differing = [key for key in done if done[key].text != expected[key]]
    assert differing == []
    assert len(album.reads) == len(set(album.reads)) == 24
    said = capfd.readouterr()
    assert len((said.out + said.err).splitlines()) <= 2


def test_a_replica_that_is_killed_costs_only_what_it_had_in_hand(cluster: Nodes):
    def kill() -> None:
        for process in replica_processes():
            process.send_signal(signal.SIGKILL)

    with on(cluster, scripted) as engine:
        done = during(numbered(100), engine, 20, kill)
    assert all(completion.text in (f"n{key}!", f"n{key}?") for key, completion in done.items())


def test_a_request_that_kills_every_replica_fails_alone_with_its_block(cluster: Nodes):
    asked = [request(i, "die" if i == 9 else "live") for i in range(24)]
    with on(cluster, Mortal) as engine:
        done = during(asked, engine, 0, lambda: None)
    failed = {key for key, completion in done.items() if completion.finish is Finish.ERROR}
    assert failed == {"8", "9", "10", "11"} and "died each time" in str(done["9"].error)


def test_where_no_replica_survives_the_first_request_the_engine_is_broken(cluster: Nodes):
    with on(cluster, Mortal) as engine, pytest.raises(EngineError, match="died each time") as error:
        list(engine.generate([request("k", "die")]))
    assert error.value.hint


def test_a_model_that_cannot_be_loaded_is_an_error_that_names_it(cluster: Nodes, tmp_path: Path):
    with (
        on(cluster, partial(open_engine, BATCHED, tmp_path)) as engine,
        pytest.raises(EngineError, match=str(tmp_path)) as error,
    ):
        list(engine.generate(numbered(3)))
    assert "config.json" in str(error.value.hint)


def test_a_replica_answers_with_the_model_that_was_fingerprinted_and_with_no_other(cluster: Nodes, tmp_path: Path):
    model = Path(shutil.copytree(embedded_model(), tmp_path / "model"))
    digest, asked = fingerprint(model), [replace(numbered(1)[0], sampling=WARM)]
    with on(cluster, partial(open_replica, BATCHED, model, digest)) as engine:
        assert [done.finish is Finish.ERROR for done in engine.generate(asked)] == [False]
    (model / "chat_template.jinja").write_text("another's")
    with (
        on(cluster, partial(open_replica, BATCHED, model, digest)) as engine,
        pytest.raises(EngineError, match="was changed while it was loaded") as error,
    ):
        list(engine.generate(asked))
    assert str(model) in str(error.value) and "Put the model back" in str(error.value.hint)


def test_what_nobody_waits_for_is_dropped_and_nothing_is_left_after_closing(cluster: Nodes):
    with on(cluster, scripted) as engine:
        abandoned = engine.generate(numbered(10_000))
        next(abandoned)
        abandoned.close()
        assert len(list(engine.generate(numbered(5)))) == 5
        assert replica_processes()
    for process in replica_processes():
        process.wait(10)


def test_no_room_for_a_replica_is_an_error_that_says_what_there_is(cluster: Nodes):
    with (
        pytest.raises(EngineError, match="1 GPUs: there are 1 nodes with 1 CPUs and 0 GPUs") as error,
        on(cluster, scripted, gpus_per_replica=1),
    ):
        pass
    assert "gpus_per_replica" in str(error.value.hint)


def test_an_address_without_a_cluster_is_an_error():
    recipe = RaySettings(kind="ray", replica=ECHO, address="127.0.0.1:1", gpus_per_replica=0)
    with pytest.raises(EngineError, match="no Ray cluster at 127.0.0.1:1") as error:
        open_engine(recipe, embedded_model(), lambda ref: b"")
    assert "ray start" in str(error.value.hint)
