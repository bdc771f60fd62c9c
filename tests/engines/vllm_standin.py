"""A stand-in for an environment with vLLM: a program that is asked what it has, and then is the server.

`standin(folder)` writes it, to be given as `python`. What it does wrong is told by arguments, as a recipe's `args`:

    --die          end at once, with an error in the log
    --silent       never answer
    --stubborn     take no notice of SIGTERM
    --crash N      die at the Nth question, each time it is started
    --crash-once N FILE   the same, the first time only; FILE remembers that

It answers with what it was asked and its port, and starts a process of its own, as vLLM does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODULE = ["-m", "vllm.entrypoints.openai.api_server"]


def standin(folder: Path, *, has_vllm: bool = True) -> Path:
    """The program, in a folder."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable} -S\nimport sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n")
    with path.open("a") as file:
        file.write(f"from vllm_standin import main\nmain({has_vllm})\n")
    path.chmod(0o755)
    return path


def option(name: str) -> str | None:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


class Answers(BaseHTTPRequestHandler):
    """/v1/models and /v1/chat/completions, for who has the key."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_GET(self) -> None:
        if self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            return self.say({"error": "who are you?"}, 401)
        return self.say({"data": [{"id": option("--served-model-name")}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Answers.asked += 1
        crash_if_told(Answers.asked)
        content = body["messages"][-1]["content"]
        text = content if isinstance(content, str) else content[-1]["text"]
        message = {"role": "assistant", "content": f"{text} at {option('--port')}"}
        self.say({"choices": [{"message": message, "finish_reason": "stop"}], "usage": {}})

    def say(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def crash_if_told(asked: int) -> None:
    if "--crash" in sys.argv:
        crashes = asked == int(sys.argv[sys.argv.index("--crash") + 1])
    elif "--crash-once" in sys.argv:
        number, file = sys.argv[sys.argv.index("--crash-once") + 1 :][:2]
        crashes = asked == int(number) and is_first(Path(file))
    else:
        return
    if crashes:
        print("(EngineCore pid=7) ERROR 11-21 14:23:43 [core.py:953] MemoryError: out of memory", flush=True)
        os._exit(3)


def is_first(file: Path) -> bool:
    """Whether no other server has made the file yet."""
    try:
        file.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def main(has_vllm: bool) -> None:
    if sys.argv[1] == "-c":
        print(json.dumps({"found": has_vllm, "script": None, "cpu": True}))
        return
    assert sys.argv[1:3] == MODULE
    if "--stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "1000"])
    print(f"pids {os.getpid()} {child.pid}", flush=True)
    if "--die" in sys.argv:
        print("(Worker pid=21548) ERROR 11-21 14:22:41 [multiproc_executor.py:953] RuntimeError: Cannot find any model weights")
        print("RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}", flush=True)
        sys.exit(1)
    if "--silent" in sys.argv:
        print("loading", flush=True)
        time.sleep(1000)
    ThreadingHTTPServer(("127.0.0.1", int(option("--port") or 0)), Answers).serve_forever()
