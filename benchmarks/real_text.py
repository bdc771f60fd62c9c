"""How the pure text functions read published text: `python benchmarks/real_text.py --data DIR`.

DIR holds clones of public repositories under the names on the left, at the commits at which the figures of the docs were made:

    MathVista   github.com/lupantech/MathVista    53d5258   results/: answers of VLMs and LLMs, with GPT-4's extraction
    LLaVA       github.com/haotian-liu/LLaVA      c121f04   and, from its pull request 32cebc3, playground/data/eval
    MMMU        github.com/MMMU-Benchmark/MMMU    bb0b95a   mmmu-pro/output: answers of GPT-4o to ten options
    DeFacto     github.com/microsoft/DeFacto      a7e70a2   data/: people's corrections of summaries, with explanations

Nothing of it is shipped. Prints shares with their 95 % Wilson intervals and numbers of items. The extraction is GPT-4's, whose
own errors count as ours, unless what it extracts does not stand in the response at all. It reads the end of a response: one that
goes on to ask itself another question (a line `Question:` or `Hint:`) is left out, for its end answers that other question.
Of DeFacto only items are used whose id has an even SHA-256; the others are for checking.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from statistics import NormalDist
from typing import Any

from selfjudge.method.alteration import locate
from selfjudge.method.answers import CANNOT_TELL
from selfjudge.method.evidence import names, signed
from selfjudge.method.kinds import options, route
from selfjudge.method.voting import Elected, Election, elect, normalise
from selfjudge.types import Alteration, Kind, PreferencePair, Prompt

Row = dict[str, Any]
SUFFIX = re.compile(r"\n(?:Answer the question using|When the provided information|Reference OCR token)[^\n]*")
RUNAWAY = re.compile(r"\n\s*(?:Question|Hint)\s*:")
LLAVA_CLOSED = {
    "MME": "playground/data/eval/MME/llava_mme.jsonl",
    "POPE": "playground/data/eval/pope/llava_pope_test.jsonl",
    "GQA": "playground/data/eval/gqa/llava_gqa_testdev_balanced.jsonl",
    "TextVQA": "playground/data/eval/textvqa/llava_textvqa_val_v051_ocr.jsonl",
    "VizWiz": "playground/data/eval/vizwiz/llava_test.jsonl",
}
LLAVA_OPEN = {
    "LLaVA-COCO detail, complex": "playground/data/coco2014_val_qa_eval/qa90_questions.jsonl",
    "Vicuna": "llava/eval/table/question.jsonl",
}
CLOSED_IN_VICUNA = frozenset(("math", "coding", "counterfactual", "fermi"))
"""Categories of the Vicuna questions left out: puzzles and code are neither one nor the other."""
verbose = False


def report(what: str, outcomes: Iterable[bool], aim: str = "") -> None:
    """One line: the share of true outcomes with its Wilson interval, in per cent."""
    seen = list(outcomes)
    count, right = len(seen), sum(seen)
    if not count:
        print(f"{what:58} no items")
        return
    z = NormalDist().inv_cdf(0.975)
    middle, scale = (right / count + z * z / (2 * count)), 1 + z * z / count
    width = z * (right / count * (1 - right / count) / count + z * z / (4 * count * count)) ** 0.5
    low, high = max(0.0, middle - width) / scale, (middle + width) / scale
    print(f"{what:58} {right / count:6.1%} [{low:.1%}, {high:.1%}] of {count:6,}  {aim}", flush=True)


def note(*what: object) -> bool:
    if verbose:
        print("   ", *(f"{one!r:.220}" for one in what))
    return False


def lines(path: Path) -> Iterator[Row]:
    yield from (json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip())


def routing(data: Path) -> None:
    for name, path in LLAVA_CLOSED.items():
        bare = [SUFFIX.sub("", row["text"]) for row in lines(data / "LLaVA" / path)]
        routed = (route(text)[0] is Kind.CLOSED or note(name, text) for text in bare)
        report(f"{name}, bare, routed closed", routed, ">= 92 %")
        given = (route(row["text"])[0] is Kind.CLOSED for row in lines(data / "LLaVA" / path))
        report(f"{name}, as asked, routed closed", given)
    for name, path in LLAVA_OPEN.items():
        rows = [row for row in lines(data / "LLaVA" / path) if row["category"] not in ("conv", *CLOSED_IN_VICUNA)]
        report(f"{name}, routed open", (route(row["text"])[0] is Kind.OPEN or note(name, row["text"]) for row in rows), ">= 93 %")
    for field in ("question", "query"):
        asked = {row[field] for outputs in mathvista(data) for row in outputs.values()}
        report(
            f"MathVista {field}, routed closed",
            (route(text)[0] is Kind.CLOSED or note(text) for text in sorted(asked)),
            ">= 92 %",
        )


def mathvista(data: Path) -> list[dict[str, Row]]:
    """Outputs of each model by question; guesses and programs are none."""
    paths = sorted((data / "MathVista" / "results").glob("*/output_*.json"))
    answers = [path for path in paths if not re.search(r"random|frequent|template|_code|use_caption", path.name)]
    return [json.loads(path.read_text("utf-8")) for path in answers]


def extracted(row: Row) -> str | None:
    """GPT-4's extraction in our form; None where it is none, a guess, or that of a response that goes on to a next question."""
    if RUNAWAY.search(row["response"]):
        return None
    said, response = str(row.get("extraction") or "").strip(), row["response"].casefold()
    form = normalise(said, row["query"]) if said else None
    if row["question_type"] == "multi_choice":
        option = options(row["query"]).get(form or "", "").casefold()
        stands = (
            option in ("yes", "no") or option in response or re.search(rf"\b{re.escape(form or '')}\b", response, re.IGNORECASE)
        )
        return form if option and stands else None
    stands = re.fullmatch(r"-?[\d,]*\.?\d+%?", said) and said.strip("-%") in response
    return value(form) if stands else None


