"""Headers of safetensors files: what they list, and what damaged ones say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from struct import pack

import pytest

from selfjudge.errors import InputError
from selfjudge.hub.models import embedded_model
from selfjudge.run.weights import same_weights, stored_tensors

ROOT = Path(__file__).parent.parent
WEIGHTS = (embedded_model() / "model.safetensors").read_bytes()
DAMAGED = {
    "empty": b"",
    "short": b"\x01",
    "no header": pack("<Q", 2**63) + b"{}",
    "no JSON": pack("<Q", 3) + b"{{{",
    "deep": pack("<Q", 200_000) + b"[" * 200_000,
    "a list": pack("<Q", 2) + b"[]",
    "cut": WEIGHTS[:-1],
    "longer": WEIGHTS + b"x",
    "a pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path, name: str):
    (tmp_path / "model.safetensors").write_bytes(DAMAGED[name])
    for read in (stored_tensors, lambda folder: same_weights(embedded_model(), folder)):
        with pytest.raises(InputError, match="cannot read the weights in .*model.safetensors") as error:
            read(tmp_path)
        assert "copy or download it again" in str(error.value.hint)


def test_a_pipe_or_a_folder_in_the_place_of_weights_is_an_error_and_no_wait(tmp_path: Path):
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="it is a pipe or a device"):
        stored_tensors(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(InputError, match="cannot read the weights"):
        stored_tensors(tmp_path)


def test_a_models_size_is_read_without_torch():
    code = "import sys; from selfjudge.forecast.footprint import footprint; from selfjudge.hub.models import embedded_model"
    code += "; assert footprint(embedded_model()).parameters > 1e6 and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("value", [0.0, float("nan"), []])
def test_odd_tensors_are_compared_by_their_bits(tmp_path: Path, value: float | list[float]):
    import torch
    from safetensors.torch import save_file

    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        save_file({"w": torch.tensor(value)}, tmp_path / name / "model.safetensors")
    assert same_weights(tmp_path / "one", tmp_path / "other")


def test_a_second_copy_of_the_weights_counts_only_where_it_is_the_only_one(tmp_path: Path):
    import torch
    from safetensors.torch import save_file

    save_file({"layers.0": torch.zeros(2)}, tmp_path / "consolidated.safetensors")
    assert stored_tensors(tmp_path).keys() == {"layers.0"}
    save_file({"model.layers.0": torch.zeros(2)}, tmp_path / "model.safetensors")
    assert stored_tensors(tmp_path).keys() == {"model.layers.0"}
