"""The cards of a judge say what it was made of and how good it is, hold no path, and are no part of what is sealed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import yaml

from runs import digests, run_recipe, scripted_recipe
from selfjudge import Judge
from selfjudge.recipe.inputs import DatasetSource, FilesSource, ShapesSource
from selfjudge.report.card import judge_card, pairs_card
from selfjudge.run.cards import _origin, _writing
from selfjudge.run.lineage import licence_of, lineage
from selfjudge.shapes.drawing import draw
from selfjudge.shapes.prompts import png
from selfjudge.shapes.scenes import draw_scene


def card(folder: Path, number: int) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Of the judge of an iteration: its facts, the head of its README and its text."""
    judge = folder / f"iteration-{number}/judge"
    _, head, text = (judge / "README.md").read_text().split("---\n", 2)
    return json.loads((judge / "selfjudge.json").read_text()), yaml.safe_load(head), text


def test_a_card_says_what_the_judge_was_made_of_and_how_good_it_is(scripted_run: tuple[Path, dict[str, Any]]):
    folder, state = scripted_run
    for number in (1, 2):
        facts, head, text = card(folder, number)
        measured = state["iterations"][number]["benchmarks"]["shapes-bench"]
        assert facts["metrics"]["shapes-bench"]["ci95"] == list(measured["ci95"])
        assert (
            facts["metrics_of_base"]["shapes-bench"]["accuracy"]
            == state["iterations"][0]["benchmarks"]["shapes-bench"]["accuracy"]
        )
        made = [{name: entry[name] for name in ("iteration", "pairs", "kept", "traces")} for entry in state["iterations"][1:]]
        assert facts["data"]["iterations"] == made[:number]
        assert facts["data"]["sources"][0]["prompts"] == 60
        assert facts["judging"]["template"].strip() in text and facts["recipe"] in text
        assert {"selfjudge", "transformers"} <= facts["versions"].keys()
        assert head["library_name"] == "transformers" and head["license"] == "apache-2.0" and "judge" in head["tags"]
        assert "Its figures say nothing about photographs" in text and "Nothing was trained here" in text
        assert f"vllm serve RUN/iteration-{number}/judge" in text
        compile(facts["serve"]["python"], "card", "exec")


@pytest.mark.parametrize(
    ("changes", "here", "absent"),
    [
        ([], ["against another one", "in both orders"], ["by its judges", "by judges trained", "As a control"]),
        (["closed.model=judge"], ["to closed prompts, by its judges", "to closed prompts, by judges trained from it"], []),
        (["open.model=judge", "closed.model=judge"], ["selfjudge and by its judges", ") and by judges trained from it"], []),
        (["closed.alternative=pooled"], ["against an answer that won the vote on another question"], ["against another one"]),
        (["labels=coin"], ["a coin decided", "a coin decided which of the two is called `chosen`"], []),
        (["labels=flipped"], ["the worse of the two is called the better one", "the worse is called `chosen`"], []),
    ],
    ids=lambda value: value[0] if value else "",
)
def test_cards_say_who_wrote_the_responses_and_what_a_majority_stood_against(
    scripted_run: tuple[Path, dict[str, Any]], changes: list[str], here: list[str], absent: list[str]
):
    recipe = scripted_recipe(*(f"synthesis.{change}" for change in changes))
    facts = {**card(scripted_run[0], 1)[0], "synthesis": _writing(recipe.synthesis)}
    text = judge_card({**facts, "executions": []}) + pairs_card(facts, "demo", True, [])
    assert all(words in text for words in here) and not any(words in text for words in absent), text
    assert "huggingface.co" not in text and "](https://huggingface.co/me/judge)" in pairs_card(facts, "me/judge", True, [])


def test_pairs_of_a_run_whose_card_is_from_before_it_named_the_writers_have_a_card(scripted_run: tuple[Path, dict[str, Any]]):
    facts = card(scripted_run[0], 1)[0]
    assert facts.pop("synthesis")["closed"] == {"model": "base", "alternative": "typed"}
    assert "by judges trained from it" in pairs_card(facts, "demo", True, [])


def test_a_judge_with_cards_loads(scripted_run: tuple[Path, dict[str, Any]]):
    Judge.load(scripted_run[0] / "iteration-1/judge", device="cpu").close()


def test_cards_that_are_lost_are_written_again_and_nothing_else_is(tmp_path: Path):
    run_recipe(scripted_recipe(), tmp_path)
    before = digests(tmp_path)
    weights = tmp_path / "iteration-1/judge/model.safetensors"
    trained = weights.stat().st_mtime_ns
    (tmp_path / "iteration-1/judge/README.md").unlink()
    unchanged = (tmp_path / "iteration-2/judge/README.md").stat().st_mtime_ns
    run_recipe(scripted_recipe(), tmp_path)
    assert digests(tmp_path) == before and weights.stat().st_mtime_ns == trained
    assert (tmp_path / "iteration-2/judge/README.md").stat().st_mtime_ns == unchanged


