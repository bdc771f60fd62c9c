"""Training that is killed goes on from its last whole checkpoint, and ends as if it had never stopped."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from trl import SFTTrainer

from runs import training
from selfjudge.errors import TrainerError
from selfjudge.trainers import checkpoints
from selfjudge.trainers.local import LocalTrainer
from trainers.children import EVERY_STEP, started, train, train_without_room
from trainers.fitting import IMAGES, MODEL, digest, example

pytestmark = pytest.mark.slow


def train_and_die(into: Path, die_at: int, changes: dict[str, object]) -> None:
    process = started(train, into, die_at=die_at, **changes)
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("changes", "die_at"),
    [({}, 16), ({}, 36), ({"lora": {"dropout": 0.2}, "schedule": "cosine"}, 28)],
    ids=["in the first epoch", "in the second", "with LoRA, whose dropout is random"],
)
def test_killed_and_started_again_training_ends_with_the_same_weights_and_losses(
    tmp_path: Path, changes: dict[str, object], die_at: int
):
    undisturbed = train(tmp_path / "undisturbed/judge", **changes)
    train_and_die(tmp_path / "killed/judge", die_at, changes)
    whole = checkpoints.latest(tmp_path / "killed/work")
    assert whole is not None
    resumed = train(tmp_path / "killed/judge", **changes)
    assert resumed == undisturbed
    assert digest(tmp_path / "killed/judge") == digest(tmp_path / "undisturbed/judge")


def test_a_checkpoint_that_was_not_finished_is_not_used(tmp_path: Path):
    train(tmp_path / "judge")
    whole = checkpoints.latest(tmp_path / "work")
    half = whole.with_name("checkpoint-99")
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    assert checkpoints.latest(tmp_path / "work") == whole
    checkpoints.mark(whole)
    assert list((tmp_path / "work").glob("checkpoint-*")) == [whole]


def test_the_examples_before_a_checkpoint_are_reported_as_learned(tmp_path: Path):
    train_and_die(tmp_path / "judge", 28, {})
    told: list[int] = []
    trainer = LocalTrainer(*training(**EVERY_STEP), read_image=lambda ref: IMAGES[ref.sha256])
    examples = [example(i) for i in range(20)]
    trainer.fit(examples, start=MODEL, into=tmp_path / "judge", work=tmp_path / "work", seed=7, advance=told.append)
    assert told[0] + told[1] >= 20 and sum(told) == 40


def test_a_loss_that_is_no_number_ends_training_at_once_and_leaves_no_checkpoint_behind(tmp_path: Path):
    with pytest.raises(TrainerError, match="loss is NaN or infinite at step 2"):
        train(tmp_path / "judge", learning_rate=1e30, max_grad_norm=1e30)
    assert checkpoints.latest(tmp_path / "work") is None
    assert train(tmp_path / "judge").steps == 6


def test_checkpoints_that_hold_folders_as_deepspeeds_do_are_whole_and_are_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    undisturbed = train(tmp_path / "undisturbed/judge")
    save = SFTTrainer._save_checkpoint

    def with_folder(self: SFTTrainer, *args: Any) -> None:
        save(self, *args)
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}" / f"global_step{self.state.global_step}"
        folder.mkdir()
        (folder / "zero_pp_rank_0_optim_states.pt").write_bytes(b"states")

    monkeypatch.setattr(SFTTrainer, "_save_checkpoint", with_folder)
    with pytest.raises(TrainerError, match="power cut"):
        train(tmp_path / "cut/judge", fail_at=28)
    assert list(checkpoints.latest(tmp_path / "cut/work").glob("global_step*/*.pt"))
    assert train(tmp_path / "cut/judge") == undisturbed
    assert digest(tmp_path / "cut/judge") == digest(tmp_path / "undisturbed/judge")


@pytest.mark.parametrize("room", [100_000, 7_000_000], ids=["for half the weights", "for the weights and half the optimiser"])
def test_a_full_disk_while_saving_is_said_so_and_the_same_command_goes_on_once_there_is_room(tmp_path: Path, room: int):
    process = started(train_without_room, tmp_path, room)
    process.join()
    assert process.exitcode == 0
    assert checkpoints.latest(tmp_path / "work") is None
    assert train(tmp_path / "judge").steps == 6
