"""What is measured, as it is counted, stored and shown: figures of a judge on a benchmark, of an iteration, and of a whole run.

Files have these types as JSON: `result.json` the figures, `summary.json` a summary; each judge's card has them in part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

Limits = Sequence[float]
"""The lower and the upper end of a 95 % interval."""


class Figures(TypedDict, total=False):
    """Figures of a measurement, or of a part of one. All are there that can be counted under its protocol; None of nothing.

    n                     items: pairs with a known better response
    accuracy              right verdicts / all comparisons; under a protocol of one order, pairs decided rightly / all pairs
    pair_accuracy         right in both orders / all items
    ci95, pair_ci95       the intervals of these two
    pair_gain_ci95        that of what pair_accuracy gained over the base, item by item; in the summary of a run alone
    coverage              pairs that were decided at all / all pairs
    consistency           the same response named in both orders / all items
    first_position_rate   verdicts for the response shown first / read verdicts
    parse_rate            verdicts that the judge wrote / all comparisons
    macro, pair_macro     means over dimensions, each counting the same, with their intervals
    dimensions, levels    the same figures of each
    replies               replies that were counted; `forced` of them have a verdict that was asked for, `problems` have none
    logprob               deciding by P(chosen), the mean over all replies to a pair; None where the engine gave none
    groups                groups of items that are resampled together
    ties_left_out         items without a better response
    protocols             the figures under further protocols, by name
    """

    n: int
    accuracy: float | None
    ci95: Limits | None
    pair_accuracy: float | None
    pair_ci95: Limits | None
    pair_gain_ci95: Limits | None
    coverage: float | None
    consistency: float | None
    first_position_rate: float | None
    parse_rate: float | None
    macro: float | None
    macro_ci95: Limits | None
    pair_macro: float | None
    pair_macro_ci95: Limits | None
    dimensions: Mapping[str, Figures]
    levels: Mapping[str, Figures]
    replies: int
    forced: int
    problems: Mapping[str, int]
    logprob: Figures | None
    groups: int
    ties_left_out: int
    protocols: Mapping[str, Figures]


class Executed(TypedDict, total=False):
    """How rows were produced: by which engine, with what the engine has of the rest, by which versions of its libraries."""

    engine: str
    dtype: str
    batch_size: int
    device: str
    max_model_len: int | None
    versions: Mapping[str, str]
    rows: int


class Failures(TypedDict):
    """Of a stage's `requests` the shares that `failed`, were `cut_off` and had a `forced` verdict; the commonest `reasons`."""

    requests: int
    failed: float
    cut_off: float
    forced: NotRequired[float]
    reasons: Mapping[str, int]


class Trained(TypedDict):
    """The training of a judge: its `examples` and `steps`, its last `loss`, and how it was executed."""

    examples: int
    steps: int
    loss: float | None
    execution: Mapping[str, Any]


class Admission(TypedDict, total=False):
    """What the gate found about a new judge: whether it is accepted, or its `faults`; whether its weights `changed`; and of the
    comparisons that it was asked about, how many it answered, how many replies hold a verdict, the share of the judge before, and
    the first replies.
    """

    version: int
    accepted: bool
    faults: Sequence[str]
    loss: float | str | None
    asked: int
    changed: bool
    answered: int
    read: int
    read_before: float
    replies: Sequence[str]


class Apart(TypedDict):
    """How far apart two engines' replies are, in [0, 1]: see `method.agreement.Distance`."""

    words: float
    verdicts: float | None
    same: float


class Probing(TypedDict):
    """What the probe found about a served judge, asked so many `requests`: how far it is from the judge in transformers
    (`agreement`) and from the judge before it (`change`), and how far the two in transformers are apart (`moved`).
    """

    version: int
    judge: str
    requests: int
    tolerance: float
    still: float
    agreement: Apart | None
    change: Apart | None
    moved: Apart | None


_Yield = TypedDict("_Yield", {"yield": float | None})


class Iteration(_Yield):
    """What was made, trained and measured. The base model, which is iteration 0, was only measured; so was each judge.

    `benchmarks` are figures by benchmark, `held_out` those on held-out pairs; `seconds`, `tokens` and `failures` are by stage;
    `yield` is kept pairs over pairs, None where there are none.
    """

    iteration: int
    pairs: int | None
    kept: int | None
    traces: int | None
    dropped: Mapping[str, int] | None
    training: Trained | None
    gate: Admission | None
    probe: Probing | None
    monitors: Mapping[str, float | None] | None
    warnings: Sequence[str]
    held_out: Figures | None
    benchmarks: Mapping[str, Figures]
    seconds: Mapping[str, float]
    tokens: Mapping[str, Mapping[str, int]]
    equivalence: Mapping[str, int] | None
    failures: Mapping[str, Failures]
    executions: Sequence[Executed]


