"""Stage I asks in a stream where the engine allows it: a copy is asked for while other answers are still under way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runs import no_progress
from selfjudge.chat import Completion, Request
from selfjudge.ports import NamedEngine
from selfjudge.recipe.experiment import Synthesis
from selfjudge.run.store import Table
from selfjudge.run.tables import RESPONSES
from selfjudge.stages.synthesize import made, make_pairs, pairs_of, sample_responses
from selfjudge.types import Alteration, Edit, Finish, Kind, Prompt, Vote

RECIPE = Synthesis.model_validate({"closed": {"samples": 4, "threshold": 2}})


class Window:
    """Answers request by request, up to four under way, and notes the order in which it was asked."""

    def __init__(self, block: int = 1) -> None:
        self.block = block
        self.asked: list[str] = []

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        under_way: list[Request] = []
        for request in requests:
            self.asked.append(request.key)
            under_way.append(request)
            if len(under_way) == 4:
                yield answer(under_way.pop(0))
        yield from map(answer, under_way)

    def close(self) -> None: ...


def answer(request: Request) -> Completion:
    text = "" if "p3.response" in request.key else f"answer to {request.key}"
    return Completion(key=request.key, text=text, finish=Finish.STOP, prompt_tokens=1, completion_tokens=1)


def prompts() -> list[Prompt]:
    kinds = [Kind.OPEN] * 6 + [Kind.CLOSED] * 3
    return [
        Prompt(id=f"p{number}", text=f"text {number}", images=(), kind=kind, kind_rule="test", source="test")
        for number, kind in enumerate(kinds)
    ]


def sampled(folder: Path, engine: Window) -> tuple[Table, list[int]]:
    table, steps = Table(folder, RESPONSES, {}), list[int]()

    class Bar:
        def __enter__(self):
            return lambda count, *_: steps.append(count)

        def __exit__(self, *_: object) -> None: ...

    named = NamedEngine(name="m", engine=engine)
    sample_responses(
        prompts(),
        table,
        recipe=RECIPE,
        open_model=lambda: named,
        closed_model=lambda: named,
        seed=0,
        progress=lambda label, total: Bar(),  # type: ignore[arg-type, return-value]
    )
    return table, steps


def test_copies_are_asked_for_while_other_answers_are_under_way(tmp_path: Path):
    engine = Window()
    _, steps = sampled(tmp_path, engine)
    places = {key: place for place, key in enumerate(engine.asked)}
    first_copy = min(place for key, place in places.items() if ".alteration." in key)
    assert first_copy < places["p5.response"] < places["p6.sample.0000"]
    assert len(engine.asked) == len(set(engine.asked)) == 6 + 5 + 3 * 4
    assert sum(steps) == 2 * 6 + 3 * 4


def test_the_table_is_the_same_as_in_batches(tmp_path: Path):
    stream, batches = sampled(tmp_path / "stream", Window())[0], sampled(tmp_path / "batches", Window(block=2))[0]
    assert list(stream.rows()) == list(batches.rows())


def test_originals_that_are_stored_are_followed_by_their_copies_after_a_kill(tmp_path: Path):
    class Dies(Window):
        def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
            for number, completion in enumerate(super().generate(requests)):
                if number == 3:
                    raise InterruptedError
                yield completion

    try:
        sampled(tmp_path, Dies())
    except InterruptedError:
        engine = Window()
        table, _ = sampled(tmp_path, engine)
    assert table.manifest.rows == 6 + 5 + 3 * 4
    assert not {"p0.response", "p1.response"} & set(engine.asked)


def answered(response: str, alteration: str) -> list[dict[str, Any]]:
    said = {"response": response, "alteration": alteration}
    return [
        {"prompt_id": "p0", "role": role, "text": text, "finish": "stop", "instruction": "count", "sample": 0}
        for role, text in said.items()
    ]


def test_a_named_phrase_makes_the_pair_and_what_was_thought_is_no_part_of_it():
    rows = answered("<think>Two? Three.</think>\nThree boats lie on the beach.", "FROM: Three\nTO: Five")
    (pair,), dropped = make_pairs(prompts()[:1], rows, recipe=RECIPE, seed=0)
    assert (pair.chosen, pair.rejected) == ("Three boats lie on the beach.", "Five boats lie on the beach.")
    assert pair.evidence == Alteration(instruction="count", edits=(Edit(before="Three", after="Five"),)) and dropped == []


def test_what_was_thought_is_no_part_of_an_answer_either():
    asked = Prompt(id="p", text="How many boats?", images=(), kind=Kind.CLOSED, kind_rule="test", source="test")
    said = ["<think>I count two.</think>\nAnswer: 2"] * 9 + ["<think>Three?</think>\nAnswer: 3"] * 7
    rows = [
        {"prompt_id": "p", "role": "sample", "text": text, "finish": "stop", "instruction": None, "sample": n, "key": str(n)}
        for n, text in enumerate(said)
    ]
    recipe = Synthesis.model_validate({"closed": {"alternative": "any_sample"}})
    (pair,), _ = make_pairs([asked], rows, recipe=recipe, seed=0)
    assert (pair.chosen.strip(), pair.rejected.strip()) == ("Answer: 2", "Answer: 3")
    other = replace(asked, id="q", text="How many boats are red?")
    more = [{**row, "prompt_id": "q", "text": row["text"].replace("2", "5")} for row in rows]
    pooled = Synthesis.model_validate({"closed": {"alternative": "pooled"}})
    pairs, _ = make_pairs([asked, other], [*rows, *more], recipe=pooled, seed=0)
    assert {(pair.chosen.strip(), pair.rejected.strip()) for pair in pairs} == {
        ("Answer: 2", "Answer: 5"),
        ("Answer: 5", "Answer: 2"),
    }


def test_the_papers_way_takes_a_whole_copy():
    recipe = Synthesis.model_validate({"open": {"mode": "rewrite"}})
    rows = answered("Three boats lie on the beach.", "Sure:\n\nFive boats lie on the beach.")
    (pair,), _ = make_pairs(prompts()[:1], rows, recipe=recipe, seed=0)
    assert pair.rejected == "Five boats lie on the beach." and "FROM" not in recipe.open.templates["count"]
    assert make_pairs(prompts()[:1], rows, recipe=RECIPE, seed=0)[1][0]["reason"] == "no_replacement_named"


def test_only_what_a_response_offers_is_asked_for(tmp_path: Path):
    class Plain(Window):
        def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
            for completion in super().generate(requests):
                yield replace(completion, text="It is a heron." if ".response" in completion.key else "NONE")

    table, _ = sampled(tmp_path, Plain())
    assert {row["instruction"] for row in table.rows() if row["role"] == "alteration"} == {"identity"}


class Listener(Window):
    """Notes the texts that it was asked for."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            self.asked.append("".join(block for block in request.messages[0].content if isinstance(block, str)))
            yield answer(request)


