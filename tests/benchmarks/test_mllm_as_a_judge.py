"""MLLM-as-a-Judge: an item counts once, however many replies it has."""

from selfjudge.benchmarks.mllm_as_a_judge import figures
from selfjudge.benchmarks.public import Replies
from selfjudge.types import BenchmarkItem, Kind, PreferencePair, Prompt


def item(name: str, *, tie: bool) -> BenchmarkItem:
    prompt = Prompt(id=name, text="Which?", images=(), kind=Kind.CLOSED, kind_rule="test", source="test")
    pair = PreferencePair(id=name, prompt=prompt, chosen="red", rejected="blue", evidence=None)
    return BenchmarkItem(pair=pair, dimension="all", level="all", group=name, tie=tie)


def test_an_item_is_right_where_more_than_half_of_its_replies_are():
    said = {"clear": [("first", None), ("first", None), ("second", None)], "tie": [(None, "tie"), ("first", None), (None, None)]}
    rows = [
        {"pair_id": name, "order": "chosen_first", "verdict": verdict, "problem": problem}
        for name, replies in said.items()
        for verdict, problem in replies
    ]
    items = [item("clear", tie=False), item("tie", tie=True)]
    found = figures(Replies(items=items, rows=rows, protocol="official", general={}))
    assert (found["accuracy_with_ties"], found["accuracy_without_ties"], found["ties_found"]) == (0.5, 1.0, 0.0)
