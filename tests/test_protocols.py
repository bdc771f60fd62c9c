"""Measuring under each protocol, on look-alikes of the public benchmarks."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runs import ROOT, digests, no_progress
from selfjudge.chat import Completion, Request, Token
from selfjudge.errors import InputError
from selfjudge.measure import evaluate as evaluation
from selfjudge.measure.evaluate import Asking, evaluate, rescore
from selfjudge.measure.judges import Contestant, find_contestant
from selfjudge.measure.stored import measurements
from selfjudge.run.folder import RunFolder
from selfjudge.types import Finish
from selfjudge.wiring import named_benchmark

FIXTURES = ROOT / "tests/fixtures"
PLACES = {
    "vl-rewardbench": "vl-rewardbench",
    "multimodal-rewardbench": "multimodal-rewardbench",
    "mmrb2": "mmrb2/reasoning.json",
    "mm-rlhf-rewardbench": "mm-rlhf-rewardbench",
    "mllm-as-a-judge": "mllm-as-a-judge",
    "rewardbench": "rewardbench",
    "judgebench": "judgebench",
    "rewardbench-2": "rewardbench-2",
    "multi-crit": "multi-crit",
}
COLORS = ("red", "green", "blue", "orange")


def measured(judge: str, folder: Path, name: str, **asking: Any) -> dict[str, Any]:
    bench = named_benchmark(f"{name}={FIXTURES / PLACES[name]}", allow_missing=True)
    return evaluate(
        find_contestant(judge, RunFolder(folder)), [bench], RunFolder(folder), asking=Asking(**asking), progress=no_progress
    )[0].as_json()


class Oracle:
    """A judge of drawn pictures that is told how to answer; it is given the request and says which response is better."""

    block = 1

    def __init__(self, say: Any) -> None:
        self._say = say
        self.asked: list[Request] = []

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            self.asked.append(request)
            said = self._say(request)
            done = Completion(key=request.key, text="", finish=Finish.STOP, prompt_tokens=1, completion_tokens=1)
            yield replace(done, **said) if isinstance(said, dict) else replace(done, text=said)

    def close(self) -> None:
        """Nothing to free."""


def judged_by(say: Any, monkeypatch: pytest.MonkeyPatch) -> Oracle:
    oracle = Oracle(say)
    contestant = Contestant(name="oracle", identity={"model": "oracle"}, template=None, open=lambda: oracle)
    monkeypatch.setitem(globals(), "find_contestant", lambda *_: contestant)
    return oracle


@pytest.mark.parametrize("name", PLACES)
def test_always_first_is_right_in_one_order_and_never_in_both(tmp_path: Path, name: str):
    figures = measured("first", tmp_path, name)
    assert (figures["accuracy"], figures["pair_accuracy"], figures["consistency"]) == (0.5, 0.0, 0.0)
    assert (figures["first_position_rate"], figures["parse_rate"]) == (1.0, 1.0)


def test_the_longer_response_wins_as_the_lengths_have_it(tmp_path: Path):
    figures = measured("longer", tmp_path, "judgebench")
    assert figures["pair_accuracy"] == 0.5  # "that N" is longer than "this", and right twice
    assert figures["consistency"] == 1.0


def test_a_coin_scores_a_half_and_a_quarter(tmp_path: Path):
    rows = [{"prompt": f"q{n}", "chosen": "yes", "rejected": "no", "subset": "donotanswer"} for n in range(2000)]
    (tmp_path / "filtered.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    bench = named_benchmark(f"rewardbench={tmp_path / 'filtered.jsonl'}")
    place = RunFolder(tmp_path / "run")
    figures = evaluate(find_contestant("random", place), [bench], place, asking=Asking(), progress=no_progress)[0].as_json()
    assert figures["accuracy"] == pytest.approx(0.5, abs=0.03)
    assert figures["pair_accuracy"] == pytest.approx(0.25, abs=0.03)


def test_an_unswapped_always_first_judge_reads_the_position_leak_and_a_swapped_one_does_not(tmp_path: Path):
    """The trap of benchmarks that store the better answer first: only the order shown decides what `first` scores."""
    fixed = measured("first", tmp_path / "mm", "multimodal-rewardbench", protocol="official")
    assert fixed["orders"] == "stored"
    assert fixed["accuracy"] == fixed["data"]["better_first"] > 0.5
    drawn = measured("first", tmp_path / "vl", "vl-rewardbench", protocol="official", samples=200)
    assert drawn["orders"] == "random" and drawn["first_position_rate"] == 1.0
    assert drawn["official"]["by_k"]["9"]["overall"] < 0.75 < drawn["data"]["better_first"]


def test_official_vl_rewardbench_asks_in_orders_drawn_by_hash_and_writes_the_official_file(tmp_path: Path):
    figures = measured("longer", tmp_path, "vl-rewardbench", protocol="official")
    lines = [json.loads(line) for line in (tmp_path / "vl-rewardbench/outputs.jsonl").read_text().splitlines()]
    assert len(lines) == 10 * 18 and figures["samples"] == 10
    assert {line["meta"]["random_number"] for line in lines} == {0, 1}
    assert list(figures["official"]["by_k"]) == ["1", "3", "5", "7", "9"]
    needed = {"id", "query", "response", "ranking", "meta"}
    assert needed <= lines[0].keys() and {"flag_status", "filter_choice", "random_number"} <= lines[0]["meta"].keys()


def test_the_official_prompt_shows_text_first_then_the_image_and_responses_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    oracle = judged_by(lambda request: "Overall Judgment: Answer 1 is better.", monkeypatch)
    measured("oracle", tmp_path, "vl-rewardbench", protocol="official", samples=1, limit=2)
    text, image = oracle.asked[0].messages[0].content
    assert isinstance(text, str) and "Answer 1: It is a" in text and not isinstance(image, str)
    sampling = oracle.asked[0].sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (0.2, 0.2, 2048)


def test_official_multimodal_rewardbench_asks_once_with_output1_as_a(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    oracle = judged_by(lambda request: "[[A]]", monkeypatch)
    figures = measured("oracle", tmp_path, "multimodal-rewardbench", protocol="official")
    rows = {row["Text"]: row for row in json.loads((FIXTURES / "multimodal-rewardbench/all_data.json").read_text())}
    assert len(oracle.asked) == 15
    for request in oracle.asked:
        asked = str(request.messages[0].content[0])
        row = next(row for text, row in rows.items() if text in asked)
        assert asked.index(row["Output1"]) < asked.index(row["Output2"])
    assert figures["official"]["overall"] == figures["accuracy"]
    assert figures["official"]["groups"]["knowledge"]["total"] == 2


def test_the_official_multimodal_rewardbench_has_one_reply_to_an_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    replies = iter(["[[A]]", "[[B]]", "[[B]]"] * 15)
    judged_by(lambda request: next(replies), monkeypatch)
    figures = measured("oracle", tmp_path, "multimodal-rewardbench", protocol="official", samples=3)
    assert figures["official"]["n"] == 15


def test_replies_in_other_orders_are_not_counted_as_a_part_of_the_official_score(tmp_path: Path):
    measured("longer", tmp_path, "multimodal-rewardbench", protocol="paper")
    with pytest.raises(InputError, match="of 15 items have no reply in the order of the file"):
        rescore(tmp_path / "multimodal-rewardbench", "multimodal-rewardbench", protocol="official", k=None)


def test_replies_can_be_read_again_under_another_protocol_without_a_model(tmp_path: Path):
    figures = measured("longer", tmp_path, "vl-rewardbench", protocol="official")
    folder = tmp_path / "vl-rewardbench"
    again = rescore(folder, "vl-rewardbench", protocol="official", k=None)
    assert again["by_k"] == figures["official"]["by_k"]
    assert rescore(folder / "judgments.parquet", "vl-rewardbench", protocol="strict", k=5)["k"] == 5
    measured("longer", tmp_path / "strict", "vl-rewardbench")
    with pytest.raises(InputError, match="asked for under strict cannot be scored as official"):
        rescore(tmp_path / "strict/vl-rewardbench", "vl-rewardbench", protocol="official", k=None)
    with pytest.raises(InputError, match="asked for under official cannot be scored as paper"):
        rescore(folder, "vl-rewardbench", protocol="paper", k=None)
    same = rescore(tmp_path / "strict/vl-rewardbench", "vl-rewardbench", protocol="strict", k=None)
    assert same["pair_accuracy"] == json.loads((tmp_path / "strict/vl-rewardbench/result.json").read_text())["pair_accuracy"]


def test_a_result_says_everything_that_a_number_depends_on(tmp_path: Path):
    figures = measured("first", tmp_path, "multimodal-rewardbench")
    said = ("protocol", "protocol_version", "orders", "samples", "verdict_line", "sampling", "prompt_id", "parse_rate", "macro")
    assert set(said) <= figures.keys()
    assert {"sha256", "revision", "rows", "known_rows", "missing_images", "better_first"} <= figures["data"].keys()
    assert figures["macro8"] == 0.5 and figures["macro6"] == 0.5


def test_macro6_and_macro8_are_null_where_a_group_has_no_rows(tmp_path: Path):
    bench = named_benchmark(
        f"multimodal-rewardbench={FIXTURES / 'multimodal-rewardbench'}", allow_missing=True, exclude=["hateful_memes"]
    )
    figures = evaluate(
        find_contestant("first", RunFolder(tmp_path)), [bench], RunFolder(tmp_path), asking=Asking(), progress=no_progress
    )[0].as_json()
    assert figures["macro8"] is None and figures["macro6"] == 0.5


def test_acc_plus_wants_all_pairs_of_an_id_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def says(request: Request) -> str:
        asked = str(request.messages[0].content)
        first = asked.index("A circle.") < asked.index("A square.") if "A square." in asked else True
        return "[[A]]" if first else "[[B]]"

    judged_by(says, monkeypatch)
    figures = measured("oracle", tmp_path, "mm-rlhf-rewardbench")
    assert (figures["pair_accuracy"], figures["acc_plus"], figures["ids"]) == (1 / 3, 0.0, 2)


def test_a_tie_must_be_called_one_where_ties_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    judged_by(lambda request: "[[C]]" if "picture 2" in str(request.messages) else "[[A]]", monkeypatch)
    figures = measured("oracle", tmp_path / "official", "mllm-as-a-judge", protocol="official")
    assert (figures["accuracy_with_ties"], figures["accuracy_without_ties"], figures["ties_found"]) == (3 / 4, 2 / 3, 1.0)
    strict = measured("oracle", tmp_path / "strict", "mllm-as-a-judge")
    assert (strict["n"], strict["ties_left_out"]) == (3, 1)


def test_judgebench_forgives_an_unread_verdict_officially_and_not_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def says(request: Request) -> str:
        asked = str(request.messages[0].content)
        return "no idea" if asked.rindex("this") > asked.rindex("that ") else "[[A]]"

    judged_by(says, monkeypatch)
    assert measured("oracle", tmp_path / "o", "judgebench", protocol="official")["overall"] == 0.5
    strict = measured("oracle", tmp_path / "s", "judgebench")
    assert (strict["pair_accuracy"], strict["parse_rate"]) == (0.0, 0.5)


def test_mathematics_weighs_as_much_as_programming_and_half_a_point_is_for_the_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    judged_by(lambda request: "no idea" if "Task 3" in str(request.messages) else _good(request), monkeypatch)
    official = measured("oracle", tmp_path / "o", "rewardbench", protocol="official")
    assert official["sections"]["reasoning"] == pytest.approx((984 * 0.5 + 3) / 987)
    assert official["overall"] == pytest.approx((3 + official["sections"]["reasoning"]) / 4)
    assert measured("oracle", tmp_path / "s", "rewardbench")["sections"]["reasoning"] == pytest.approx(3 / 987)


def _good(request: Request) -> str:
    asked = str(request.messages[0].content[-1])
    return "[[A]]" if asked.index("good") < asked.index("bad") else "[[B]]"


def _rates(request: Request) -> str:
    """Ratings by the answer that is shown: right ones 9 or 8, wrong ones at most 5; one that is equal, and one that is none."""
    asked = str(request.messages[0].content[-1])
    shown = asked.partition("[Answer]\\n")[2] or asked.partition("[Answer]\n")[2]
    if "Task 2?" in asked:
        return "It is fine.\n\n9"
    if "Task 3?" in asked:
        return "I cannot say."
    return "Good.\n9" if shown.startswith("good 0") else "Good.\n8" if shown.startswith("good") else "Bad.\n5"


def test_official_rewardbench_2_rates_each_answer_by_itself_and_shares_the_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    oracle = judged_by(_rates, monkeypatch)
    figures = measured("oracle", tmp_path, "rewardbench-2", protocol="official")
    subsets = {"Factuality": 1.0, "Precise IF": 1.0, "Math": 0.25, "Safety": 0.25, "Focus": 1.0}  # four nines; no rating at all
    ties = 0.3 + 0.3 + 0.2 + 0.2 + 0.01 * math.tanh((8 - 5) / (9 - 8) - 1)

    assert figures["subsets"] == pytest.approx(subsets | {"Ties": ties})
    assert figures["overall"] == pytest.approx((3.5 + ties) / 6)
    assert len(oracle.asked) == figures["replies"] == 6 * 4 + (1 + 3) + (3 + 3) + (1 + 3) + (2 + 3)
    assert figures["dimensions"]["Math"] | {"ci95": 0} == {"n": 3, "accuracy": 0.0, "coverage": 0.0, "ci95": 0}
    assert (figures["n"], figures["accuracy"], figures["data"]["rows"]) == (39, 33 / 39, 10)
    (stored,) = measurements(tmp_path / "rewardbench-2")
    assert sum(right for (right,) in stored.rights.values()) == 33


def test_strict_rewardbench_2_wants_every_comparison_of_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def says(request: Request) -> str:
        asked = str(request.messages[0].content[-1])
        wrong = {"[[A]]": "[[B]]", "[[B]]": "[[A]]"}
        flipped = ("Task 4?" in asked or "Task tied:1?" in asked) and "bad 2" in asked
        return wrong[_good(request)] if flipped else _good(request)

    judged_by(says, monkeypatch)
    figures = measured("oracle", tmp_path, "rewardbench-2")
    assert figures["subsets"] == {"Factuality": 1, "Focus": 0.5, "Math": 1, "Precise IF": 1, "Safety": 1, "Ties": 0.75}
    assert figures["pair_accuracy"] == (39 - 1 - 2) / 39


def test_a_limit_counts_rows_and_never_cuts_one(tmp_path: Path):
    assert measured("longer", tmp_path, "rewardbench-2", limit=2)["n"] == 6


@pytest.mark.parametrize("name", [name for name in PLACES if name not in ("rewardbench-2", "vl-rewardbench")])
def test_a_baseline_answers_in_the_verdict_line_of_every_official_protocol(tmp_path: Path, name: str):
    figures = measured("first", tmp_path, name, protocol="official", samples=1, limit=2)
    assert (figures["parse_rate"], figures["first_position_rate"]) == (1.0, 1.0)


def test_a_baseline_is_not_asked_for_ratings(tmp_path: Path):
    with pytest.raises(InputError, match="longer compares responses and rates none"):
        measured("longer", tmp_path, "rewardbench-2", protocol="official")


def test_multi_crit_shows_whether_a_judge_follows_the_criterion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def says(request: Request) -> str:
        asked = str(request.messages[0].content[-1])
        return "Hm." if "Clarity" in asked else f"Because.\n\n**Response {2 if 'Completeness' in asked else 1} is better.**"

    judged_by(says, monkeypatch)
    figures = measured("oracle", tmp_path, "multi-crit", protocol="official")
    assert list(figures["open-ended"].values()) == pytest.approx([4, 3 / 4, 2 / 3, 1 / 2, 1.0, 1 / 2, 2, 1])
    assert list(figures["reasoning"].values()) == [2, 1 / 2, 1 / 2, 0.0, 0.0, 0.0, 1, 0]
    assert figures["dimensions"]["open-ended: clarity"]["coverage"] == 0.0
    assert "Multi" not in figures["prompt"] and figures["sampling"]["max_tokens"] == 8192


def test_strict_multi_crit_counts_what_both_orders_say(tmp_path: Path):
    figures = measured("longer", tmp_path, "multi-crit")
    assert figures["open-ended"]["overall"] == 2 / 4 and figures["open-ended"]["tos"] == 0.0  # it is the longer one, always
    assert measured("first", tmp_path / "f", "multi-crit")["reasoning"]["undecided"] == 2


def test_the_majority_of_the_samples_of_an_order_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    judged_by(lambda request: "hm" if request.key.endswith(".0") else _good(request), monkeypatch)
    figures = measured("oracle", tmp_path, "rewardbench", samples=3)
    assert figures["pair_accuracy"] == 1.0 and figures["parse_rate"] == pytest.approx(2 / 3)
    assert figures["sampling"]["temperature"] == 0.6  # greedy samples would all be the same


def test_probabilities_decide_where_the_verdicts_of_both_orders_disagree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def says(request: Request) -> dict[str, Any]:
        """Always A in words, but far surer of it when the good response is there."""
        sure = -0.01 if _good(request) == "[[A]]" else -0.6
        other = -4.6 if _good(request) == "[[A]]" else -0.8
        tokens = (
            Token(text="[[", logprobs=()),
            Token(text="A", logprobs=(("A", sure), ("B", other))),
            Token(text="]]", logprobs=()),
        )
        return {"text": "[[A]]", "tokens": tokens}

    judged_by(says, monkeypatch)
    figures = measured("oracle", tmp_path, "rewardbench")
    assert figures["pair_accuracy"] == 0.0
    assert (figures["logprob"]["accuracy"], figures["logprob"]["coverage"]) == (1.0, 1.0)


def test_probabilities_are_read_at_the_number_of_an_overall_judgment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def says(request: Request) -> dict[str, Any]:
        head = Token(text="Overall Judgment: Answer ", logprobs=())
        number = Token(text="2", logprobs=(("1", -2.3), ("2", -0.1)))
        return {"text": "Overall Judgment: Answer 2 is better.", "tokens": (head, number, Token(text=" is better.", logprobs=()))}

    judged_by(says, monkeypatch)
    measured("oracle", tmp_path, "vl-rewardbench", protocol="official", samples=1)
    import pyarrow.parquet as pq

    chances = pq.read_table(tmp_path / "vl-rewardbench/judgments.parquet")["probability"].to_pylist()
    assert chances[0] == pytest.approx(0.0997, abs=1e-3) and len(set(chances)) == 1


def test_a_failed_request_is_wrong_and_counted_and_is_a_coin_to_the_official_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    refused = {"finish": Finish.ERROR, "error": "too large", "refused": True}
    replies = iter(["I cannot tell."])
    judged_by(lambda request: next(replies, refused), monkeypatch)
    figures = measured("oracle", tmp_path, "multimodal-rewardbench", protocol="official")
    assert figures["accuracy"] == 0.0 and figures["problems"] == {"no_verdict": 1, "engine_failure": 14}
    assert figures["official"]["coin"] == 15


def test_another_protocol_in_the_same_folder_is_stored_beside_the_first(tmp_path: Path):
    strict, official = (measured("longer", tmp_path, "judgebench", protocol=name) for name in ("strict", "official"))
    assert measured("longer", tmp_path, "judgebench") == strict and "overall" in official
    assert {m.protocol for m in measurements(tmp_path)} == {"strict, version 2", "official, version 2"}


def test_a_prompt_of_ones_own_names_the_protocol(tmp_path: Path):
    figures = measured("first", tmp_path / "a", "vl-rewardbench")
    assert figures["protocol"] == "strict"
    template = "{question}\n<1>{first}</1>\n<2>{second}</2>"
    asking = {"template": template}
    assert evaluation._protocol("vl-rewardbench", _plain(), Asking(**asking)).name.startswith("strict+prompt-")


def _plain() -> Contestant:
    return Contestant(name="x", identity={}, template=None, open=lambda: Oracle(lambda request: ""))


def test_a_benchmark_lacks_a_protocol_with_an_error_that_names_the_others(tmp_path: Path):
    with pytest.raises(InputError, match="judgebench has no protocol called paper") as error:
        measured("first", tmp_path, "judgebench", protocol="paper")
    assert "strict, official" in str(error.value.hint)


def test_several_benchmarks_share_a_folder_and_the_same_call_changes_nothing(tmp_path: Path):
    names = ("vl-rewardbench", "judgebench")
    benches = [named_benchmark(f"{name}={FIXTURES / PLACES[name]}") for name in names]
    first = evaluate(
        find_contestant("random", RunFolder(tmp_path)), benches, RunFolder(tmp_path), asking=Asking(), progress=no_progress
    )
    before = digests(tmp_path)
    again = evaluate(
        find_contestant("random", RunFolder(tmp_path)), benches, RunFolder(tmp_path), asking=Asking(), progress=no_progress
    )
    assert [r.benchmark for r in first] == list(names) and first == again and digests(tmp_path) == before


@pytest.mark.parametrize(("protocol", "overall", "missing"), [("official", 4 / 5, 1), ("strict", 4 / 6, 1)])
def test_predictions_of_mmrb2_are_scored_forward_and_reversed(protocol: str, overall: float, missing: int):
    from selfjudge.benchmarks.mmrb2 import score

    path = FIXTURES / "mmrb2/predictions/reasoning.json"
    figures = score(path, protocol=protocol, k=None, data=str(FIXTURES / "mmrb2/reasoning.json"))
    assert (figures["overall"], figures["missing"]) == (overall, missing)
    assert figures["pair_accuracy"] == 1 / 3
