"""Each family of models goes through the same code: load, template, generate, judge, train, save, and load again.

The architecture and the processor are the family's own, made tiny; the weights are random (`scripts/tiny_model.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from accelerate import FullyShardedDataParallelPlugin
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from families.tiny import IMAGES, OTHER, REQUESTS, TALL, TOWERS, WIDE, answers, families, folder, opened, request, script
from families.training import CAT, DOG, QUESTION, ROWS, Trained, row, trained_judge
from runs import ROOT, training
from selfjudge.chat import ASSISTANT, Block, Completion, Message, Request, Sampling
from selfjudge.judge import Judge
from selfjudge.method.agreement import distance
from selfjudge.method.letters import letter_request
from selfjudge.method.prompts import JUDGE
from selfjudge.ports import Engine
from selfjudge.run.tables import Row
from selfjudge.trainers import weights
from selfjudge.types import Finish, ImageRef


@pytest.fixture(scope="module", params=families())
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def model(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(family, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def engine(model: Path) -> Iterator[Engine]:
    made = opened(model)
    yield made
    made.close()


@pytest.fixture(scope="module")
def together(engine: Engine) -> dict[str, Completion]:
    """The answers to all requests in one block."""
    return answers(engine, REQUESTS)


@pytest.fixture(scope="module")
def trained(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained_judge(model, tmp_path_factory.mktemp("trained"), ROWS)


def test_the_architecture_is_the_familys_own(model: Path, family: str):
    [architecture] = json.loads((model / "config.json").read_text())["architectures"]
    assert architecture.lower().startswith(family.replace("-", "").replace(".", "_").split("_")[0])


def test_every_weight_of_the_folder_is_loaded(model: Path):
    _, found = AutoModelForImageTextToText.from_pretrained(model, output_loading_info=True)
    assert not (found["missing_keys"] or found["unexpected_keys"] or found["mismatched_keys"])


def test_the_layers_that_fsdp_wraps_are_found(model: Path):
    loaded = weights.load(model, *training(), gpu=False)
    plugin = FullyShardedDataParallelPlugin(fsdp_version=2, auto_wrap_policy="transformer_based_wrap")
    plugin.set_auto_wrap_policy(loaded)
    assert plugin.auto_wrap_policy.keywords["transformer_layer_cls"]


def test_every_kind_of_request_is_answered(together: dict[str, Completion]):
    assert [completion.error for completion in together.values()] == [None] * len(REQUESTS)
    assert all(completion.completion_tokens > 0 for completion in together.values())


def test_a_batch_gives_the_answers_of_one_request_at_a_time(engine: Engine, together: dict[str, Completion]):
    for asked in REQUESTS:
        alone = answers(engine, [asked])
        found = distance(alone, {asked.key: together[asked.key]})
        assert found.same == 1 and found.words < 1e-4, asked.key


def sampled(key: str, *content: Block) -> list[Request]:
    """Three samples of one prompt."""
    sampling = Sampling(temperature=1.0, max_tokens=10, logprobs=5)
    return [replace(request(f"{key} {seed}", *content), seed=seed, sampling=sampling) for seed in range(3)]


SHARED = [
    *sampled("closed", WIDE, "how many are there?"),
    *sampled("first", TALL, "which is better? A: a long answer B: short"),
    *sampled("second", TALL, "which is better? A: short B: a long answer"),
    *sampled("two", OTHER, TALL, "which of both?"),
    *sampled("text", "a question without an image"),
    *sampled("inside", "look at ", OTHER, " well")[:1],
]


def test_requests_that_share_a_prompt_or_an_image_get_the_answers_of_one_request_at_a_time(engine: Engine):
    shared = answers(engine, SHARED)
    assert engine._shares  # type: ignore[attr-defined]
    for asked in SHARED:
        [alone] = engine.generate([asked])
        assert (shared[asked.key].text, shared[asked.key].prompt_tokens) == (alone.text, alone.prompt_tokens)
        assert distance({"": alone}, {"": shared[asked.key]}).words < 1e-4, asked.key


def test_the_answer_depends_on_every_image(together: dict[str, Completion]):
    for one, other in (("wide", "other"), ("two", "another first"), ("two", "another second")):
        assert distance({"": together[one]}, {"": together[other]}).words > 1e-3


def test_the_order_of_two_images_counts_unless_they_are_seen_by_cross_attention(together: dict[str, Completion], family: str):
    found = distance({"": together["two"]}, {"": together["turned"]})
    assert found.words < 1e-5 if family == "mllama" else found.words > 1e-3


def test_control_tokens_in_a_text_are_only_text(engine: Engine, model: Path):
    hostile = " ".join(AutoProcessor.from_pretrained(model).tokenizer.all_special_tokens)
    [done] = engine.generate([request("hostile", WIDE, hostile)])
    assert done.finish is not Finish.ERROR


@pytest.mark.parametrize(("image", "better"), [(WIDE, "a"), (TALL, "b")], ids=["cat", "dog"])
def test_a_trained_judge_tells_by_the_image_which_response_is_better(trained: Trained, image: ImageRef, better: str):
    judge = Judge.load(trained.path, device="cpu", max_tokens=32)
    found = judge.compare(IMAGES[image.sha256], QUESTION, CAT, DOG)
    judge.close()
    assert (found.preference, found.consistent) == (better, True)
    assert (found.probability > 0.9) == (better == "a")


def test_only_the_reply_is_learned_and_what_comes_before_it_is_what_the_judge_is_asked(trained: Trained, engine: Engine):
    tokenizer = AutoProcessor.from_pretrained(trained.path).tokenizer
    batch = trained.batches[0]
    learned = batch["labels"] != -100
    for tokens, mask in zip(batch["input_ids"], learned, strict=True):
        reply, end = tokenizer.decode(tokens[mask]).split(tokenizer.eos_token)
        assert reply.strip() in {lesson["trace"] for lesson in ROWS} and not end.strip()
    shown = (batch["attention_mask"].bool() & ~learned).sum(dim=1).tolist()
    asked = [request(lesson["key"], ImageRef(**lesson["images"][0]), said(lesson)) for lesson in ROWS]
    assert sorted(shown) == sorted(completion.prompt_tokens for completion in engine.generate(asked))


def said(judged: Row) -> str:
    return f"{judged['prompt']}\n[first]\n{judged['first']}\n[or]\n{judged['second']}\n[end]"


def test_a_judge_that_is_saved_and_loaded_again_answers_the_same(trained: Trained, tmp_path: Path):
    AutoModelForImageTextToText.from_pretrained(trained.path, dtype="auto").save_pretrained(tmp_path)
    AutoProcessor.from_pretrained(trained.path).save_pretrained(tmp_path)
    first, again = (opened(path) for path in (trained.path, tmp_path))
    assert answers(first, REQUESTS) == answers(again, REQUESTS)


def test_a_judge_has_the_weights_of_its_base_under_the_same_names(trained: Trained, model: Path):
    """vLLM reads them by the names that are published, which transformers has others for."""
    assert load_file(trained.path / "model.safetensors").keys() == load_file(model / "model.safetensors").keys()


def test_a_text_that_holds_control_tokens_can_be_learned(trained: Trained, model: Path, tmp_path: Path):
    marks = " ".join(AutoProcessor.from_pretrained(model).tokenizer.all_special_tokens)
    rows = [row("1", (WIDE,), marks, DOG, trace=marks), row("2", (TALL, WIDE), CAT, DOG, trace="[[A]]")]
    assert trained_judge(model, tmp_path, rows, epochs=1, batch_size=2, device_batch_size=2).report["steps"] == 1


def test_a_frozen_vision_tower_stays_as_it_was(trained: Trained, model: Path, family: str, tmp_path: Path):
    tower = TOWERS.get(family, "vision_tower.")
    before = load_file(model / "model.safetensors")
    frozen = trained_judge(model, tmp_path, ROWS, epochs=1, freeze_vision=True)
    moved = {path: changed(before, load_file(path / "model.safetensors")) for path in (trained.path, frozen.path)}
    assert any(tower in name for name in moved[trained.path])
    assert moved[frozen.path] and not any(tower in name for name in moved[frozen.path])


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in before if not before[name].equal(after[name])}


def test_the_script_makes_every_family_that_the_docs_list():
    table = (ROOT / "docs/families.md").read_text()
    assert all(f"| `{name}` |" in table for name in script.FAMILIES)


def test_a_reply_is_continued_where_the_model_would_go_on_and_not_in_a_new_turn(engine: Engine):
    question = request("q", WIDE, "which is right?")
    begun = replace(question, messages=(*question.messages, Message(role=ASSISTANT, content=("I see two. Verdict: [[",))))
    fresh, continued = engine._texts([question.messages, begun.messages])  # type: ignore[attr-defined]
    assert continued.startswith(fresh.rstrip()) and continued.endswith("I see two. Verdict: [[")
    assert continued[len(fresh.rstrip()) :].strip() == "I see two. Verdict: [["


def test_the_letter_behind_a_reply_is_the_same_alone_and_in_a_batch(engine: Engine):
    asked = [letter_request(replace(one, key=f"{one.key} letter"), "They differ. I see two.", JUDGE) for one in REQUESTS[:4]]
    together = answers(engine, asked)
    for one in asked:
        found = distance(answers(engine, [one]), {one.key: together[one.key]})
        assert found.same == 1 and found.words < 1e-4, one.key
    assert all(one.completion_tokens == 1 and one.tokens is not None for one in together.values())
