"""A judge as a reward: for TRL, for verl, and for the best of several samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import Dataset
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
from trl import GRPOConfig, GRPOTrainer

from selfjudge import Judge
from selfjudge.chat import Completion, Request
from selfjudge.errors import EngineError, InputError
from selfjudge.export.formats import FORMATS
from selfjudge.hub.models import embedded_model
from selfjudge.recipe.experiment import Judging
from selfjudge.rewards import JudgeReward, best_of, compute_score, reward
from selfjudge.run.cards import judging_of
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


def png(color: str) -> bytes:
    out = BytesIO()
    Image.new("RGB", (8, 8), color).save(out, "PNG")
    return out.getvalue()


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


def test_a_turn_without_content_is_an_empty_response():
    said = [[{"role": "assistant", "content": content}] for content in (None, "a")]
    assert JudgeReward(longer())(["p", "p"], said) == [0.0, 1.0]


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


def test_what_went_wrong_with_comparisons_is_logged_with_its_count(caplog: pytest.LogCaptureFixture):
    given = ["gone.png"] * 3 + ["other.png"] * 2
    assert JudgeReward(longer())(["p"] * 5, list("abcde"), image=given) == [None] * 5
    assert "4 of 4 comparisons were not judged, 3 of them: image_missing: " in caplog.text and "several" not in caplog.text
    caplog.clear()
    assert JudgeReward(longer(Silent()))(["p"] * 2, ["a", "b"]) == [None] * 2
    assert "no reward to any of 2 responses: no_verdict" in caplog.text


def test_a_number_of_comparisons_that_is_none_is_an_error_at_once():
    with pytest.raises(InputError, match="`comparisons` is 2.5"):
        JudgeReward(longer(), comparisons=2.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(("prompts", "images"), [(["p"], None), (["p", "p"], [[]]), ([], None)])
def test_a_completion_without_a_prompt_or_images_of_its_own_is_an_error(prompts: list[str], images: Any):
    with pytest.raises(InputError, match=f"{len(prompts)} prompts, 2 completions") as error:
        JudgeReward(longer())(prompts, ["a", "bb"], images=images)
    assert "one length" in str(error.value.hint)


def test_pictures_may_be_as_data_sets_store_them():
    stored = [{"bytes": png(color), "path": "x.png"} for color in ("red", "red", "blue", "blue")]
    for images in (stored, [[one] for one in stored]):
        assert JudgeReward(longer())(["p"] * 4, ["a", "aa", "aaa", "aaaa"], images=images) == [0.0, 1.0, 0.0, 1.0]


def test_the_export_for_verl_has_what_its_reward_asks_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    seen: list[Any] = []

    class Seeing(Longer):
        def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
            asked = list(requests)
            seen.extend(request.messages[0].content for request in asked)
            return super().generate(asked)

    judge = Judge(Seeing(), template="{images}A:{first}\nB:{second}")
    monkeypatch.setattr(reward, "_judge_of_environment", lambda: judge)
    pair = {"prompt": "How many?", "chosen": "two", "rejected": "three", "kind": "closed", "id": "x", "iteration": 1}
    made = FORMATS["verl"].record(pair, [{"bytes": png("red"), "path": "x.png"}])
    Dataset.from_list([made]).to_parquet(str(tmp_path / "x.parquet"))
    [row] = pq.read_table(tmp_path / "x.parquet").to_pylist()
    assert row["extra_info"]["question"] == "How many?"
    said = compute_score(row["data_source"], "a longer one", row["reward_model"]["ground_truth"], row["extra_info"])
    assert said == {"score": 1.0, "unread": 0.0, "lost": 0.0} and all(not isinstance(shown[0], str) for shown in seen)


def test_the_best_of_several_samples_is_chosen():
    assert best_of(lambda k: "a" * (1 + k % 5), longer(), [], "p", n=8) == "aaaaa"


def test_verl_gets_the_chance_to_beat_the_reference(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reward, "_judge_of_environment", longer)
    assert compute_score("selfjudge", "aaa", "a", {"question": "p"}) == {"score": 1.0, "unread": 0.0, "lost": 0.0}
    assert compute_score("selfjudge", "a", "aaa", {"question": "p"})["score"] == 0.0
    with pytest.raises(InputError, match="question"):
        compute_score("selfjudge", "a", "aaa")


class Silent(Longer):
    """An engine that gives no verdict, or no answer at all."""

    def __init__(self, error: str | None = None) -> None:
        super().__init__()
        self._error = error

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            said = Completion(key=request.key, text="hm", finish=Finish.STOP, prompt_tokens=1, completion_tokens=1)
            yield said if self._error is None else Completion.failed(request.key, self._error)


def test_verl_is_told_an_unread_verdict_from_a_lost_request_and_many_of_these_end_training(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reward, "_lost", [])
    unread, lost, judge = longer(Silent()), longer(Silent("the line is down")), longer()
    monkeypatch.setattr(reward, "_judge_of_environment", lambda: judge)
    for judge, expected in [(unread, (1.0, 0.0)), *[(lost, (0.0, 1.0))] * 7, (unread, (1.0, 0.0)), *[(lost, (0.0, 1.0))] * 7]:
        said = compute_score("selfjudge", "aaa", "a", {"question": "p"})
        assert (said["score"], said["unread"], said["lost"]) == (0.0, *expected)
    with pytest.raises(EngineError, match="the line is down"):
        compute_score("selfjudge", "aaa", "a", {"question": "p"})


def test_verl_without_a_judge_is_told_how_to_name_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SELFJUDGE_JUDGE", raising=False)
    reward._judge_of_environment.cache_clear()
    with pytest.raises(InputError, match="SELFJUDGE_JUDGE is not set"):
        compute_score("selfjudge", "a", "aaa", {"question": "p"})


def test_a_judge_behind_a_server_is_asked_with_the_prompt_of_its_folder(monkeypatch: Any, caplog: pytest.LogCaptureFixture):
    monkeypatch.setenv("SELFJUDGE_JUDGE_URL", "http://127.0.0.1:9/v1")
    for name, template in ((str(embedded_model()), judging_of(embedded_model()).template), ("photos-4", Judging().template)):  # type: ignore[union-attr]
        monkeypatch.setenv("SELFJUDGE_JUDGE", name)
        reward._judge_of_environment.cache_clear()
        with reward._judge_of_environment() as judge:
            assert judge._template == template
    reward._judge_of_environment.cache_clear()
    assert [name in caplog.text for name in (str(embedded_model()), "photos-4 is asked with the default prompt")] == [False, True]


class Watched(JudgeReward):
    """Remembers what it gave."""

    def __call__(self, *args: Any, **options: Any) -> list[float | None]:
        self.given = super().__call__(*args, **options)
        return self.given


STEP: dict[str, Any] = {
    "max_steps": 1,
    "use_cpu": True,
    "bf16": False,
    "report_to": "none",
    "save_strategy": "no",
    "disable_tqdm": True,
}


def rows() -> Dataset:
    prompt = turns("user", "describe the image")
    return Dataset.from_list([{"prompt": prompt, "image": Image.new("RGB", (48, 48), color)} for color in ("red", "blue")])


def grpo(reward: JudgeReward, folder: str) -> GRPOTrainer:
    arguments = GRPOConfig(
        output_dir=folder, per_device_train_batch_size=4, num_generations=4, max_completion_length=8, temperature=2.0, **STEP
    )
    return GRPOTrainer(model=str(embedded_model()), reward_funcs=reward, args=arguments, train_dataset=rows())


def online_dpo(reward: JudgeReward, folder: str) -> Any:
    from trl.experimental.online_dpo import OnlineDPOConfig, OnlineDPOTrainer

    model = str(embedded_model())
    return OnlineDPOTrainer(
        model=AutoModelForImageTextToText.from_pretrained(model),
        processing_class=AutoProcessor.from_pretrained(model),
        reward_funcs=reward,
        args=OnlineDPOConfig(output_dir=folder, per_device_train_batch_size=2, max_new_tokens=8, **STEP),
        train_dataset=rows(),
    )


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("trainer", [grpo, online_dpo])
def test_trl_trains_a_step_with_the_reward_about_images(trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    reward = Watched(longer())
    trainer(reward, str(tmp_path)).train()
    assert len(reward.given) == 4 and all(one is not None and 0 <= one <= 1 for one in reward.given)
