"""docs/pairs.md has every reason for dropping, and its examples are dropped for the reason that it says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from selfjudge.method import alteration, copies, selection, voting
from selfjudge.run.reasons import DROPPED
from selfjudge.stages import synthesize
from selfjudge.types import Finish

PAGE = (Path(__file__).parent.parent / "docs/pairs.md").read_text()
FUNCTIONS = {
    alteration: ("flaw",),
    copies: ("replaced", "_named", "rewritten", "_strange"),
    voting: ("elect", "_undecided"),
    selection: ("select", "_failure"),
    synthesize: ("_open_pair", "_closed_pair"),
}
"""Where reasons come from."""


def reasons() -> set[str]:
    """What these functions return as it stands: a string, or one of two."""
    found: set[str] = set()
    for module, names in FUNCTIONS.items():
        tree = ast.parse(Path(str(module.__file__)).read_text())
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
        returned = [node.value for function in functions for node in ast.walk(function) if isinstance(node, ast.Return)]
        sides = [side for value in returned for side in ([value.body, value.orelse] if isinstance(value, ast.IfExp) else [value])]
        found.update(str(side.value) for side in sides if isinstance(side, ast.Constant) and isinstance(side.value, str))
    return found


def examples(title: str) -> list[tuple[str, str, str]]:
    section = PAGE.partition(f"### {title}")[2].partition("\n#")[0]
    rows = re.findall(r"^\| `(\w+)` \| `([^|]+)` \| `([^|]+)` \|", section, re.MULTILINE)
    return [(reason, answer, reply.replace("⏎", "\n")) for reason, answer, reply in rows]


def test_no_reason_is_missing():
    assert {reason for reason in reasons() if f"`{reason}`" not in PAGE} == set()
    assert reasons() <= DROPPED.keys()
    assert {f"altered_{flaw}" for flaw in ("failed", "cut_off", "empty", "refused")} <= set(re.findall(r"`(\w+)`", PAGE))


@pytest.mark.parametrize(("reason", "answer", "reply"), examples("`replace`"))
def test_an_example_of_a_replacement_is_dropped_as_it_says(reason: str, answer: str, reply: str):
    assert copies.replaced(answer, reply, Finish.STOP) == reason


@pytest.mark.parametrize(("reason", "answer", "reply"), examples("`rewrite`"))
def test_an_example_of_a_copy_is_dropped_as_it_says(reason: str, answer: str, reply: str):
    assert copies.rewritten(answer, reply, Finish.STOP) == reason


def test_the_examples_are_there():
    assert len(examples("`replace`")) == 8 and len(examples("`rewrite`")) == 6
    assert len(reasons()) > 20