def test_closed_prompts_ask_for_an_answer_line_and_the_bare_question_is_available(tmp_path: Path):
    engine = Listener()
    sampled(tmp_path, engine)
    assert sum("Answer: (the answer)" in text for text in engine.asked) == 3 * 4

    bare = Synthesis.model_validate({"closed": {"template": "{images}\n{question}"}})
    assert bare.closed.template == "{images}\n{question}"


COMPARING = Synthesis.model_validate({"closed": {"samples": 4, "threshold": 3, "equivalence": "model"}})
STATES = ("shut", "not open", "shut", "ajar")


class Doors(Window):
    """Four answers in three wordings, and a model that knows which two are the same."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            self.asked.append(request.key)
            text = STATES[int(request.key[-1])] if ".sample." in request.key else self.compared(str(request.messages[0].content))
            yield Completion(key=request.key, text=text, finish=Finish.STOP, prompt_tokens=1, completion_tokens=1)

    def compared(self, asked: str) -> str:
        return "Yes" if "shut" in asked and "not open" in asked else "No."


def doors(folder: Path, engine: Window, recipe: Synthesis = COMPARING) -> tuple[Table, Any]:
    closed = [replace(prompt, text="How is the door?") for prompt in prompts()[6:]]
    table, named = Table(folder, RESPONSES, {}), NamedEngine(name="m", engine=engine)
    models = {"open_model": lambda: named, "closed_model": lambda: named}
    sample_responses(closed, table, recipe=recipe, seed=0, progress=no_progress, **models)  # type: ignore[arg-type]
    return table, make_pairs(closed, table.rows(), recipe=recipe, seed=0)


def test_two_wordings_that_the_model_calls_the_same_are_one_ballot(tmp_path: Path):
    engine = Doors()
    _, (pairs, dropped) = doors(tmp_path, engine)
    votes = [pair.evidence.counts for pair in pairs if isinstance(pair.evidence, Vote)]
    assert votes == [(("shut", 3), ("ajar", 1))] * 3 and dropped == []
    assert {(pair.chosen, pair.rejected) for pair in pairs} == {("shut", "ajar")}
    assert sum(".same." in key for key in engine.asked) == 3 * 3


def test_by_rules_alone_nothing_is_asked_and_they_stay_apart(tmp_path: Path):
    engine, rules = Doors(), Synthesis.model_validate({"closed": {"samples": 4, "threshold": 3}})
    _, (pairs, dropped) = doors(tmp_path, engine, rules)
    assert pairs == [] and {row["reason"] for row in dropped} == {"no_majority"}
    assert not [key for key in engine.asked if ".same." in key]


def test_what_is_neither_yes_nor_no_merges_nothing(tmp_path: Path):
    class Chatty(Doors):
        def compared(self, asked: str) -> str:
            return "Yes, both say that it is closed."

    _, (pairs, dropped) = doors(tmp_path, Chatty())
    assert pairs == [] and len(dropped) == 3


@pytest.mark.parametrize("dies_after", [2, 13, 15])
def test_a_run_killed_among_the_comparisons_ends_with_the_same_table(tmp_path: Path, dies_after: int):
    class Dies(Doors):
        def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
            for completion in super().generate(requests):
                if len(self.asked) > dies_after:
                    raise InterruptedError
                yield completion

    undisturbed, _ = doors(tmp_path / "undisturbed", Doors())
    with pytest.raises(InterruptedError):
        doors(tmp_path / "killed", Dies())
    engine = Doors()
    assert doors(tmp_path / "killed", engine)[0].digest == undisturbed.digest
    assert len(engine.asked) < 3 * 4 + 3 * 3


class Sure(Window):
    """Answers each prompt in the same words every time: with the number of its picture, and of colours `red`."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            self.asked.append(request.key)
            text = "red" if "color" in str(request.messages[0].content) else str(NUMBERS[request.key.partition(".")[0]])
            yield Completion(key=request.key, text=text, finish=Finish.STOP, prompt_tokens=1, completion_tokens=1)


