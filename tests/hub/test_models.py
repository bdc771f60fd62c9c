"""Models by name: the files that are needed, at a commit; each failure of the hub is one sentence with a way out."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from hub_standin import COMMIT, Fault, serving
from runs import digests, run_recipe, scripted_recipe
from selfjudge.errors import InputError, RunError, SelfjudgeError
from selfjudge.hub.models import ModelFolder, embedded_model, find_model
from selfjudge.run.folder import RunFolder
from selfjudge.wiring import make_world

NEEDED = {"README.md", "config.json", "merges.txt", "model-1.safetensors", "tokenizer.model"}
UNUSED = {"original/consolidated.00.pth", "consolidated.safetensors", "pytorch_model.bin", "model-q4.gguf", "onnx/model.onnx"}
UNUSED |= {"flax_model.msgpack", "tf_model.h5", "weights.pth", "training_args.bin", "onnx/model.onnx_data"}


def repository(root: Path, files: set[str], name: str = "org/vlm") -> None:
    for file in files:
        path = root / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.encode())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    repository(tmp_path / "hub", NEEDED | UNUSED)
    return tmp_path / "cache"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(tmp_path / "hub") as endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        yield endpoint


def held(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_model_of_the_hub_is_its_needed_files_at_a_commit(hub: str):
    found = find_model("org/vlm")
    assert found.commit == COMMIT and held(found.path) == NEEDED
    assert find_model(f"org/vlm@{COMMIT}") == found


def test_a_model_without_safetensors_keeps_its_other_weights(tmp_path: Path, hub: str):
    repository(tmp_path / "hub", {"config.json", "pytorch_model.bin", "original/params.json", "model.gguf"}, "org/old")
    found = find_model("org/old")
    assert found.commit == COMMIT and held(found.path) == {"config.json", "pytorch_model.bin"}


def test_the_shipped_model_and_local_folders_are_found_without_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert find_model("shapes") == ModelFolder(path=embedded_model())
    assert find_model(str(tmp_path)) == ModelFolder(path=tmp_path)


def test_a_model_in_the_cache_is_used_when_the_hub_cannot_be_reached(hub: str, monkeypatch: pytest.MonkeyPatch):
    found = find_model("org/vlm")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert find_model("org/vlm") == find_model(f"org/vlm@{COMMIT}") == found
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert find_model("org/vlm") == found


@pytest.mark.parametrize("name", ["runs/none/judge", "./none", "vlm", "org/vlm@", "/none", "org/vlm/x@main", "a b/c"])
def test_what_is_neither_a_folder_nor_a_name_of_the_hub_is_an_error_without_a_request(name: str):
    with pytest.raises(InputError, match="there is no model folder") as error:
        find_model(name)
    assert "org/name@revision" in str(error.value.hint)


def resolving(status: int, code: str = "") -> Fault:
    return lambda path: (status, code) if "/resolve/" in path else None


def asking(status: int, code: str = "") -> Fault:
    return lambda path: (status, code) if path.startswith("/api/") else None


@pytest.mark.parametrize(
    ("name", "fault", "message", "hint"),
    [
        ("org/vlm", resolving(403, "GatedRepo"), "org/vlm is gated: .* its licence (llama3.2)", "ENDPOINT/org/vlm, set HF_TOKEN"),
        ("org/vlm", resolving(401, "GatedRepo"), "org/vlm is gated: .* its licence (llama3.2)", "ENDPOINT/org/vlm, set HF_TOKEN"),
        ("org/none", asking(404, "RepoNotFound"), "the model org/none was not found on the hub", "Check the name"),
        ("org/vlm@v9", lambda path: None, "the model org/vlm at v9 does not exist", "listed at ENDPOINT/org/vlm/commits/main"),
        ("org/vlm", asking(401, "Invalid credentials in Authorization header"), "rejected the access token", "HF_TOKEN"),
        ("org/vlm", resolving(403), "the hub denied access to the model org/vlm", "HF_TOKEN"),
        ("org/vlm", asking(403, "Access to this resource is disabled."), "has disabled access to the model org/vlm", "/org/vlm"),
        ("org/vlm", asking(500), "the hub failed on a request for the model org/vlm (HTTP status 500)", "continues where"),
    ],
)  # fmt: skip
def test_each_failure_of_the_hub_is_one_sentence_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fault: Fault, message: str, hint: str
):
    with serving(tmp_path / "hub", fault=fault, licence="llama3.2") as endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        with pytest.raises(InputError, match=message.replace("(", r"\(").replace(")", r"\)")) as error:
            find_model(name)
    assert hint.replace("ENDPOINT", endpoint) in str(error.value.hint) and "\n" not in str(error.value)


def test_a_rate_limit_is_named_with_how_to_raise_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with serving(tmp_path / "hub", fault=lambda path: (429, "")) as endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        with pytest.raises(InputError, match="the hub limited the rate of requests for the model org/vlm") as error:
            find_model("org/vlm")
    assert "HF_TOKEN" in str(error.value.hint)


def test_a_hub_that_cannot_be_reached_is_named_by_its_address(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="cannot reach the hub at http://127.0.0.1:9 for the model org/vlm") as error:
        find_model("org/vlm")
    assert "HF_ENDPOINT" in str(error.value.hint)


def test_offline_mode_names_the_variables_to_unset(hub: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="the model org/vlm is not in the local cache, and offline mode is on") as error:
        find_model("org/vlm")
    assert "HF_HUB_OFFLINE" in str(error.value.hint) and "hf download org/vlm`" in str(error.value.hint)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    assert find_model("org/vlm").commit == COMMIT


def test_a_full_disk_is_named_and_the_download_continues(hub: str, cache: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*arguments: object, **options: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "move", full)
        patched.setattr("os.replace", full)
        with pytest.raises(SelfjudgeError, match="no space left on the disk while downloading the model org/vlm") as error:
            find_model("org/vlm")
    assert isinstance(error.value, RunError) and "HF_HOME" in str(error.value.hint)
    assert held(find_model("org/vlm").path) == NEEDED


def test_a_run_keeps_the_commit_of_its_base_though_the_hub_moves_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(embedded_model(), tmp_path / "hub/org/base")
    recipe, new = scripted_recipe("model=org/base", "loop.iterations=1"), "b" * 40
    with serving(tmp_path / "hub", commits=[COMMIT, new]) as endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        run_recipe(recipe, tmp_path / "run")
        before = digests(tmp_path / "run")
        assert find_model("org/base").commit == new
        assert make_world(recipe, RunFolder(tmp_path / "run")).base_commit == COMMIT
        run_recipe(recipe, tmp_path / "run")
    assert digests(tmp_path / "run") == before
    card = json.loads((tmp_path / "run/iteration-1/judge/selfjudge.json").read_text())
    assert (card["base"]["hub"], card["base"]["commit"], card["base"]["licence"]) == ("org/base", COMMIT, "apache-2.0")
    judge = tmp_path / "run/iteration-1/judge/model.safetensors"
    assert judge.read_bytes() == (embedded_model() / "model.safetensors").read_bytes() and not judge.is_symlink()
