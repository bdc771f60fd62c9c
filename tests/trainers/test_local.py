"""Fine-tuning with TRL, on the shipped model: it learns the replies, repeats itself exactly, and fails clearly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import OutOfMemoryError
from transformers import Idefics3ForConditionalGeneration, TrainingArguments

from runs import training
from selfjudge.chat import Request, Sampling
from selfjudge.engines.local import TransformersEngine
from selfjudge.errors import TrainerError
from selfjudge.recipe.engines import TransformersSettings
from selfjudge.recipe.execution import TrainerSettings
from selfjudge.run.folder import ImageStore
from selfjudge.trainers import checkpoints
from selfjudge.trainers.examples import Examples
from selfjudge.trainers.launched import AccelerateTrainer
from selfjudge.trainers.local import LocalTrainer, tracker, translated
from trainers.fitting import IMAGES, MODEL, digest, example, fit


def test_the_loss_falls_and_the_folder_loads_with_the_auto_classes(tmp_path: Path):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    short = fit(tmp_path / "short", epochs=1)
    long = fit(tmp_path / "long", epochs=6)
    assert long.steps == 12 and long.loss < short.loss / 2
    assert AutoModelForImageTextToText.from_pretrained(tmp_path / "long").config.model_type == "idefics3"
    assert AutoProcessor.from_pretrained(tmp_path / "long").chat_template


ASKED = "{% if add_generation_prompt %}Assistant:{% endif %}"
TURNS = "{% for message in messages %}{{ message['role'] | capitalize }}:{% for block in message['content'] %}"
TEXTS = "{{ '<image>' if block['type'] == 'image' else ' ' + block['text'] }}{% endfor %}"
TEMPLATES = {
    "the shipped one": ((MODEL / "chat_template.jinja").read_text(), " [[A]]<end_of_utterance>\n"),
    "one that ends no reply": (TURNS + TEXTS + "\n{% endfor %}" + ASKED, " [[A]]<end_of_utterance>"),
    "one that opens a thought": (
        TURNS + TEXTS + "<end_of_utterance>{% endfor %}" + ASKED.replace("Assistant:", "Assistant: think "),
        "[[A]]<end_of_utterance>",
    ),
    "one that writes no replies": (
        TURNS + "{{ 1 / 0 if message['role'] == 'assistant' else '' }}" + TEXTS + "{% endfor %}" + ASKED,
        "[[A]]<end_of_utterance>",
    ),
}


@pytest.mark.parametrize(("template", "learned"), TEMPLATES.values(), ids=TEMPLATES)
def test_a_judge_learns_to_reply_where_it_is_asked_and_to_stop_whatever_its_template(tmp_path: Path, template: str, learned: str):
    model = tmp_path / "model"
    shutil.copytree(MODEL, model)
    (model / "chat_template.jinja").write_text(template)
    shown, read = example(0, reply="[[A]]"), lambda ref: IMAGES[ref.sha256]
    material = Examples([shown], model=model, read_image=read, room=0, workers=0)
    [row] = material.__getitems__([0])
    material.close()
    to_learn = row["labels"][0] != -100
    assert material.processor.tokenizer.decode(row["labels"][0, to_learn]) == learned
    engine = TransformersEngine(str(model), TransformersSettings(device="cpu"), read_image=read)
    asked = Request(key="", messages=shown.messages, sampling=Sampling(temperature=0.0, max_tokens=1), seed=0)
    assert [reply.prompt_tokens for reply in engine.generate([asked])] == [int((~to_learn).sum())]


def test_the_same_seed_trains_the_same_weights(tmp_path: Path):
    for name in ("one", "other"):
        fit(tmp_path / name)
    assert digest(tmp_path / "one") == digest(tmp_path / "other") != digest(MODEL)


def test_a_frozen_vision_tower_stays_as_it_was(tmp_path: Path):
    fit(tmp_path, freeze_vision=True, epochs=1)
    before, after = load_file(MODEL / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed and not any("vision_model" in name for name in changed)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"schedule": "cosine"}, {"schedule": "linear"}, {"epoch_decay": 0.1}])
def test_each_schedule_trains_other_weights(tmp_path: Path, changes: dict[str, object]):
    fit(tmp_path / "default")
    fit(tmp_path / "changed", **changes)
    assert digest(tmp_path / "default") != digest(tmp_path / "changed")


def test_lora_trains_the_language_model_alone_and_leaves_a_whole_model(tmp_path: Path):
    from transformers import AutoModelForImageTextToText

    short = fit(tmp_path / "short", lora={"dropout": 0.0}, epochs=1)
    fit_ = fit(tmp_path / "judge", lora={"dropout": 0.0}, epochs=6)
    assert fit_.loss < short.loss / 2
    before, after = load_file(MODEL / "model.safetensors"), load_file(tmp_path / "judge/model.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed and all(".text_model.layers." in name for name in changed)
    assert AutoModelForImageTextToText.from_pretrained(tmp_path / "judge").config.model_type == "idefics3"


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")  # peft 0.21 asks for it
def test_what_lora_learned_is_there_by_itself_too_for_the_model_that_it_was_learned_over(tmp_path: Path):
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    fit(tmp_path / "judge", lora={}, epochs=1)
    both = PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(MODEL), tmp_path / "judge/adapter")
    merged, saved = both.merge_and_unload().state_dict(), load_file(tmp_path / "judge/model.safetensors")
    assert all(merged[name].equal(saved[name]) for name in saved)
    config = json.loads((tmp_path / "judge/adapter/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] is None and config["target_modules"] == sorted(config["target_modules"])


def test_lora_with_vision_trains_the_tower_too(tmp_path: Path):
    fit(tmp_path / "judge", lora={"vision": True}, epochs=1)
    before, after = load_file(MODEL / "model.safetensors"), load_file(tmp_path / "judge/model.safetensors")
    changed = {name for name in before if not before[name].equal(after[name])}
    assert any("vision_model" in name for name in changed) and not any("lm_head" in name for name in changed)


def test_what_is_too_long_is_dropped_with_a_reason_and_the_rest_is_learned_as_if_alone(tmp_path: Path):
    fitted = fit(tmp_path / "judge", count=12, long=3, max_length=80)
    assert fitted.dropped == dict.fromkeys("012", "too_long")
    alone = fit(tmp_path / "alone", first=3, count=12)
    assert alone.dropped == {} and digest(tmp_path / "judge") == digest(tmp_path / "alone")


def test_where_everything_is_too_long_nothing_is_saved(tmp_path: Path):
    fitted = fit(tmp_path / "judge", count=4, max_length=10)
    assert (fitted.steps, fitted.loss, len(fitted.dropped)) == (0, None, 4) and not (tmp_path / "judge").exists()


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"cache_gib": 0}, {"workers": 0}, {"cache_gib": 20_000 / 2**30, "workers": 1}])
def test_neither_cache_nor_threads_change_what_is_learned(tmp_path: Path, changes: dict[str, object]):
    fit(tmp_path / "default", long=5)
    fit(tmp_path / "changed", long=5, **changes)
    assert digest(tmp_path / "default") == digest(tmp_path / "changed")


def test_micro_batches_change_the_losses_by_rounding_alone(tmp_path: Path):
    whole, cut = (fit(tmp_path / str(size), long=5, device_batch_size=size).losses for size in (8, 2))
    assert cut == pytest.approx(whole, abs=2e-3)


def test_so_it_is_with_models_that_take_no_count_of_tokens_as_qwens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Idefics3ForConditionalGeneration, "accepts_loss_kwargs", False, raising=False)
    whole, cut = (fit(tmp_path / str(size), long=5, device_batch_size=size).losses for size in (8, 2))
    assert cut == pytest.approx(whole, abs=2e-3)


def test_losses_go_to_trackio_where_it_is_installed_unless_the_recipe_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "trackio.py").touch()
    assert tracker(TrainerSettings(report_to="none")) == tracker(TrainerSettings(report_to="tensorboard")) == "none"
    monkeypatch.syspath_prepend(tmp_path)
    assert tracker(TrainerSettings()) == "trackio" and tracker(TrainerSettings(report_to="none")) == "none"


def test_training_sends_nothing_to_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sent: list[object] = []
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("trl.trainer.base_trainer.send_telemetry", lambda *_, **more: sent.append(more))
    fit(tmp_path / "judge", count=2, epochs=1)
    assert not sent


def test_a_process_that_sees_several_gpus_trains_on_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda args: args._n_gpu or 8))
    assert fit(tmp_path / "sft", count=4, epochs=1, batch_size=4).steps == 1


def test_a_judge_caches_keys_and_values_as_the_model_that_it_was_trained_from(tmp_path: Path):
    fit(tmp_path / "judge", count=2, epochs=1)
    was, is_now = (json.loads((folder / "config.json").read_text()) for folder in (MODEL, tmp_path / "judge"))
    assert is_now.get("use_cache", True) is was.get("use_cache", True) is True


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("CUDA out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_where_memory_does_not_suffice_the_hint_names_what_needs_less(error: RuntimeError):
    with pytest.raises(TrainerError) as raised, translated():
        raise error
    assert "device_batch_size" in str(raised.value.hint) and "training.lora" in str(raised.value.hint)


def test_one_example_is_enough_to_train(tmp_path: Path):
    assert fit(tmp_path, count=1, epochs=1).steps == 1


def test_a_loss_that_is_no_number_is_an_error(tmp_path: Path):
    with pytest.raises(TrainerError, match="finite"):
        fit(tmp_path, learning_rate=1e30, epochs=3, max_grad_norm=1e30)


@pytest.mark.parametrize("first", [True, False])
def test_only_the_first_process_deletes_checkpoints_that_may_hold_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
):
    monkeypatch.setattr("selfjudge.trainers.local._Planned.is_world_process_zero", lambda _: first)
    (tmp_path / "judge.work/checkpoint-1").mkdir(parents=True)
    with pytest.raises(TrainerError, match="finite"):
        fit(tmp_path / "judge", learning_rate=1e30, epochs=3, max_grad_norm=1e30)
    assert (tmp_path / "judge.work/checkpoint-1").exists() is not first


def test_a_checkpoint_that_was_deleted_in_part_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "checkpoint-1").mkdir()
    (tmp_path / "checkpoint-1/complete").touch()
    assert checkpoints.latest(tmp_path)
    monkeypatch.setattr("shutil.rmtree", lambda _: None)
    checkpoints.remove(tmp_path)
    assert checkpoints.latest(tmp_path) is None


def test_a_folder_that_is_no_model_is_an_error(tmp_path: Path):
    with pytest.raises(TrainerError) as error:
        fit(tmp_path / "into", start=tmp_path)
    assert error.value.hint


def test_a_tracker_that_is_not_installed_is_an_error_before_a_run_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("selfjudge.recipe.execution.find_spec", lambda name: None)
    with pytest.raises(TrainerError, match="wandb is not installed"):
        LocalTrainer(*training(report_to="wandb"), read_image=lambda ref: b"")


def test_a_file_for_accelerate_that_is_not_there_is_an_error(tmp_path: Path):
    with pytest.raises(TrainerError, match="there is no file .*fsdp2.yaml"):
        AccelerateTrainer(
            *training(launcher="accelerate", accelerate_config=tmp_path / "fsdp2.yaml"), images=ImageStore(tmp_path / "images")
        )