def test_a_base_of_the_hub_is_named_with_its_commit():
    recipe, base = scripted_recipe("model=org/vlm@v1"), Path("cache/snapshots") / ("c" * 40)
    named = _origin(recipe, base)["base"]
    assert (named["name"], named["hub"], named["commit"]) == ("org/vlm", "org/vlm", "c" * 40)


def test_a_card_names_no_place_on_this_machine(tmp_path: Path):
    data = tmp_path / "data"
    data.mkdir()
    for number in range(12):
        rng = random.Random(number)
        (data / f"{number}.png").write_bytes(png(draw(draw_scene(rng, held_out=False), rng)))
    rows = [{"prompt": f"How many objects are there, {number}?", "image": f"{number}.png"} for number in range(12)]
    (data / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (data / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n# mine\n")
    recipe = scripted_recipe(f"prompts=[{{kind: files, path: {data / 'prompts.jsonl'}}}]", "loop.iterations=1")
    run_recipe(recipe, tmp_path / "run")
    facts, head, text = card(tmp_path / "run", 1)
    wanted = {"kind": "files", "name": "prompts.jsonl", "revision": None, "licence": "cc-by-nc-4.0", "prompts": 12}
    assert facts["data"]["sources"] == [wanted]
    assert str(tmp_path) not in json.dumps([facts, head]) + text


def test_each_source_has_its_own_count(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    for name in ("one.jsonl", "two.jsonl"):
        (tmp_path / "folder" / name).write_text("")
    sources = [
        FilesSource(kind="files", path=tmp_path / "folder"),
        ShapesSource(kind="shapes", seed=7),
        DatasetSource(kind="dataset", path="org/name", split="test"),
    ]
    taken = ["prompts.0/one.jsonl:1", "prompts.0/two.jsonl:5", "prompts.0/two.jsonl:6", "prompts.1/shapes-7:1"]
    taken += ["prompts.2/org/name/test:3", "prompts.2/org/name/test:4"]
    assert [entry["prompts"] for entry in lineage(sources, taken)] == [3, 1, 2]


def test_a_data_set_of_the_hub_is_known_by_the_card_that_was_fetched_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    cached = tmp_path / "datasets--org--name"
    (cached / "snapshots" / ("c" * 40)).mkdir(parents=True)
    (cached / "snapshots" / ("c" * 40) / "README.md").write_text("---\nlicense: [mit, other]\n---\n")
    names = ("org/name", "org/other")
    [known, unknown] = lineage([DatasetSource(kind="dataset", path=name, revision="c" * 40) for name in names], [])
    assert (known["revision"], known["licence"]) == ("c" * 40, "mit, other")
    assert (unknown["revision"], unknown["licence"]) == ("c" * 40, None)


@pytest.mark.parametrize(
    ("head", "licence"),
    [
        ("license: mit\n", "mit"),
        ("tags: [a]\nlicense: apache-2.0  # ours\nlanguage: en\n", "apache-2.0"),
        ("license:\n- mit\n# both\n- other\nlanguage: en\n", "mit, other"),
        ('license:\n    - "cc-by-4.0"\n\n    - 3\n', "cc-by-4.0"),
        ("license: &l mit\nother: *l\n", "mit"),
        ("license_name: own\nlicense:\nx: 1\n", None),
        ("license: [\n", None),
        ("- a list\n", None),
        ("license: {a: mit}\n", None),
        ("license: [[mit], {a: b}]\n", None),
        ("license: !!python/name:os.system ls\n", None),
        ("license: " + "[" * 5_000 + "\n", None),
    ],
)
def test_a_licence_is_a_text_or_a_list_of_texts(tmp_path: Path, head: str, licence: str | None):
    for text in (f"---\n{head}---\nlicense: body\n", f"\ufeff---\r\n{head}---\r\n".replace("\n", "\r\n").replace("\r\r", "\r")):
        (tmp_path / "README.md").write_bytes(text.encode())
        assert licence_of(tmp_path / "README.md") == licence


@pytest.mark.parametrize("where", ["license", "other"])
@pytest.mark.parametrize("form", ["[{}]", "{{<<: [{}]}}"])
def test_aliases_in_a_strangers_card_take_no_time(tmp_path: Path, where: str, form: str):
    levels = "".join(f"a{n}: &a{n} {form.format(', '.join([f'*a{n - 1}'] * 9))}\n" for n in range(1, 10))
    (tmp_path / "README.md").write_text(f"---\na0: &a0 {{x: y}}\n{levels}{where}: [*a9, *a9]\n---\n")
    assert licence_of(tmp_path / "README.md") is None
    nested = "license: [&a0 [mit], " + ", ".join(f"&a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)) + "]"
    (tmp_path / "README.md").write_text(f"---\n{nested}\n---\n")
    assert licence_of(tmp_path / "README.md") is None


@pytest.mark.parametrize("text", ["no head", "--", "", "license: mit", "---\n" + "x: y\n" * 300_000 + "license: mit\n---\n"])
def test_a_card_without_a_head_or_with_one_beyond_reason_names_no_licence(tmp_path: Path, text: str):
    (tmp_path / "README.md").write_text(text)
    assert licence_of(tmp_path / "README.md") is None
    assert licence_of(tmp_path / "missing.md") is licence_of(tmp_path) is None
