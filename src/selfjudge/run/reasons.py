"""Why rows are refused and pairs are dropped: each reason with its meaning and what to change, for whatever explains one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import InputError
from ..figures import Explanation, Refusal, RefusedRow

EXAMPLES = 3
SAME = "same images and text as "
"""How the detail of a duplicate begins; the place of the row that is used follows."""

_ALL = "(docs/reasons.md explains every reason.)"

REFUSED = {
    "invalid_json": ("The line is not a JSON object.", "Write one JSON object a line, in UTF-8 and unpacked."),
    "invalid_text": (
        "A text is not valid Unicode, such as half an emoji, or the file is in another encoding.",
        "Save the file as UTF-8; if it is, mend the text, which may have been cut within a character.",
    ),
    "no_prompt": ("The row has no instruction.", "Call its column `prompt`, or name it: `columns: {prompt: NAME}`."),
    "no_image": (
        "The row has no image.",
        "Give a path, bytes or a data URL in `image`, a list in `images`, or name the column: `columns: {image: NAME}`. "
        "`allow_text_only: true` takes prompts without one.",
    ),
    "images_twice": (
        "The row names images in two places, which differ.",
        "Leave one of them out, or name the one that counts: `columns: {images: NAME}`.",
    ),
    "unknown_kind": ("`kind` is neither open nor closed.", "Write `open` or `closed`, or leave `kind` out."),
    "image_missing": ("The image cannot be read at its path.", "Relative paths start at the folder of the prompt file."),
    "not_fetched": (
        "The image is at an address, and addresses are not fetched.",
        "Download it and name the file, or set `fetch_urls: true` for this source (http and https).",
    ),
    "fetch_failed": (
        "The image could not be fetched from its address.",
        "Open the address in a browser; download the image and name the file.",
    ),
    "private_address": (
        "The address of the image leads to this machine or into a private network.",
        "Download the image and name the file: `fetch_urls` asks public addresses only.",
    ),
    "image_marks": (
        "The marks of images in the instruction (`<image>` and the like) do not fit its images.",
        "Write one for each image, all before or all after the text, or none: images are shown where the template has them.",
    ),
    "invalid_row": (
        "The row cannot be read.",
        "Compare it with the header: too many cells, or a quotation mark too few.",
    ),
    "outside_folder": (
        "The image lies outside of the folder of the prompt file.",
        "Move it there, or set `allow_outside` for this source if you trust its rows.",
    ),
    "not_a_file": ("The image is a folder, a pipe or a device.", "Name the image file."),
    "too_many_bytes": ("The image file is too large to be read.", "Make the image smaller."),
    "not_an_image": ("The file or the bytes are no image of a known format.", "Convert it to PNG, JPEG or WebP."),
    "too_many_pixels": ("The image has more pixels than the recipe allows.", "Raise `max_pixels`, or make the image smaller."),
    "truncated": ("The end of the image file is missing.", "Get the file again."),
    "unreadable": ("The image is damaged.", "Get the file again, or convert it."),
    "duplicate": ("Another row has the same images and text.", "Nothing needs to be done: one of them is used."),
    "contaminated": (
        "It shows what a benchmark under `exclude` shows.",
        "Nothing needs to be done: a judge must not be trained on what it is measured on.",
    ),
}
"""Of rows of the sources of prompts."""
HARMLESS = ("duplicate", "contaminated")
"""Reasons that are no fault of a row: `max_refused` and --strict do not count them."""

_FLAWS = {
    "failed": ("The engine failed to answer.", "See `error` in `responses.parquet`."),
    "cut_off": (
        "The answer was longer than `max_tokens`.",
        "Raise `synthesis.open.response.max_tokens` and `synthesis.open.alteration.max_tokens`.",
    ),
    "empty": ("The model answered nothing.", "Look at `responses.parquet`; try another model or temperature."),
    "refused": ("The model refused to answer.", "Look at `responses.parquet`; reword these prompts or leave them out."),
}
DROPPED = {
    **_FLAWS,
    **{f"altered_{name}": (f"The altered copy: {meaning}", change) for name, (meaning, change) in _FLAWS.items()},
    "unchanged": ("The altered copy is the original.", "Usual for small models; try other `synthesis.open.templates`."),
    "only_typography": ("The altered copy differs in spelling, case or punctuation only.", "As for unchanged."),
    "nothing_to_replace": (
        "The model found no phrase to replace by a false one.",
        "Usual for short answers; ask for longer ones, or for other changes in `synthesis.open.templates`.",
    ),
    "no_replacement_named": (
        "The model named no phrase and replacement in the form that was asked for.",
        "Put an example into `synthesis.open.templates`, or set `synthesis.open.mode: rewrite`.",
    ),
    "phrase_not_found": ("The phrase to replace is not in the answer.", "Lower `synthesis.open.alteration.temperature`."),
    "phrase_not_unique": ("The phrase to replace is there more than once.", "Ask for longer phrases in the templates."),
    "phrase_too_long": ("The phrase, or what replaces it, is too long.", "Ask for shorter phrases in the templates."),
    "whole_response_replaced": ("The phrase is the whole answer.", "Route such prompts as closed: `kind`, or `route`."),
    "new_markdown": ("The altered copy has Markdown that the answer lacks.", "Ask for plain words in the templates."),
    "not_a_copy": ("The model wrote another text in place of a copy.", "Set `synthesis.open.mode: replace`."),
    "too_many_edits": ("The copy differs in too many places.", "Set `synthesis.open.mode: replace`."),
    "changed_at_both_ends": (
        "The copy is changed at both ends or longer at one, as one with a comment is.",
        "Set `synthesis.open.mode: replace`.",
    ),
    "copy_too_long": ("The answer or its copy is too long to compare.", "Lower `synthesis.open.response.max_tokens`."),
    "length_ratio": ("The altered copy is much longer or shorter than the original.", "Raise `synthesis.open.length_ratio`."),
    "no_readable_answer": (
        "No sampled answer could be read, or all were cut off.",
        "Raise `synthesis.closed.sampling.max_tokens`; ask for short answers in the prompt.",
    ),
    "tie": ("The two most frequent answers have equally many votes.", "Raise `synthesis.closed.samples`."),
    "no_majority": (
        "The most frequent answer has fewer votes than needed.",
        "Raise `synthesis.closed.samples`, or lower `synthesis.closed.threshold` for more and less certain pairs.",
    ),
    "unanimous": (
        "All sampled answers are the same, so there is none to reject.",
        "Usual for easy prompts; for more pairs raise `synthesis.closed.sampling.temperature` or `samples`; where answers are "
        "bare words, `synthesis.closed.alternative: pooled` makes pairs of them.",
    ),
    "small_lead": ("The majority leads by fewer votes than needed.", "Lower `synthesis.closed.lead`, or raise `samples`."),
    "no_alternative_of_its_type": (
        "No other sampled answer is of the majority's type (letter, number, yes or no, phrase): form alone would tell.",
        "`synthesis.closed.alternative: any_sample` takes any other answer.",
    ),
    "unread_verdict": (
        "In one order no reply of the judge holds a verdict.",
        "Look at `judgments.parquet`; raise `judging.sampling.max_tokens` if they were cut off.",
    ),
    "forced_verdict": (
        "The judge is right, but wrote no verdict of its own in one order: the letter was asked for (`judging.force_verdict`).",
        "Nothing: only whole replies are learned. Raise `judging.sampling.max_tokens` if they were cut off.",
    ),
    "wrong_in_both_orders": ("The judge preferred the rejected answer in both orders.", "Nothing: such pairs cannot teach."),
    "wrong_in_one_order": (
        "The judge preferred the rejected answer in one order.",
        "Usual for a judge that prefers a position; `judging.samples` gives it more tries.",
    ),
    "evidence_not_named": (
        "No right trace names what tells the two answers apart.",
        "`judging.samples` gives the judge more tries; `selection.evidence: false` keeps such traces.",
    ),
    "improbable_verdicts": (
        "The judge is right in both orders, but not sure enough of it; or its engine gives no log-probabilities.",
        "Lower `selection.min_probability`, or leave it out; expected where labels are wrong or the judge is new.",
    ),
    "too_long": ("The training example has more tokens than allowed.", "Raise `training.max_length` if the model can."),
}
"""Of prompts that make no pair, and of pairs that are not kept."""
OF_PAIRS = (
    *("unread_verdict", "forced_verdict", "wrong_in_both_orders", "wrong_in_one_order"),
    *("evidence_not_named", "improbable_verdicts"),
)
"""The reasons for which a pair is not kept."""


def refusals(rows: Iterable[Mapping[str, Any]], place: Callable[[str], str]) -> list[Refusal]:
    """Refused rows by reason, the most frequent first, each with its meaning, what to change, and its first rows.

    `rows` have `source`, `reason` and `detail`; `place` turns a source into where the row lies.
    """
    counts, first = Counter[str](), defaultdict[str, list[Mapping[str, Any]]](list)
    for row in rows:
        counts[row["reason"]] += 1
        first[row["reason"]] = _examples([*first[row["reason"]], row])
    return [
        {
            "reason": reason,
            "count": count,
            **explained(reason, REFUSED),
            "examples": [_example(row, place) for row in first[reason]],
        }
        for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _examples(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first rows, of which those come last that repeat the fault of another one in the same file: an image's instructions."""
    before, ranked = Counter[tuple[str, Any]](), list[tuple[int, Mapping[str, Any]]]()
    for row in sorted(rows, key=_in_order):
        fault = _in_order(row)[0], row["detail"]
        ranked.append((before[fault], row))
        before[fault] += 1
    return [row for _, row in sorted(ranked, key=lambda found: found[0])[:EXAMPLES]]