def value(form: str | None) -> str | None:
    """A quantity without its unit, which extractions leave out."""
    return re.sub(r"(?<=\d) [^\d\s]+$", "", form) if form else form


def reading(data: Path) -> None:
    found: dict[str, list[bool]] = {"multi_choice": [], "free_form": []}
    merged: dict[str, list[bool]] = {"multi_choice": [], "free_form": []}
    models, declined = mathvista(data), 0
    for key in models[0]:
        rows = [model[key] for model in models if key in model and model[key].get("response")]
        known = [
            (row, form, value(normalise(row["response"], row["query"]))) for row in rows if (form := extracted(row)) is not None
        ]
        declined += sum(ours in (None, CANNOT_TELL) for _, _, ours in known)
        known = [one for one in known if one[2] not in (None, CANNOT_TELL)]
        for row, form, ours in known:
            found[row["question_type"]].append(ours == form or note(row["question_type"], form, ours, row["response"][-200:]))
        for (row, one, ours), (_, other, theirs) in combinations(known, 2):
            if one != other:
                merged[row["question_type"]].append(ours is not None and ours == theirs)
    runaway = sum(bool(RUNAWAY.search(row.get("response") or "")) for model in models for row in model.values())
    print(f"MathVista: {runaway:,} responses go on to another question and are left out")
    print(f"MathVista: {declined:,} answers decline (GPT-4 extracts an A or a 0 all the same) and are left out")
    report("MathVista choices found", found["multi_choice"], ">= 90 %")
    report("MathVista numbers found", found["free_form"], ">= 88 %")
    report("MathVista false merges, choices", merged["multi_choice"], "<= 1.5 %")
    report("MathVista false merges, numbers", merged["free_form"], "<= 1.5 %")


def voting(data: Path) -> None:
    """The answers of all models as if they were sampled from one."""
    models = mathvista(data)
    for kind, rule in (
        ("multi_choice", "typed"),
        ("free_form", "typed"),
        ("multi_choice", "any_sample"),
        ("free_form", "any_sample"),
    ):
        same, asked = [], 0
        for key, question in models[0].items():
            if question["question_type"] != kind:
                continue
            asked += 1
            rows = {model[key]["response"]: model[key] for model in models if model.get(key, {}).get("response")}
            rules = Election(threshold=5, alternative=rule)  # type: ignore[arg-type]
            elected = elect(list(rows), instruction=question["query"], rules=rules, rng=random.Random(key))
            if isinstance(elected, Elected):
                chosen, rejected = (extracted(rows[text]) for text in (elected.chosen, elected.rejected))
                if chosen and rejected:
                    same.append(chosen == rejected)
        report(f"MathVista {kind} pairs ({rule}) of {asked}: same answer twice", same, "<= 10 %")


