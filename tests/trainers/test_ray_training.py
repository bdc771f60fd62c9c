"""Training on a Ray cluster: the losses are those of one process, and what goes wrong there is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.clusters import nodes
from runs import training
from selfjudge.errors import TrainerError
from selfjudge.ports import Fit
from selfjudge.run.folder import ImageStore
from selfjudge.trainers.ray import RayTrainer
from trainers.fitting import IMAGES, MODEL, REFS, example, fit

pytestmark = pytest.mark.ray

SHAPE = {"learning_rate": 1e-3, "epochs": 2, "batch_size": 8, "device_batch_size": 4}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with nodes(cpus=3) as started:
        yield started.address


def train(folder: Path, address: str, told: list[int], **changes: object) -> Fit:
    examples = [example(i) for i in range(11)]
    images = ImageStore(folder / "images")
    for sha256, data in IMAGES.items():
        images.put(REFS[sha256], data)
    (folder / "work").mkdir()
    recipe, settings = training(**{**SHAPE, "launcher": "ray", **changes})
    trainer = RayTrainer(recipe, settings, images=images, address=address)
    return trainer.fit(examples, start=MODEL, into=folder / "judge", work=folder / "work", seed=7, advance=told.append)


def test_two_workers_have_the_losses_of_one_process_with_the_same_batch(address: str, tmp_path: Path):
    told: list[int] = []
    together = train(tmp_path, address, told, processes=2)
    assert together.losses == pytest.approx(fit(tmp_path / "alone", count=11).losses, abs=2e-3)
    assert sum(told) == 22 and (tmp_path / "judge/model.safetensors").exists()


def test_what_goes_wrong_in_a_worker_is_the_error(address: str, tmp_path: Path):
    with pytest.raises(TrainerError, match="loss is NaN or infinite"):
        train(tmp_path, address, [], learning_rate=1e30, max_grad_norm=1e30)


def test_more_workers_than_there_is_room_for_are_refused(address: str, tmp_path: Path):
    with pytest.raises(TrainerError, match="no room for 8 processes"):
        train(tmp_path, address, [], processes=8, device_batch_size=1)