def _example(row: Mapping[str, Any], place: Callable[[str], str]) -> RefusedRow:
    detail = row["detail"]
    if detail is not None and detail.startswith(SAME):
        detail = SAME + place(detail.removeprefix(SAME))
    return {"place": place(row["source"]), "detail": detail}


def explained(reason: str, table: Mapping[str, tuple[str, str]]) -> Explanation:
    """What a reason means and what to change; empty texts for one that the table does not know."""
    meaning, change = table.get(reason, ("", ""))
    return {"meaning": meaning, "change": change}


def refused_lines(refused: Sequence[Refusal], total: int) -> list[str]:
    """For people: how many of `total` rows cannot be used, why, and where."""
    if not refused:
        return []
    count = sum(entry["count"] for entry in refused)
    lines = [
        f"{count:,} of {total:,} rows cannot be used (a run reads its prompts once: correct them, then use a new folder, --dir):"
    ]
    for entry in refused:
        lines.append(f"  {entry['reason']} ({entry['count']:,}): {entry['meaning']} {entry['change']}")
        lines += [f"    {example['place']}: {example['detail'] or entry['reason']}" for example in entry["examples"]]
        lines += [f"    ... and {more:,} more"] if (more := entry["count"] - len(entry["examples"])) else []
    return [*lines, f"  {_ALL}"]


