"""Commands of selfjudge in forked processes, what they leave behind, and their hints, followed.

A fork starts in milliseconds, with everything imported that a command needs, and can be given faults of its own (`prepare`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RULES = json.dumps([{"when": r"question (\d+)", "replies": [r"I see \1. [[A]]", r"It is \1. [[B]]", "hm"]}])
SCRIPTED = ("--set", "execution.engine.kind=scripted", "--set", f"execution.engine.rules={RULES}")
SMALL = tuple(
    word
    for change in (
        "seed=61",
        "prompts.0.limit=6",
        "evaluation.benchmarks.0.pairs=2",
        "loop.iterations=1",
        "synthesis.closed.samples=4",
    )
    for word in ("--set", change)
)
SECONDS = 120
"""A command that takes longer hangs."""


class Red(Exception):
    """What must not happen, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended; a negative code is the signal that ended it."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command whose words may name its folder as `{}`, and the folder that it leaves there."""

    name: str
    words: tuple[str, ...]

    def argv(self, folder: Path) -> list[str]:
        return ["selfjudge", *(word.replace("{}", str(folder)) for word in self.words)]


def commands(inputs: Path, count: int = 12) -> dict[str, Command]:
    """The commands that the suite disturbs, with their inputs written to a folder."""
    (inputs / "model").mkdir(parents=True)
    (inputs / "model/config.json").write_text("{}")
    ask = ({"prompt": f"question {n}?", "id": str(n)} for n in range(count))
    rows = [{**one, "response_a": f"answer {n % 7}", "response_b": f"{n % 5} more"} for n, one in enumerate(ask)]
    pairs = [{**row, "chosen": row["response_a"], "rejected": row["response_b"]} for row in rows]
    for name, lines in (("pairs.jsonl", pairs), ("rows.jsonl", rows)):
        (inputs / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    judge = ("--judge", str(inputs / "model"), "--quiet", *SCRIPTED)
    run = ("run", str(ROOT / "recipes/scripted.yaml"), "--quiet", "--dir", "{}", "--set", f"model={inputs / 'model'}", *SMALL)
    evaluate = ("evaluate", "--benchmark", str(inputs / "pairs.jsonl"), "--dir", "{}", *judge)
    label = ("label", str(inputs / "rows.jsonl"), "--to", "{}/labels.jsonl", *judge)
    return {words[0]: Command(name=words[0], words=words) for words in (run, evaluate, label)}


_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def start(argv: Sequence[str], folder: Path, prepare: Callable[[], Any] = lambda: None) -> tuple[int, Path]:
    """Fork a command; its process and the folder of its output. Its temporary files go beside `folder`."""
    output = Path(tempfile.mkdtemp(prefix="output-", dir=folder.parent))
    for old in (folder.parent / "temporary").glob("*"):  # a command that starts at once would leave it to its owner
        os.utime(old, (0, 0))
    sys.stdout.flush()
    files = {1: (output / "out").open("ab"), 2: (output / "err").open("ab")}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)  # of the child, until it can end as a command ends
    if pid := os.fork():
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for file in files.values():
            file.close()
        return pid, output
    code = 70
    try:
        for descriptor, file in files.items():
            os.dup2(file.fileno(), descriptor)
        for number in _INTERRUPTS:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        (folder.parent / "temporary").mkdir(exist_ok=True)
        tempfile.tempdir = str(folder.parent / "temporary")
        code = here(argv, prepare)
    except KeyboardInterrupt:  # before the command began
        code = 130
    except Exception:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def here(argv: Sequence[str], prepare: Callable[[], Any] = lambda: None) -> int:
    """Run a command in this process; its exit code."""
    from selfjudge import cli

    sys.argv = list(argv)
    try:
        prepare()
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    except KeyboardInterrupt:  # as Python ends when nobody catches it
        return 130
    return 0


def wait(pid: int, output: Path) -> Ended:
    """How a command ended. Raises Red for one that hangs."""
    until = time.monotonic() + SECONDS
    while (done := os.waitpid(pid, os.WNOHANG))[0] == 0:
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise Red(f"took more than {SECONDS} s")
        time.sleep(0.003)
    found = Ended(
        code=os.waitstatus_to_exitcode(done[1]),
        out=(output / "out").read_text(errors="replace"),
        err=(output / "err").read_text(errors="replace"),
    )
    shutil.rmtree(output)
    return found


