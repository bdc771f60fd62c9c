"""Training by comparison, on the shipped model: a right reply becomes likelier than a wrong one, and nothing else is new."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from runs import training
from selfjudge.ports import Example, Fit
from selfjudge.run.folder import ImageStore
from selfjudge.trainers.examples import Examples
from selfjudge.trainers.job import Job
from selfjudge.trainers.launched import AccelerateTrainer
from selfjudge.trainers.local import LocalTrainer, TrainingTask
from trainers.fitting import IMAGES, MODEL, digest, example

WRONG = "one (A) or two (B)? I see two (B). [[B]]"


def compared(count: int = 16, against: str | None = WRONG) -> list[Example]:
    """Examples with a reply to be told from; without `against`, the reply itself."""
    return [replace(one, rejected=against or one.reply) for one in map(example, range(count))]


def fit(into: Path, examples: list[Example], **changes: object) -> Fit:
    plain = {"kind": "dpo", "learning_rate": 1e-4, "epochs": 4, "batch_size": 8, "device_batch_size": 4}
    recipe, settings = training(**{**plain, **changes})
    trainer = LocalTrainer(recipe, settings, read_image=lambda ref: IMAGES[ref.sha256])
    work = into.with_name(f"{into.name}.work")
    return trainer.fit(examples, start=MODEL, into=into, work=work, seed=7, advance=lambda n: None)


def log_probability(folder: Path, reply: str) -> float:
    """Of a reply to the first example, summed over its tokens."""
    from transformers import AutoModelForImageTextToText

    shown = [replace(example(0), reply=reply)]
    read = lambda ref: IMAGES[ref.sha256]  # noqa: E731
    material = Examples(shown, model=MODEL, read_image=read, room=0, workers=0)
    batch = material.collate(material.__getitems__([0]))
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    with torch.no_grad():
        loss = model(**batch).loss
    material.close()
    return -float(loss) * int((batch["labels"] != -100).sum())


def lead(folder: Path) -> float:
    return log_probability(folder, example(0).reply) - log_probability(folder, WRONG)


def test_a_right_reply_becomes_likelier_than_a_wrong_one_sooner_than_by_learning_it_alone(tmp_path: Path):
    fit(tmp_path / "dpo", compared())
    fit(tmp_path / "sft", [replace(one, rejected=None) for one in compared()], kind="sft")
    assert lead(tmp_path / "dpo") > max(lead(tmp_path / "sft"), lead(MODEL)) + 1


def test_a_reply_that_stands_against_itself_is_only_learned(tmp_path: Path):
    """The preference term is log 2 whatever the model says, so another beta changes nothing but rounding."""
    before = log_probability(MODEL, example(0).reply)
    near, far = (fit(tmp_path / str(beta), compared(against=None), beta=beta).losses for beta in (5.0, 0.1))
    assert near == pytest.approx(far, abs=1e-3)
    assert log_probability(tmp_path / "0.1", example(0).reply) > before


def test_without_the_weight_of_learning_only_the_difference_is_learned(tmp_path: Path):
    fitted = fit(tmp_path / "judge", compared(), sft_weight=0)
    assert fitted.losses[0] == pytest.approx(0.693, abs=0.01)  # the model is its own reference: log 2
    assert fitted.losses[-1] < 0.5


@pytest.mark.parametrize("sft_weight", [1, 0])
def test_micro_batches_change_the_losses_by_rounding_alone(tmp_path: Path, sft_weight: float):
    """Also where replies are of uneven lengths, and the last step has fewer examples than the others."""
    uneven = [replace(one, reply=one.reply + " one two" * (8 * (i % 4 == 0))) for i, one in enumerate(compared(13))]
    shape = {"epochs": 2, "sft_weight": sft_weight}
    whole, cut = (fit(tmp_path / str(size), uneven, device_batch_size=size, **shape).losses for size in (8, 2))
    assert cut == pytest.approx(whole, abs=2e-3)


def test_lora_has_the_model_without_its_matrices_as_reference(tmp_path: Path):
    fitted = fit(tmp_path / "judge", compared(), sft_weight=0, lora={"dropout": 0.0}, learning_rate=1e-3)
    assert fitted.losses[0] == pytest.approx(0.693, abs=0.01) and fitted.losses[-1] < 0.5


def test_a_training_that_was_cut_off_goes_on_to_the_same_weights(tmp_path: Path):
    class Enough(Exception):
        pass

    def stop(_: int, seen: list[int] = []) -> None:  # noqa: B006
        seen.append(_)
        if sum(seen) > 32:
            raise Enough

    recipe, settings = training(kind="dpo", learning_rate=1e-4, epochs=4, batch_size=8, checkpoint_minutes=0)
    trainer = LocalTrainer(recipe, settings, read_image=lambda ref: IMAGES[ref.sha256])
    for name, advance in (("whole", lambda n: None), ("cut", stop), ("cut", lambda n: None)):
        folders = {"into": tmp_path / name, "work": tmp_path / f"{name}.work"}
        try:
            trainer.fit(compared(), start=MODEL, **folders, seed=7, advance=advance)
        except Enough:
            assert list(folders["work"].glob("checkpoint-*"))
    assert digest(tmp_path / "whole") == digest(tmp_path / "cut")


def test_a_pair_that_is_too_long_on_either_side_is_dropped(tmp_path: Path):
    examples = [replace(one, rejected="one " * 60) if one.key == "3" else one for one in compared(4)]
    assert fit(tmp_path / "judge", examples, max_length=80).dropped == {"3": "too_long"}


@pytest.mark.slow
def test_two_processes_share_the_pairs_also_where_they_are_not_even(tmp_path: Path):
    store = ImageStore(tmp_path / "images")
    for one in compared(13):
        for ref in one.messages[0].images:
            store.put(ref, IMAGES[ref.sha256])
    shape = {"kind": "dpo", "learning_rate": 1e-4, "epochs": 2, "batch_size": 8, "device_batch_size": 4}
    recipe, settings = training(**shape, launcher="accelerate", processes=2)
    trainer = AccelerateTrainer(recipe, settings, images=store)
    fitted = trainer.fit(
        compared(13), start=MODEL, into=tmp_path / "judge", work=tmp_path / "work", seed=7, advance=lambda n: None
    )
    assert fitted.steps == 4 and fitted.losses[-1] < fitted.losses[0]


def test_a_job_for_other_processes_keeps_both_replies(tmp_path: Path):
    recipe, settings = training(kind="dpo")
    task = TrainingTask(recipe=recipe, settings=settings, start=MODEL, into=tmp_path / "judge", work=tmp_path, seed=1)
    job = Job(task=task, images=tmp_path, examples=compared(3), lengths=[1, 2, 3])
    assert Job.read(job.write()).examples == compared(3)


@pytest.mark.parametrize("field", ["beta", "sft_weight"])
def test_a_setting_of_comparing_is_refused_where_nothing_is_compared(field: str):
    with pytest.raises(ValidationError, match=f"{field} belongs to kind: dpo"):
        training(**{field: 0.5})
    assert getattr(training(kind="dpo", **{field: 0.5})[0], field) == 0.5