def left_out_line(counts: Mapping[str, int]) -> list[str]:
    """For people: how many conversations have turns that are not used, and which."""
    if not counts:
        return []
    which = ", ".join(f"{turns} {count:,}" for turns, count in counts.items())
    return [f"rows with turns that are not used (the first turn of the user is): {which}"]


def nothing_usable(refused: Sequence[Refusal]) -> InputError:
    """The error for a run without one prompt; it names the first row of the most frequent reason."""
    if not refused:
        return InputError("not one prompt can be used: the sources are empty", hint="Name files or data sets with rows.")
    return refused_error("not one prompt can be used", refused)


def refused_error(what: str, refused: Sequence[Refusal]) -> InputError:
    """The error for rows that are missing from a run, with the reasons and the first row of the most frequent one."""
    reasons = ", ".join(f"{entry['reason']} ({entry['count']})" for entry in refused)
    example = refused[0]["examples"][0]
    return InputError(
        f"{what}: {reasons}",
        hint=f"For example {example['place']}: {(example['detail'] or refused[0]['meaning']).rstrip('.')}. "
        f"{refused[0]['change']} `selfjudge check` lists all of them. {_ALL}",
    )


def _in_order(row: Mapping[str, Any]) -> tuple[str, int]:
    name, _, number = row["source"].rpartition(":")
    return name, int(number) if number.isdigit() else 0