def run(command: Command, folder: Path, prepare: Callable[[], Any] = lambda: None) -> Ended:
    return wait(*start(command.argv(folder), folder, prepare))


def left(folder: Path) -> dict[str, str]:
    """What lies in a folder: a digest of each file, seconds and times aside."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir():
            found[f"{name}/"] = ""
        elif path.name not in (".lock", "run.log", ".hashes.json", "replaced.json"):
            found[name] = hashlib.sha256(_content(path)).hexdigest()
    return found


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".json":
        try:
            return json.dumps(_timeless(json.loads(data)), sort_keys=True).encode()
        except (ValueError, RecursionError):
            return data
    return data[-8:] if path.suffix == ".html" else data


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(one) for key, one in value.items() if "seconds" not in key and key != "checksum"}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


def check_kept(folder: Path) -> None:
    """Raises Red for a run that kept no pair: nothing that is made of pairs would be tried."""
    if not json.loads((folder / "summary.json").read_text())["iterations"][-1]["kept"]:
        raise Red("the run keeps no pair: choose another seed for it")


def recover(command: Command, folder: Path, place: Any, ended: Ended) -> str:
    """Follow the hints of a disturbed command and run it again, until it is done; in words, whether there was a hint.

    Raises Red unless it then left what the undisturbed one left.
    """
    hints = 0
    for _ in range(6):
        if ended.code == 0:
            break
        if ended.code == 2:
            follow(ended.err, folder, place.root.parent / "whole" / command.name / "folder")
            hints += 1
        elif ended.code > 0 and ended.code not in (130, 128 + signal.SIGTERM):
            raise Red(f"exit code {ended.code}: {ended.err[-600:]}")
        ended = run(command, folder)
    if ended.code != 0:
        raise Red(f"still not done: {ended.err[-600:]}")
    if ours := left(folder.parent / "temporary"):
        raise Red(f"left temporary files: {list(ours)[:5]}")
    if left(folder) != place.whole[command.name]:
        run(command, folder)  # which removes what could not be removed then
    compare(left(folder), place.whole[command.name])
    return "an error with a hint, then identical" if hints else "identical"


def compare(ours: Mapping[str, str], theirs: Mapping[str, str]) -> None:
    """Raises Red where two folders differ."""
    different = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
    if different:
        said = [
            f"{name} ({'gone' if name not in ours else 'left over' if name not in theirs else 'other'})" for name in different
        ]
        raise Red(f"not identical: {', '.join(said[:6])}{' …' if len(said) > 6 else ''}")


def follow(err: str, folder: Path, whole: Path) -> None:
    """Do what the hint of an error says. Raises Red where there is none, it cannot be followed, or no file is named."""
    message, _, hint = err[err.rfind("error: ") + 7 :].partition("\nhint: ")
    if "error: " not in err or not hint or "unexpected " in message or "report" in hint:
        raise Red(f"no error that a user can act on: {err[-600:]}")
    if str(folder) not in message and str(folder) not in hint:
        raise Red(f"names no file: {message} / {hint}")
    if hint.startswith(("Free some space", "Check ", "Wait for it")):  # the suite's faults are over with the process
        return
    named = rf"{re.escape(str(folder))}[^\s:,;]*"
    places = [place.rstrip(".") for place in re.findall(named, hint) or re.findall(named, message)]
    if "elete" in hint and places:
        more = re.findall(named, message) if "Delete it" in hint else []
        everywhere = [path for name in re.findall(r"`([\w.]+)`", hint) for path in folder.rglob(name)]
        for place in (*places, *more, *everywhere):
            _delete(Path(place))
    elif "Put back a copy" in hint:
        gone = next((Path(place) for place in places if place != str(folder)), folder / re.findall(r"\S+\.json", message)[-1])
        shutil.copyfile(whole / gone.relative_to(folder), gone)
    else:
        raise Red(f"nobody can follow this hint: {hint} ({message})")


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
