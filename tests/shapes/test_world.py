"""The drawn world: scenes, pictures, questions and their truth agree, and the two sides of the split never meet."""

from __future__ import annotations

import ast
import hashlib
import random
from io import BytesIO
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import selfjudge
from runs import no_progress
from selfjudge.ports import RawPrompt
from selfjudge.recipe.experiment import Evaluation
from selfjudge.recipe.inputs import Domain, ShapesBench, ShapesSource
from selfjudge.shapes.benchmark import DIMENSIONS, ShapesBenchmark
from selfjudge.shapes.drawing import SIDE, digit_scans, draw, photographs
from selfjudge.shapes.lessons import draw_lesson
from selfjudge.shapes.prompts import ShapesPrompts
from selfjudge.shapes.questions import ask
from selfjudge.shapes.scenes import MAX_OBJECTS, POSITIONS, SIZES, draw_scene
from selfjudge.shapes.truth import answer, caption, choices, first_difference, join, slip, wrong_answer
from selfjudge.shapes.wording import SLOTS, vocabulary
from selfjudge.types import Kind

SEEDS = st.integers(0, 10**6)


@given(SEEDS, st.booleans())
def test_a_scene_is_on_the_side_that_was_asked_for_and_has_one_object_a_cell(seed: int, held_out: bool):
    scene = draw_scene(random.Random(seed), held_out=held_out)
    cells = [thing.cell for thing in scene.objects]
    assert scene.held_out is held_out
    assert 1 <= len(cells) <= MAX_OBJECTS and cells == sorted(set(cells))


def test_the_two_sides_of_the_split_share_no_scan_of_a_digit():
    seen, kept = digit_scans(False), digit_scans(True)
    for digit in range(10):
        for size in range(len(SIZES)):
            ours, theirs = ({scan.tobytes() for scan in side[digit][size]} for side in (seen, kept))
            assert ours and theirs and not ours & theirs


