"""What a vLLM server is started with, and what its log is read for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selfjudge.engines.vllm_command import Installation, Launch, command, environment, gpu_groups, reason, visible_gpus
from selfjudge.errors import EngineError

INSTALLED = Installation(script=Path("/env/bin/vllm"), cpu=False)
MODULE = Installation(script=None, cpu=True)
ERRORS = {
    """
(Worker pid=21548) ERROR 11-21 14:22:41 [multiproc_executor.py:953]     raise RuntimeError(
(Worker pid=21548) ERROR 11-21 14:22:41 [multiproc_executor.py:953] RuntimeError: Cannot find any model weights with `broken`
    raise RuntimeError(
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
""": "RuntimeError: Cannot find any model weights with `broken`",
    """
                     [model_tag]
api_server.py: error: unrecognized arguments: --nonsense
""": "api_server.py: error: unrecognized arguments: --nonsense",
    """
pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
  Value error, User-specified max_model_len (51200) is greater than the derived max_model_len
    For further information visit https://errors.pydantic.dev/2.14/v/value_error
""": "Value error, User-specified max_model_len (51200) is greater than the derived max_model_len",
    """
(APIServer pid=13) WARNING 11-21 14:22:09 [utils.py:255] It can cause errors like `OSError: [Errno 24] Too many open files`
OSError: [Errno 98] Address already in use
""": "OSError: [Errno 98] Address already in use",
    "(APIServer pid=13) INFO 11-21 14:22:09 [utils.py:255] Loading weights\n\n": "Loading weights",
    """
(Worker pid=11503) ERROR 11-21 15:04:17 [multiproc_executor.py:1063] RuntimeError: CPU Generator does not use offset
vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.
INFO:     Finished server process [11130]
""": "RuntimeError: CPU Generator does not use offset",
    "": "its log is empty",
}


def launch(model: Path, **changes: object) -> Launch:
    values = {"gpus": (), "max_model_len": None, "dtype": "auto", "args": (), **changes}
    return Launch(python=Path("/env/bin/python"), model=model, name="judge-1-abc", images=Path("/run/images"), **values)


def follows(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_the_command_is_used_where_it_works_and_the_module_behind_it_elsewhere(tmp_path: Path):
    served = command(launch(tmp_path), INSTALLED, 1234)
    assert served[:4] == ["/env/bin/python", "/env/bin/vllm", "serve", str(tmp_path)]
    module = command(launch(tmp_path), MODULE, 1234)
    assert module[:3] == ["/env/bin/python", "-m", "vllm.entrypoints.openai.api_server"]
    assert follows(module, "--model") == str(tmp_path)
    for words in (served, module):
        assert (follows(words, "--port"), follows(words, "--host")) == ("1234", "127.0.0.1")
        assert follows(words, "--served-model-name") == "judge-1-abc"


def test_a_build_for_the_cpu_reads_prompts_whole_which_seeds_need(tmp_path: Path):
    assert "--no-enable-chunked-prefill" in command(launch(tmp_path), MODULE, 1)
    assert "--no-enable-chunked-prefill" not in command(launch(tmp_path), INSTALLED, 1)


def test_nothing_but_the_request_says_how_to_sample(tmp_path: Path):
    assert follows(command(launch(tmp_path), MODULE, 1), "--generation-config") == "vllm"


def test_the_users_own_words_come_last_and_so_win(tmp_path: Path):
    words = command(launch(tmp_path, args=("--dtype", "float16"), max_model_len=512), MODULE, 1)
    assert words[-2:] == ["--dtype", "float16"] and follows(words, "--max-model-len") == "512"


@pytest.mark.parametrize(
    ("config", "dtype"),
    [
        ({"dtype": "float32"}, "float32"),
        ({"torch_dtype": "bfloat16"}, "bfloat16"),
        ({"text_config": {"dtype": "bfloat16"}}, "bfloat16"),
        ({}, "auto"),
    ],
)
def test_the_data_type_is_the_checkpoints_unless_the_recipe_names_one(tmp_path: Path, config: dict, dtype: str):
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert follows(command(launch(tmp_path), MODULE, 1), "--dtype") == dtype
    assert follows(command(launch(tmp_path, dtype="float16"), MODULE, 1), "--dtype") == "float16"


def test_several_gpus_of_a_server_share_one_copy_of_the_model(tmp_path: Path):
    assert follows(command(launch(tmp_path, gpus=("2", "3")), MODULE, 1), "--tensor-parallel-size") == "2"
    assert "--tensor-parallel-size" not in command(launch(tmp_path, gpus=("2",)), MODULE, 1)


def test_an_adapter_is_served_over_its_base_under_a_name_and_path_of_its_own(tmp_path: Path):
    adapter = {"base_model_name_or_path": "/models/base", "r": 16, "rank_pattern": {"q_proj": 24}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(adapter))
    words = command(launch(tmp_path), MODULE, 1)
    assert follows(words, "--model") == "/models/base" and follows(words, "--served-model-name") != "judge-1-abc"
    assert "--enable-lora" in words and follows(words, "--max-lora-rank") == "32"
    assert follows(words, "--lora-modules") == f"judge-1-abc={tmp_path}"


def test_the_server_gets_its_gpus_and_key_and_not_ours(tmp_path: Path):
    ours = {"OPENAI_API_KEY": "sk-ours", "VLLM_API_KEY": "old", "CUDA_VISIBLE_DEVICES": "0,1", "HOME": "/root"}
    theirs = environment(launch(tmp_path, gpus=("1",)), "new", ours)
    assert theirs == {"VLLM_API_KEY": "new", "CUDA_VISIBLE_DEVICES": "1", "HOME": "/root", "VLLM_NO_USAGE_STATS": "1"}


@pytest.mark.parametrize(
    ("gpus", "each", "servers", "groups"),
    [
        ("", 1, None, [()]),
        ("", 2, 3, [(), (), ()]),
        ("0", 1, None, [("0",)]),
        ("0123", 1, None, [("0",), ("1",), ("2",), ("3",)]),
        ("01234", 2, None, [("0", "1"), ("2", "3")]),
        ("4567", 2, 1, [("4", "5")]),
    ],
)
def test_each_server_has_gpus_of_its_own(gpus: str, each: int, servers: int | None, groups: list):
    assert gpu_groups(tuple(gpus), each=each, servers=servers) == groups


@pytest.mark.parametrize(("each", "servers"), [(4, None), (1, 3), (2, 2)])
def test_more_gpus_than_there_are_is_an_error(each: int, servers: int | None):
    with pytest.raises(EngineError, match="do not fit on 2 GPU"):
        gpu_groups(("0", "1"), each=each, servers=servers)


NAMED = {"": (), "-1": (), "0,2": ("0", "2"), "GPU-ab, GPU-cd": ("GPU-ab", "GPU-cd"), "0,-1,1": ("0",)}


@pytest.mark.parametrize(("named", "gpus"), NAMED.items())
def test_the_gpus_are_those_that_the_environment_names(monkeypatch: pytest.MonkeyPatch, named: str, gpus: tuple):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == gpus


@pytest.mark.parametrize(("log", "found"), ERRORS.items(), ids=range(len(ERRORS)))
def test_the_reason_is_the_last_error_of_the_logs_own(log: str, found: str):
    assert reason(log) == found