def letters(data: Path) -> None:
    for path in sorted((data / "MMMU" / "mmmu-pro" / "output").glob("gpt-4o*.jsonl")):
        rows = [(row, re.findall(r"Answer:\s*\W*([A-J])\b", str(row["response"]))) for row in lines(path)]
        right = (
            normalise(row["response"]) == said[-1] or note(said[-1], normalise(row["response"]), row["response"][-120:])
            for row, said in rows
            if said
        )
        report(f"MMMU-Pro {path.stem}: the letter of the answer line", right)


def explaining(data: Path) -> None:
    pairs = [
        made for path in sorted((data / "DeFacto" / "data").glob("*.jsonl")) for row in lines(path) if (made := corrected(row))
    ]
    following = [trace for _, trace in pairs[1:] + pairs[:1]]
    report(
        "DeFacto: the right explanation accepted",
        (names(trace, pair) or note(pair.evidence, trace) for pair, trace in pairs),
        ">= 75 %",
    )
    report(
        "DeFacto: another pair's explanation accepted",
        (names(other, pair) for (pair, _), other in zip(pairs, following, strict=True)),
        "<= 1 %",
    )
    copies = [f"Response A: {pair.chosen}\nResponse B: {pair.rejected}" for pair, _ in pairs]
    for name, rule in (("", names), ("signed, ", signed)):
        copied = (rule(copy, pair) for copy, (pair, _) in zip(copies, pairs, strict=True))
        report(f"DeFacto: {name}a trace that only repeats both accepted", copied)
    # people speak of the summary, a judge of Response B; what to change in it is no part of a trace
    reasons = [(pair, re.sub(r"\b(?:(?:the|this) )?summary\b", "Response B", text.rpartition("\n")[0])) for pair, text in pairs]
    report("DeFacto: signed, the right reason accepted", (signed(trace, pair) for pair, trace in reasons))
    report("DeFacto: signed, the same where the sides are exchanged", (signed(trace, exchanged(pair)) for pair, trace in reasons))


def exchanged(pair: PreferencePair) -> PreferencePair:
    """The pair with the other response chosen."""
    assert isinstance(pair.evidence, Alteration)
    edits = tuple(replace(edit, before=edit.after, after=edit.before) for edit in pair.evidence.edits)
    return replace(pair, chosen=pair.rejected, rejected=pair.chosen, evidence=replace(pair.evidence, edits=edits))


def corrected(row: Row) -> tuple[PreferencePair, str] | None:
    """The pair that one substitution makes, the correction chosen, and the corrector's reason and, on a line, instruction."""
    said = row["feedback"]
    even = hashlib.sha256(str(row["doc_id"]).encode()).digest()[-1] % 2 == 0
    if not (even and row["has_error"] and said["summary"]):
        return None
    edits = locate(said["summary"], row["candidate"])
    if len(edits) != 1 or not (edits[0].before and edits[0].after):
        return None
    prompt = Prompt(id="p", text="Summarise the article.", images=(), kind=Kind.OPEN, kind_rule="benchmark", source="DeFacto")
    known = Alteration(instruction="correction", edits=edits)
    pair = PreferencePair(id="pair", prompt=prompt, chosen=said["summary"], rejected=row["candidate"], evidence=known)
    return pair, f"{said['explanation']}\n{' '.join(said['instruction'].split())}"


PARTS = {"routing": routing, "reading": reading, "voting": voting, "letters": letters, "explaining": explaining}


def main() -> None:
    global verbose, RUNAWAY  # noqa: PLW0603
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the clones")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; all by default")
    parser.add_argument("--verbose", action="store_true", help="print what was read otherwise")
    parser.add_argument("--with-runaway", action="store_true", help="leave no response out that asks itself another question")
    given = parser.parse_args()
    verbose = given.verbose
    RUNAWAY = re.compile("(?!)") if given.with_runaway else RUNAWAY
    for part in given.part or PARTS:
        PARTS[part](given.data)


if __name__ == "__main__":
    main()