NUMBERS: dict[str, int] = {}
POOLED = Synthesis.model_validate({"closed": {"samples": 16, "early_exit": True, "alternative": "pooled"}})


def test_unanimous_answers_are_set_against_those_to_other_prompts_that_open_alike(tmp_path: Path):
    numbered = [replace(prompt, text="How many boats?") for prompt in prompts()[6:]]
    closed = sorted([*numbered, replace(prompts()[6], id="0" * 16, text="What color is it?")], key=lambda prompt: prompt.id)
    NUMBERS.update({prompt.id: number for number, prompt in enumerate(numbered, 2)})
    table, named = Table(tmp_path, RESPONSES, {}), NamedEngine(name="m", engine=Sure())
    models = {"open_model": lambda: named, "closed_model": lambda: named}
    sample_responses(closed, table, recipe=POOLED, seed=0, progress=no_progress, **models)  # type: ignore[arg-type]
    pairs, dropped = make_pairs(closed, table.rows(), recipe=POOLED, seed=0)
    assert sorted(pair.chosen for pair in pairs) == ["2", "3", "4"] and [row["reason"] for row in dropped] == ["unanimous"]
    assert all(pair.rejected in {"2", "3", "4"} - {pair.chosen} for pair in pairs)
    assert len(named.engine.asked) == 4 * 8  # type: ignore[attr-defined]  # half of the samples decide
    lost: list[Any] = []
    assert list(pairs_of(made(closed, table, recipe=POOLED, seed=0, choose=None), lost)) == pairs
