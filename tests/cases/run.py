"""Run the cases against the pure text functions: `python tests/cases/run.py [FOLDER] [--verbose]`.

Each case states what a careful bilingual reader decides from the text alone. Prints how many cases of each file are right
and, for each pattern, how many are wrong; `--verbose` lists every failure. The adapters at the top follow the code.
"""

from __future__ import annotations

import json
import random
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selfjudge.method import alteration, copies, kinds, overall_judgment, prompts, selection, verdicts, voting
from selfjudge.types import Alteration, Finish, Kind, PreferencePair, Prompt, Verdict, Vote

Case = dict[str, Any]
RULES = voting.Election(threshold=5, alternative="any_sample")


def route(case: Case) -> Case:
    return {"kind": kinds.route(case["instruction"])[0].value}


def same_answer(case: Case) -> Case:
    one, other = (voting.normalise(case[side], case["instruction"]) for side in ("a", "b"))
    return {"same": one is not None and one == other, "_forms": [one, other]}


def vote(case: Case) -> Case:
    samples, instruction = case["samples"], case["instruction"]
    drawn = [voting.elect(samples, instruction=instruction, rules=RULES, rng=random.Random(seed)) for seed in range(300)]
    if isinstance(drawn[0], str):
        return {"outcome": drawn[0], "majority": [], "_rejected": []}
    forms = [voting.normalise(text, instruction) for text in samples]
    rejected = {elected.rejected for elected in drawn if not isinstance(elected, str)}
    majority = [number for number, form in enumerate(forms) if form == drawn[0].vote.majority]
    return {
        "outcome": "pair",
        "majority": majority,
        "_rejected": [i for i, text in enumerate(samples) if text in rejected],
        "_counts": drawn[0].vote.counts,
    }


def verdict(case: Case) -> Case:
    found = verdicts.parse(case["reply"], Finish(case["finish"]))
    return {"verdict": found.value if isinstance(found, Verdict) else "none", "_found": str(found)}


def overall(case: Case) -> Case:
    found = overall_judgment.robust(case["reply"], Finish.STOP)
    number = {Verdict.FIRST: 1, Verdict.SECOND: 2}.get(found) if isinstance(found, Verdict) else None
    return {"verdict": number, "_found": str(found)}


def copy(case: Case) -> Case:
    made = copies.rewritten(case["original"], case["altered"], Finish.STOP)
    usable = not isinstance(made, str)
    return {"usable": usable, "rejected": made.text if usable else None, "_made": made}


def refusal(case: Case) -> Case:
    return {"refusal": alteration.flaw(case["text"], Finish.STOP) == "refused"}


def evidence(case: Case) -> Case:
    pair = edited(case) if case["kind"] == "edit" else voted(case)
    return {"names": pair is not None and selection.names(case["trace"], pair), "_evidence": pair and pair.evidence}


def edited(case: Case) -> PreferencePair:
    edits = alteration.locate(case["original"], case["altered"])
    return _pair("", case["original"], case["altered"], Alteration(instruction="", edits=edits))


def voted(case: Case) -> PreferencePair | None:
    answers = [voting.normalise(case[side], case["instruction"]) or "" for side in ("majority", "alternative")]
    if not all(answers):
        return None
    counts = tuple((answer, 5) for answer in answers)
    elected = Vote(counts=counts, majority=answers[0], alternative=answers[1])
    return _pair(case["instruction"], case["majority"], case["alternative"], elected)


def _pair(instruction: str, chosen: str, rejected: str, known: Alteration | Vote) -> PreferencePair:
    prompt = Prompt(id="p", text=instruction, images=(), kind=Kind.OPEN, kind_rule="case", source="case")
    return PreferencePair(id="pair", prompt=prompt, chosen=chosen, rejected=rejected, evidence=known)


def defuse(case: Case) -> Case:
    """The response as the judge sees it in the template."""

    def shown(text: str) -> str:
        values = {"question": "What is it?", "first": text, "second": "another one"}
        return "\n".join(block for block in prompts.fill(prompts.JUDGE, values, ()).content if isinstance(block, str))

    head, tail = shown("\x01").split("\x01")
    value = shown(case["text"])[len(head) :].removesuffix(tail)
    standing = [mark for mark in (*case.get("marks", []), *_PLAIN_MARKS) if _folded(mark) in _folded(value)]
    return {"forges": value != case["text"] and not standing, "_shown": value, "_standing": standing}


_PLAIN_MARKS = (
    *(f"[{what} {edge}]" for what in ("Request", "Response A", "Response B") for edge in ("begins", "ends")),
    *("[[A]]", "[[B]]"),
)


def _folded(text: str) -> str:
    """Without case, spaces and the width of characters, so that a mark that was only written anew still stands."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _equal(case: Case, said: Case) -> bool:
    return all(case[field] == value for field, value in said.items() if not field.startswith("_"))


def _vote_right(case: Case, said: Case) -> bool:
    if case["outcome"] != "pair" or said["outcome"] != "pair":
        return bool(case["outcome"] == said["outcome"])
    return case["majority"] == said["majority"] and not set(case["never_rejected"]) & set(said["_rejected"])


def _copy_right(case: Case, said: Case) -> bool:
    if not (case["usable"] and said["usable"]):
        return bool(case["usable"] == said["usable"])
    return bool(case["rejected"].strip() == said["rejected"].strip())


FILES: dict[str, tuple[Callable[[Case], Case], Callable[[Case, Case], bool]]] = {
    "route": (route, _equal),
    "same_answer": (same_answer, _equal),
    "vote": (vote, _vote_right),
    "verdict": (verdict, _equal),
    "overall_judgment": (overall, _equal),
    "copy": (copy, _copy_right),
    "refusal": (refusal, _equal),
    "evidence": (evidence, _equal),
    "defuse": (defuse, _equal),
}


def measure(name: str, folder: Path) -> tuple[list[Case], list[tuple[Case, Case]]]:
    """All cases of a file, and those that are wrong with what was said instead. An exception is a wrong answer."""
    lines = (folder / f"{name}.jsonl").read_text("utf-8").splitlines()
    cases: list[Case] = [json.loads(line) for line in lines if line.strip()]
    judged = [(case, *_judged(name, case)) for case in cases]
    return cases, [(case, said) for case, said, right in judged if not right]


def _judged(name: str, case: Case) -> tuple[Case, bool]:
    adapter, right = FILES[name]
    try:
        said = adapter(case)
        return said, right(case, said)
    except Exception as error:
        return {"_error": f"{type(error).__name__}: {error}"}, False


def main(arguments: list[str]) -> None:
    folders = [argument for argument in arguments if not argument.startswith("--")]
    folder = Path(folders[0]) if folders else Path(__file__).parent
    total = total_wrong = 0
    for name in FILES:
        cases, wrong = measure(name, folder)
        total, total_wrong = total + len(cases), total_wrong + len(wrong)
        print(f"{name}: {len(cases)} cases, {1 - len(wrong) / len(cases):.1%} right")
        sizes = Counter(case["pattern"] for case in cases)
        for pattern, count in Counter(case["pattern"] for case, _ in wrong).most_common():
            print(f"    {count:3} of {sizes[pattern]:3} wrong  {pattern}")
        for case, said in wrong if "--verbose" in arguments else []:
            print(f"  - {json.dumps(case, ensure_ascii=False)}\n      said {said}")
    print(f"all: {total} cases, {1 - total_wrong / total:.1%} right")


if __name__ == "__main__":
    main(sys.argv[1:])
