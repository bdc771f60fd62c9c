"""Commands and a service, ended by signals at random moments, and started again each time."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from commands import SCRIPTED, Command, Ended, Red, compare, follow, left, recover, run, start, wait
from trying import Case, Place

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
EACH = 10
"""Kills of a case."""
_SERVES_SECONDS = 0.5
_BODY = {"prompt": "question 7?", "response_a": "7", "response_b": "8"}


def cases(place: Place, short: bool) -> Iterator[Case]:
    times = {"run": 40, "evaluate": 25, "label": 25, "serve": 10}
    for name, many in times.items():
        for seed in range(1 if short else many):
            given = (seed,) if name == "serve" else (name, seed)
            do = kill_service if name == "serve" else kill
            yield Case(area=f"{name}, {EACH} kills each", name=f"seed {seed}", do=do, given=given)


def kill(place: Place, name: str, seed: int) -> str:
    """Kill a command so often, in as many folders as it gets whole meanwhile."""
    rng, killed = random.Random(f"{name} {seed}"), 0
    folder, command = place.fresh(), place.commands[name]
    whole = seconds(command, place.fresh())
    while killed < EACH:
        pid, output = start(command.argv(folder), folder)
        until = time.monotonic() + rng.uniform(0, 1.2 * whole)
        while (done := os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is None and time.monotonic() < until:
            time.sleep(0.001)
        if done is None:
            os.kill(pid, rng.choice(SIGNALS))
            killed += 1
        ended = wait(pid, output)
        if ended.code == 0:
            compare(left(folder), place.whole[name])
            folder = place.fresh()
        elif ended.code == 2:  # it was done, and is killed when nothing is left to do
            follow(ended.err, folder, folder)
        elif ended.code not in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, 130, 143):
            raise Red(f"a killed command ended with {ended.code}: {ended.err[-600:]}")
    return recover(command, folder, place, run(command, folder))


def seconds(command: Command, folder: Path) -> float:
    """How long a command takes when nobody disturbs it."""
    started = time.monotonic()
    run(command, folder)
    return time.monotonic() - started


def kill_service(place: Place, seed: int) -> str:
    """Kill a service that answers; it must answer the same again, at the same port."""
    rng, expected = random.Random(seed), ""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = place.fresh()
    judge = ("--judge", str(place.root.parent / "inputs/model"), "--port", str(port), *SCRIPTED)
    for number in [*range(EACH), None]:
        pid, output = start(["selfjudge", "serve", *judge], folder)
        until = None if number is None else rng.uniform(0, _SERVES_SECONDS)
        expected = _asked(pid, port, expected, until)
        os.kill(pid, signal.SIGTERM if number is None else rng.choice(SIGNALS))
        ended = wait(pid, output)
        _check(ended)
    if ours := left(folder.parent / "temporary"):
        raise Red(f"left temporary files: {list(ours)[:5]}")
    return "identical"


def _asked(pid: int, port: int, expected: str, until: float | None) -> str:
    """Ask a service, once it answers, for so many seconds; what it says. Raises Red where it says another thing than before."""
    for _ in range(1000):
        if (said := _reply(port)) is not None:
            break
        time.sleep(0.03)
    else:
        raise Red("the service does not answer")
    end = time.monotonic() + (until or 0)
    while said is not None:
        if expected and said != expected:
            raise Red(f"said {said}, and before {expected}")
        expected = said
        if time.monotonic() >= end:
            break
        said = _reply(port)
    return expected


def _reply(port: int) -> str | None:
    """What the service says, or None where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/v1/compare", json.dumps(_BODY), {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if response.status != 200:
        raise Red(f"status {response.status}: {text[:300]}")
    return text


def _check(ended: Ended) -> None:
    if ended.code not in (0, -signal.SIGKILL, -signal.SIGHUP, -signal.SIGTERM, 130, 143) or "Traceback" in ended.err:
        raise Red(f"the service ended with {ended.code}: {ended.err[-600:]}")
