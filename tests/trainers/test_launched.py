"""Training in processes of its own: as many as one likes share each batch, and nothing outlives the one that started them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file

from selfjudge.errors import TrainerError
from selfjudge.ports import Fit
from selfjudge.trainers import checkpoints
from trainers.children import started
from trainers.children import train_launched as train

pytestmark = pytest.mark.slow

LOSS_TOLERANCE = 2e-3
"""Of each step's loss, between one process and two: sums are made in another order, and training carries the difference on."""

CONFIGS = sorted(Path("recipes/accelerate").glob("*.yaml"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Fit:
    return train(tmp_path_factory.mktemp("alone"), launcher="process")


def test_two_processes_have_the_losses_of_one_with_the_same_batch(alone: Fit, tmp_path: Path):
    told: list[int] = []
    together = train(tmp_path, processes=2, told=told)
    assert together.steps == alone.steps == 4
    assert together.losses == pytest.approx(alone.losses, abs=LOSS_TOLERANCE)
    assert sum(told) == 22
    assert (tmp_path / "judge/model.safetensors").exists()


def test_what_goes_wrong_in_a_process_is_the_error(tmp_path: Path):
    with pytest.raises(TrainerError, match="loss is NaN or infinite at step 2"):
        train(tmp_path, learning_rate=1e30, max_grad_norm=1e30)


def test_killed_with_all_its_processes_it_goes_on_from_the_last_checkpoint_when_started_again(tmp_path: Path):
    slow = {"epochs": 12, "checkpoint_minutes": 0, "learning_rate": 1e-4}
    process = started(train, tmp_path, **slow)
    while checkpoints.latest(tmp_path / "work") is None:
        assert process.is_alive()
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    while _workers(tmp_path):
        time.sleep(0.05)
    reached = int(checkpoints.latest(tmp_path / "work").name.rpartition("-")[2])
    assert reached < 24
    told: list[int] = []
    resumed = train(tmp_path, told=told, **slow)
    assert resumed.steps == len(resumed.losses) == 24 and sum(told) == 132


def _workers(folder: Path) -> list[int]:
    """Processes whose command names a folder."""
    return [p.pid for p in psutil.process_iter(["cmdline"]) if any(str(folder) in word for word in p.info["cmdline"] or ())]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_shipped_files_are_what_accelerate_takes(path: Path):
    assert str(load_config_from_file(str(path)).distributed_type).endswith(yaml.safe_load(path.read_text())["distributed_type"])


def test_there_are_files_for_fsdp_and_deepspeed():
    assert [path.stem for path in CONFIGS] == ["deepspeed_zero3", "fsdp2"]