class RefusedRow(TypedDict):
    """A refused row: where it lies, and what is wrong with it."""

    place: str
    detail: str | None


class Explanation(TypedDict):
    """What a reason means, and what to change."""

    meaning: str
    change: str


class Refusal(Explanation):
    """Rows that are refused for one reason: how many, and the first of them."""

    reason: str
    count: int
    examples: Sequence[RefusedRow]


class PromptCounts(TypedDict):
    """Numbers of prompts: in all, by kind, by the rule that told the kind, with turns left out; and of refused rows by reason."""

    total: int
    open: int
    closed: int
    rules: Mapping[str, int]
    left_out: Mapping[str, int]
    refused: Mapping[str, int]


class Head(TypedDict):
    """A run as a whole, once its prompts are read."""

    name: str
    recipe: str
    seed: int
    model: str
    prompts: PromptCounts
    refused: Sequence[Refusal]
    commit: str | None


ALL_DONE = "all iterations are done"
"""Why most runs are over: those that were asked for are done."""


class Summary(Head):
    """A run: why it is over, None while it is not; its best judge, None for the base; and its iterations, the base first."""

    stopped: str | None
    final_judge: str | None
    executions: Sequence[Executed]
    iterations: Sequence[Iteration]


class Lineage(TypedDict):
    """A source of prompts: what kind it is of, its name, revision and licence as far as they are known, and its prompts."""

    kind: str
    name: str
    revision: str | None
    licence: str | None
    prompts: int


class Repeats(TypedDict):
    """How many there are, and some of them."""

    count: int
    examples: Sequence[str]


class Contradictions(TypedDict):
    """Questions about the same two responses whose `rows` do not agree which is better: how many, and some of them."""

    pairs: int
    rows: int
    examples: Sequence[str]


class DataReport(TypedDict, total=False):
    """A benchmark's data: where it is from, what was left out, and what is odd about it. Examples name rows by their own ids.

    benchmark, source, revision, sha256   what was read; the checksum is over all files
    seed             of drawn scenes
    rows, known_rows, is_a_known_size   rows that were read, and how many the published data has
    missing_images   rows without their images
    excluded         rows that were left out, by reason
    unknown_prefixes, miscased_prefixes   of ids, with their rows
    items            pairs that are asked about
    ties             items without a better response
    repeated_ids     ids that more than one row has
    repeated_pairs   rows beyond the first that ask the same about the same two responses, and agree
    better_first     share of rows that store the better response first; far from 0.5, an unswapped judge can read it off
    """

    benchmark: str
    source: str
    revision: str | None
    sha256: str
    seed: int
    rows: int
    known_rows: Sequence[int]
    is_a_known_size: bool | None
    missing_images: Repeats
    excluded: Mapping[str, int]
    unknown_prefixes: Mapping[str, int]
    miscased_prefixes: Mapping[str, int]
    items: int
    dimensions: Mapping[str, int]
    ties: int
    repeated_ids: Repeats
    repeated_pairs: int
    contradictions: Contradictions
    better_first: float | None


class Hits(TypedDict):
    """Prompts and benchmark items that have something in common, and their shares of all; None of nothing."""

    prompts: int
    share: float | None
    items: int
    item_share: float | None


class Overlap(TypedDict, total=False):
    """A prompt with content of a benchmark: the nearest item, how far it is, and how many items are hit; or one that cannot be
    read, with the `reason`.
    """

    prompt: str
    kind: str
    reason: str
    detail: str | None
    benchmark: str
    item: str
    distance: int | None
    items: int


class BenchmarkOverlap(TypedDict):
    """Items of a benchmark, instructions with their images, and those of them that prompts have content of."""

    items: int
    contaminated: int


class Contamination(TypedDict):
    """What prompts have in common with benchmarks: hits by kind, those that condemn (`contaminated`), and the first rows."""

    prompts: int
    unreadable: Mapping[str, int]
    benchmarks: Mapping[str, BenchmarkOverlap]
    flat_benchmark_images: int
    hits: Mapping[str, Hits]
    contaminated: Hits
    rules: Mapping[str, float]
    rows: Sequence[Overlap]
    rows_left_out: int
