"""The HTTP engine needs the extra `http` alone: nothing of `local` or `ray` is imported for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from PIL import Image

from engines.serving import serving

BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {
            "torch", "torchvision", "transformers", "tokenizers", "accelerate", "peft", "trl", "datasets", "sklearn", "ray",
            "huggingface_hub", "imagehash",
        }:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
"""
DIRECTLY = """
from selfjudge.chat import Message, Request, Sampling
from selfjudge.recipe.engines import OpenAISettings
from selfjudge.wiring import open_server
engine = open_server("m", OpenAISettings(kind="openai", base_url=sys.argv[1]), lambda ref: b"")
message = Message(role="user", content=("hi",))
request = Request(key="k", messages=(message,), sampling=Sampling(temperature=0, max_tokens=8), seed=0)
print([done.text for done in engine.generate([request])])
engine.close()
"""
COMMAND = """
from selfjudge.cli import app
app(sys.argv[2:] + [sys.argv[1]], standalone_mode=False)
"""


def answer(code: str, *arguments: str) -> str:
    with serving(lambda asked: "[[A]]") as server:
        command = [sys.executable, "-c", BLOCKED + code, server.url, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.strip()


def test_an_engine_is_opened_and_asked():
    assert answer(DIRECTLY) == "['[[A]]']"


def test_a_judge_behind_a_server_is_measured(tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    pair = {"prompt": "What?", "image": "x.png", "chosen": "yes", "rejected": "no"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(pair))
    folder, bench = str(tmp_path / "run"), str(tmp_path / "pairs.jsonl")
    said = answer(COMMAND, "evaluate", "--judge", "openai:m", "--benchmark", bench, "--dir", folder, "--base-url")
    assert "judged by m" in said and "2 replies" in said


def test_a_server_is_examined():
    assert "whole replies end with 'stop'" in answer(COMMAND, "doctor", "--server")