def test_a_picture_is_the_same_for_the_same_seed_and_shows_its_objects():
    scene = draw_scene(random.Random(3), held_out=False, objects=2)
    one, other = (draw(scene, random.Random(1)) for _ in range(2))
    assert one.shape == (SIDE, SIDE, 3) and one.dtype == np.uint8 and (one == other).all()
    busy = {thing.cell for thing in scene.objects}
    spread = [one[c // 3 * 16 :, c % 3 * 16 :][:16, :16].astype(float).std() for c in range(len(POSITIONS))]
    assert all((spread[cell] > 15) == (cell in busy) for cell in range(len(POSITIONS)))


def test_the_two_sides_of_the_split_share_no_part_of_a_photograph():
    for ours, theirs in zip(photographs(False), photographs(True), strict=True):
        assert ours.shape[1] + theirs.shape[1] == 640 and min(ours.shape[1], theirs.shape[1]) >= 160
        assert not {column.tobytes() for column in ours.swapaxes(0, 1)} & {column.tobytes() for column in theirs.swapaxes(0, 1)}


def test_a_domain_changes_how_a_scene_looks_and_nothing_else():
    questions = {d: [(raw.text, raw.kind) for raw in shapes(domain=d)] for d in get_args(Domain)}
    pictures = {d: [raw.images for raw in shapes(domain=d)] for d in get_args(Domain)}
    assert all(asked == questions["plain"] for asked in questions.values())
    assert all(sum(map(tuple.__ne__, shown, pictures["plain"])) >= 17 for d, shown in pictures.items() if d != "plain")


def test_plain_pictures_have_always_looked_like_this():
    pixels = b"".join(Image.open(BytesIO(raw.images[0])).tobytes() for raw in shapes())  # type: ignore[arg-type]
    assert hashlib.sha256(pixels).hexdigest().startswith("f8410aca6aca28d4")


def test_a_lighter_photograph_is_lighter_and_the_objects_stay():
    scene = draw_scene(random.Random(3), held_out=False, objects=1)
    dim, light = (draw(scene, random.Random(1), "photo", brightness).astype(float) for brightness in (0.2, 0.9))
    busy = np.zeros((SIDE, SIDE), bool)
    cell = scene.objects[0].cell
    busy[cell // 3 * 16 + 6 :, cell % 3 * 16 + 6 :][:4, :4] = True
    assert (light - dim)[~busy].mean() > 30 > abs((light - dim)[busy].mean())


def shapes(**options: Any) -> list[RawPrompt]:
    return list(ShapesPrompts(ShapesSource(kind="shapes", limit=20, seed=5, **options)))


@given(SEEDS)
def test_every_question_has_one_true_answer_among_its_choices(seed: int):
    rng = random.Random(seed)
    scene = draw_scene(rng, held_out=False)
    question = ask(scene, rng)
    assert answer(scene, question) in choices(question.asks)
    assert wrong_answer(scene, question, rng) in set(choices(question.asks)) - {answer(scene, question)}


@given(SEEDS)
def test_a_slip_changes_one_word_to_a_false_one(seed: int):
    rng = random.Random(seed)
    scene = draw_scene(rng, held_out=False)
    objects = [thing.words for thing in scene.objects]
    number, slot = rng.randrange(len(objects)), rng.choice(SLOTS)
    wrong = slip(objects, number, slot, rng)
    differing = [(i, j) for i, words in enumerate(objects) for j, word in enumerate(words) if word != wrong.objects[i][j]]
    assert differing == [(number, SLOTS.index(slot))]
    assert len({words[0] for words in wrong.objects}) == len(objects)
    shared, before, after = first_difference(join(objects), join(wrong.objects))
    assert (before, after) == (wrong.before, wrong.after) and join(objects).startswith(shared)


def test_half_of_the_existence_questions_are_true():
    rng = random.Random(0)
    replies = []
    while len(replies) < 2_000:
        scene = draw_scene(rng, held_out=False)
        if (question := ask(scene, rng)).asks == "existence":
            replies.append(answer(scene, question))
    assert 0.45 < replies.count("yes") / len(replies) < 0.58


def test_every_word_of_the_world_is_known_whole():
    known = set(vocabulary())
    rng = random.Random(0)
    for _ in range(2_000):
        for asked, reply in draw_lesson(rng).turns:
            words = f"{asked} {reply}".replace("\nA:", " ").replace("\nB:", " ")
            assert {w.strip(",?:.") for w in words.split()} <= known


def test_prompts_carry_no_answer_and_the_same_seed_gives_the_same_ones():
    one, other = (list(ShapesPrompts(ShapesSource(kind="shapes", limit=20, seed=5))) for _ in range(2))
    assert one == other
    assert sum(raw.kind is Kind.OPEN for raw in one) == 5
    assert one != list(ShapesPrompts(ShapesSource(kind="shapes", limit=20, seed=6)))


def bench(**options: Any) -> tuple[list, dict[str, bytes]]:
    images: dict[str, bytes] = {}
    items = ShapesBenchmark(ShapesBench(name="shapes-bench", **options)).load(
        lambda ref, data: images.__setitem__(ref.sha256, data), no_progress
    )
    return list(items.items), images


def test_the_benchmark_has_all_dimensions_and_levels_in_equal_shares():
    items, images = bench(pairs=200)
    assert len({item.pair.id for item in items}) == 200
    assert all(sum(item.dimension == name for item in items) == 40 for name in DIMENSIONS)
    assert [sum(item.level == level for item in items) for level in ("easy", "medium", "hard")] == [100, 50, 50]
    assert set(images) == {item.pair.prompt.images[0].sha256 for item in items}


def test_the_benchmark_is_the_same_for_the_same_seed():
    assert bench(pairs=50)[0] == bench(pairs=50)[0] != bench(pairs=50, seed=1)[0]


def test_the_benchmark_of_a_domain_asks_the_same_pairs_about_other_pictures():
    plain, photo = bench(pairs=50), bench(pairs=50, domain="photo")
    texts = [[(i.pair.prompt.text, i.pair.chosen, i.pair.rejected) for i in items] for items, _ in (plain, photo)]
    assert texts[0] == texts[1] and not plain[1].keys() & photo[1].keys()


def test_one_recipe_may_measure_on_several_domains_but_on_each_once():
    photo = {"name": "shapes-bench", "domain": "photo"}
    both = Evaluation(benchmarks=({"name": "shapes-bench"}, photo)).benchmarks
    assert [ShapesBenchmark(recipe).name for recipe in both] == ["shapes-bench", "shapes-bench-photo"]
    with pytest.raises(ValueError, match="two benchmarks are called `shapes-bench-photo`"):
        Evaluation(benchmarks=(photo, photo))


def test_nothing_that_the_loop_or_the_training_sees_is_in_the_benchmark():
    """Scenes are disjoint by construction; here are the pictures and the captions of thousands of each."""
    images = set(bench(pairs=500)[1].values())
    captions = {item.pair.chosen for item in bench(pairs=500)[0] if item.dimension == "caption"}
    prompts = list(ShapesPrompts(ShapesSource(kind="shapes", limit=2_000)))
    assert not images & {raw.images[0] for raw in prompts}
    rng = random.Random(0)
    lessons = [draw_lesson(rng) for _ in range(5_000)]
    assert not captions & {reply for lesson in lessons for _, reply in lesson.turns}
    assert all(not draw_scene(random.Random(seed), held_out=False).held_out for seed in range(2_000))


@pytest.mark.parametrize("module", ["prompts", "questions", "drawing", "scenes"])
def test_what_serves_the_loop_does_not_import_the_truth(module: str):
    tree = ast.parse((Path(selfjudge.__file__).parent / f"shapes/{module}.py").read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "truth" not in imported and not {"lessons", "skills", "benchmark"} & imported


def test_a_caption_names_the_objects_in_reading_order():
    scene = draw_scene(random.Random(1), held_out=False, objects=3)
    parts = [part.split() for part in caption(scene).split(", ")]
    assert [POSITIONS.index(words[0]) for words in parts] == [thing.cell for thing in scene.objects]
