"""Word differences and what a page may show of foreign texts."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.report.differences import marked, visible


@pytest.mark.parametrize(
    ("one", "other", "lacking", "added"),
    [
        ("three red boats", "four red boats", ["three"], ["four"]),
        ("a dog", "a dog", [], []),
        ("", "cat", [], ["cat"]),
        ("on the left, a cat", "on the right, a dog", ["left", "cat"], ["right", "dog"]),
        ("a big red car", "a small blue car", ["big red"], ["small blue"]),
        ("图中有三枚硬币", "图中有四枚硬币", ["图中有三枚硬币"], ["图中有四枚硬币"]),
        ("3.5 m", "3.7 m", ["5"], ["7"]),
    ],
)
def test_words_that_the_other_text_lacks_are_marked(one: str, other: str, lacking: list[str], added: list[str]):
    left, right = marked(one, other)
    assert [text for differs, text in left if differs] == lacking
    assert [text for differs, text in right if differs] == added


@given(st.text(), st.text())
def test_the_pieces_are_the_texts(one: str, other: str):
    for text, pieces in zip((one, other), marked(one, other), strict=True):
        assert "".join(piece for _, piece in pieces) == text and all(piece for _, piece in pieces)


def test_long_texts_are_compared_at_once():
    one, other = ("word " * 50_000 + tail * 20_000 for tail in ("a ", "b "))
    started = time.monotonic()
    left, _ = marked(one, other)
    assert time.monotonic() - started < 2 and len(left) == 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b\x1b[31m", "a[U+0000]b[U+001B][31m"),
        ("\u202eabc", "[U+202E]abc"),
        ("a\u2028b\ufeff", "a[U+2028]b[U+FEFF]"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("half \ud83d emoji", "half \\ud83d emoji"),
        ("x" * 2_001, "x" * 2_000 + " … 1 more characters"),
    ],
)
def test_what_acts_is_named_and_what_is_long_is_cut(text: str, shown: str):
    assert visible(text) == shown
