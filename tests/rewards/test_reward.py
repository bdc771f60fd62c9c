"""A judge as a reward: for TRL, for verl, and for the best of several samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from PIL import Image
from trl import GRPOConfig, GRPOTrainer

from selfjudge import Judge
from selfjudge.chat import Completion, Request
from selfjudge.errors import InputError
from selfjudge.hub.models import embedded_model
from selfjudge.rewards import JudgeReward, best_of, compute_score, reward
from selfjudge.types import Finish


class Longer:
    """An engine that prefers the longer response."""

    block = 1

    def __init__(self) -> None:
        self.asked = 0

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            self.asked += 1
            text = "".join(block for block in request.messages[0].content if isinstance(block, str))
            first, second = re.fullmatch(r"A:(.*)\nB:(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
            letter = "A" if len(first) > len(second) else "B"
            yield Completion(key=request.key, text=f"[[{letter}]]", finish=Finish.STOP, prompt_tokens=1, completion_tokens=1)

    def close(self) -> None: ...


def longer(engine: Longer | None = None) -> Judge:
    return Judge(engine or Longer(), template="A:{first}\nB:{second}")


def turns(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


@pytest.mark.parametrize("conversational", [False, True])
def test_a_response_has_the_share_of_its_group_that_it_beats(conversational: bool):
    prompts, completions = ["p"] * 3 + ["q"] * 2, ["a", "aaa", "aa", "b", "bb"]
    if conversational:
        prompts, completions = (
            [turns(role, text) for text in texts] for role, texts in (("user", prompts), ("assistant", completions))
        )  # type: ignore[misc]
    assert JudgeReward(longer())(prompts, completions) == [0.0, 1.0, 0.5, 0.0, 1.0]


def test_groups_of_one_instruction_are_told_apart_by_their_pictures():
    red, blue = (lambda: Image.new("RGB", (8, 8), "red")), (lambda: Image.new("RGB", (8, 8), "blue"))
    images = [red(), red(), blue(), blue()]
    assert JudgeReward(longer())(["p"] * 4, ["a", "aa", "aaa", "aaaa"], image=images) == [0.0, 1.0, 0.0, 1.0]


def test_online_dpo_gets_its_rewards_though_it_repeats_all_prompts_in_turn():
    assert JudgeReward(longer())(["p", "q", "p", "q"], ["a", "bb", "aa", "b"]) == [0.0, 1.0, 1.0, 0.0]


def test_that_no_response_has_a_reward_is_logged(caplog: pytest.LogCaptureFixture):
    assert JudgeReward(longer())(["p", "q"], ["a", "b"]) == [None, None]
    assert "no reward to any of 2 responses" in caplog.text


def test_fewer_comparisons_are_made_where_that_is_asked_for():
    engine = Longer()
    JudgeReward(longer(engine), comparisons=4)(["p"] * 8, ["a" * n for n in range(1, 9)])
    assert engine.asked == 2 * 7  # one less than samples is the least


def test_a_response_that_cannot_be_judged_has_no_reward():
    missing: list[Any] = ["gone.png", "gone.png"]
    assert JudgeReward(longer())(["p", "p"], ["a", "aa"], image=missing) == [None, None]


def test_the_best_of_several_samples_is_chosen():
    assert best_of(lambda k: "a" * (1 + k % 5), longer(), [], "p", n=8) == "aaaaa"


def test_verl_gets_the_chance_to_beat_the_reference(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reward, "_judge_of_environment", longer)
    assert compute_score("selfjudge", "aaa", "a", {"question": "p"}) == 1.0
    assert compute_score("selfjudge", "a", "aaa", {"question": "p"}) == 0.0
    with pytest.raises(InputError, match="question"):
        compute_score("selfjudge", "a", "aaa")


def test_verl_without_a_judge_is_told_how_to_name_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SELFJUDGE_JUDGE", raising=False)
    reward._judge_of_environment.cache_clear()
    with pytest.raises(InputError, match="SELFJUDGE_JUDGE is not set"):
        compute_score("selfjudge", "a", "aaa", {"question": "p"})


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")
def test_trl_trains_a_step_with_the_reward(tmp_path: Path):
    picture = Image.new("RGB", (48, 48), "red")
    rows = [{"prompt": turns("user", "describe the image"), "image": picture} for _ in range(2)]
    rewards: list[float | None] = []

    class Watched(JudgeReward):
        def __call__(self, *args: Any, **options: Any) -> list[float | None]:
            found = super().__call__(*args, **options)
            rewards.extend(found)
            return found

    arguments = GRPOConfig(
        output_dir=str(tmp_path),
        per_device_train_batch_size=4,
        num_generations=4,
        max_completion_length=8,
        max_steps=1,
        use_cpu=True,
        bf16=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = GRPOTrainer(
        model=str(embedded_model()), reward_funcs=Watched(longer()), args=arguments, train_dataset=Dataset.from_list(rows)
    )
    trainer.train()
    assert len(rewards) == 4 and all(one is not None and 0 <= one <= 1 for one in rewards)
