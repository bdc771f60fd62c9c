"""What counts as shown before: the same bytes or pixels, the same look, the same specific text, and nothing less."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfjudge.method.contamination import (
    HASH_BITS,
    SPECIFIC_WORDS,
    Appearance,
    HitKind,
    Index,
    IndexedItem,
    Query,
    alike,
    is_flat,
    normalised,
    word_count,
)

LONG = "Which of the two people on the left bench is holding the folded red umbrella today?"


def look(seed: int, *, flips: int = 0, noise: float = 0.0, name: str | None = None) -> Appearance:
    """The look of picture number `seed`, or of a copy of it: hash bits flipped, thumbnail disturbed."""
    rng = np.random.default_rng(seed)
    phash = int(rng.integers(2**64, dtype=np.uint64)) ^ ((1 << flips) - 1)
    colours = rng.integers(0, 256, 768) + np.random.default_rng(99).normal(0, 1, 768) * noise
    own = name or f"{seed}-{flips}-{noise}"
    return Appearance(sha256=own, pixels=own, phash=phash, thumbnail=np.clip(colours, 0, 255).astype(np.uint8).tobytes())


def flat(level: int) -> Appearance:
    return Appearance(sha256=f"flat {level}", pixels=f"flat {level}", phash=0, thumbnail=bytes([level] * 768))


def entry(item: str, text: str = "what?", *looks: Appearance, benchmark: str = "b") -> IndexedItem:
    return IndexedItem(benchmark=benchmark, item=item, text=text, looks=looks)


def kinds(index: Index, text: str, *looks: Appearance) -> dict[str, tuple[tuple[int, ...], int]]:
    [hits] = index.search([Query(text=text, looks=looks)])
    return {str(hit.kind): (hit.items, hit.distance) for hit in hits}


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Describe  the\nImage.", "describe the image"),
        ("<image>\nHow many?", "how many"),
        ("<image 1> and <IMAGE_2>: which?", "and which"),
        ("“Who’s” there…", "who s there"),
        ("ｆｕｌｌ ｗｉｄｔｈ ²", "full width 2"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("हिन्दी में?", "हिन्दी में"),
        ("what?!  ", "what"),
        ("<image>", ""),
        ("…", ""),
    ],
)
def test_a_text_is_reduced_to_its_words(text: str, same: str):
    assert normalised(text) == same


@given(st.text())
def test_reducing_a_reduced_text_changes_nothing(text: str):
    assert normalised(normalised(text)) == normalised(text)


@given(
    st.lists(st.sampled_from(["cat", "Hat", "7", "ÄON"]), min_size=1), st.sampled_from([", ", "  ", " - ", "!\n", " <image> "])
)
def test_case_punctuation_and_white_space_do_not_count(words: list[str], between: str):
    assert normalised(between.join(words).upper() + "?") == normalised(" ".join(words))


@pytest.mark.parametrize(("text", "count"), [("", 0), ("how many cats", 3), ("図の中に猫は何匹", 8), ("abc 図", 2)])
def test_words_are_counted_and_wide_characters_one_by_one(text: str, count: int):
    assert word_count(text) == count


def test_the_same_bytes_or_the_same_pixels_are_exact():
    bench, reencoded = look(1, name="bytes"), look(1, name="other bytes")
    index = Index([entry("0", "a?", look(2)), entry("1", "b?", bench)])
    assert kinds(index, "c?", bench) == {"exact": ((1,), 0)}
    same_pixels = Appearance(sha256="new", pixels=bench.pixels, phash=0, thumbnail=bytes(768))
    assert kinds(index, "c?", same_pixels) == {"exact": ((1,), 0)}
    assert kinds(index, "c?", reencoded) == {"perceptual": ((1,), 0)}


@pytest.mark.parametrize(
    ("copy", "found"),
    [
        (look(1, flips=HASH_BITS), True),
        (look(1, flips=HASH_BITS + 1), False),
        (look(1, noise=5.0), True),
        (look(1, noise=60.0), False),
        (look(2), False),
    ],
)
def test_the_hash_proposes_and_the_thumbnail_confirms(copy: Appearance, found: bool):
    index = Index([entry("0", "a?", look(1))])
    assert ("perceptual" in kinds(index, "b?", copy)) is found is alike(look(1), copy)


def test_hashes_that_coincide_on_different_pictures_are_no_hit():
    coincident = Appearance(sha256="x", pixels="x", phash=look(1).phash, thumbnail=look(2).thumbnail)
    assert kinds(Index([entry("0", "a?", look(1))]), "b?", coincident) == {}


def test_flat_pictures_are_hit_exactly_or_not_at_all():
    index = Index([entry("0", "a?", flat(100))])
    assert is_flat(flat(100)) and not is_flat(look(1))
    assert kinds(index, "b?", flat(101)) == {} and not alike(flat(100), flat(101))
    assert kinds(index, "b?", flat(100)) == {"exact": ((0,), 0)}


def test_the_nearest_item_comes_first_and_one_that_is_the_same_is_not_told_twice():
    index = Index([entry(str(n), f"{n}?", look(1, flips=flips)) for n, flips in enumerate((5, 1, 3))])
    assert kinds(index, "x?", look(1, name="new")) == {"perceptual": ((1, 2, 0), 1)}
    assert kinds(index, "x?", look(1, flips=1)) == {"exact": ((1,), 0), "perceptual": ((2, 0), 2)}


def test_any_image_of_a_prompt_and_any_image_of_an_item_can_hit():
    index = Index([entry("0", "a?", look(1), look(2))])
    assert kinds(index, "b?", look(3), look(2)) == {"exact": ((0,), 0)}


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        ([LONG], HitKind.TEXT),
        (["Describe the image."], HitKind.GENERIC_TEXT),
        ([LONG, LONG.upper()], HitKind.GENERIC_TEXT),
        (["Describe this"], None),
    ],
)
def test_a_text_condemns_only_when_it_is_long_and_one_items_alone(texts: list[str], kind: HitKind | None):
    index = Index([entry(str(n), text) for n, text in enumerate(texts)])
    [hits] = index.search([Query(text=f"<image>\n{texts[0].lower()}!" if kind else "describe that", looks=())])
    assert [hit.kind for hit in hits] == ([] if kind is None else [kind])
    assert any(hit.condemns for hit in hits) is (kind is HitKind.TEXT)


def test_a_text_that_two_benchmarks_share_is_still_specific():
    assert len(LONG.split()) >= SPECIFIC_WORDS
    index = Index([entry("0", LONG, benchmark="one"), entry("0", LONG, benchmark="other")])
    assert kinds(index, LONG) == {"text": ((0, 1), 0)}


def test_an_empty_text_and_an_empty_index_hit_nothing():
    assert kinds(Index([entry("0", "?!")]), "…") == {}
    assert kinds(Index([]), LONG, look(1)) == {}
    assert Index([]).search([]) == []


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12), st.sampled_from([0.0, 5.0, 30.0, 60.0])), max_size=40))
def test_blocks_find_what_comparing_one_by_one_finds(copies: list[tuple[int, int, float]]):
    shown = [look(seed) for seed in range(6)]
    index = Index([entry(str(n), f"{n}?", picture) for n, picture in enumerate(shown)])
    queries = [look(seed, flips=flips, noise=noise, name=f"copy {n}") for n, (seed, flips, noise) in enumerate(copies)] * 10
    found = index.search([Query(text="x", looks=(query,)) for query in queries])
    for query, hits in zip(queries, found, strict=True):
        assert {n for hit in hits for n in hit.items} == {n for n, picture in enumerate(shown) if alike(query, picture)}
