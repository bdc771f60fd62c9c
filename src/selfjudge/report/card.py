"""Model cards and data set cards: facts to Markdown with the YAML head that the hub reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from .figures import cell

Facts = Mapping[str, Any]

_OTHERS = {"pooled": "an answer that won the vote on another question", "most_voted": "the one with the next most votes"}
"""What a majority is set against, by `synthesis.closed.alternative`, where that is not a sampled answer like any other."""
_ONE_LICENCE = re.compile(r"[\w.-]+")


def judge_card(facts: Facts) -> str:
    """The `README.md` of a judge, from what stands in its `selfjudge.json`."""
    head = {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "base_model": facts["base"]["hub"],
        "license": facts["base"]["licence"],
        "datasets": [source["name"] for source in facts["data"]["sources"] if source["kind"] == "data set of the hub"],
        "tags": ["selfjudge", "judge", "reward-model", "vlm-as-a-judge"],
    }
    return _render("judge.md", head, facts=facts)


def pairs_card(facts: Facts, judges: str, images: bool, files: Sequence[Mapping[str, Any]]) -> str:
    """The `README.md` of a data set of pairs, from what stands in the card of its last judge.

    `judges` is where on the hub the judges are, or the name of a run that published none; `images` says whether the data set has
    its images; `files` has path, split and rows of each.
    """
    licences = {source["licence"] for source in facts["data"]["sources"]}
    only = licences.pop() if len(licences) == 1 else None
    head = {
        "license": only if only and _ONE_LICENCE.fullmatch(only) else "other",
        "task_categories": ["image-text-to-text"],
        "tags": ["selfjudge", "preference", "synthetic"],
        "configs": [{"config_name": "default", "data_files": [{"split": f["split"], "path": f["path"]} for f in files]}],
    }
    return _render("pairs.md", head, facts=facts, judges=judges, images=images, files=files)


def _judges_wrote(facts: Facts) -> str:
    """Words that go on with the judges where they wrote responses, beside the base. Cards of earlier versions do not say."""
    made = facts.get("synthesis", {"open": {"model": "judge"}, "closed": {"model": "judge"}})
    kinds = [kind for kind in ("open", "closed") if made[kind]["model"] == "judge"]
    return f" and, to {kinds[0]} prompts," if len(kinds) == 1 else " and" if kinds else ""


@cache
def _environment() -> Environment:
    environment = Environment(  # noqa: S701  # Markdown, and nobody else's words but names
        loader=PackageLoader("selfjudge.report"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"cell": cell, "judges_wrote": _judges_wrote}
    environment.globals["others"] = _OTHERS
    environment.filters["interval"] = lambda ends: "" if ends is None else f" ({cell(ends[0])} to {cell(ends[1])})"
    return environment


def _render(template: str, head: Mapping[str, Any], **values: Any) -> str:
    known = {name: value for name, value in head.items() if value}
    text = _environment().get_template(template).render(**values)
    return f"---\n{yaml.safe_dump(known, sort_keys=False, allow_unicode=True)}---\n\n{text.strip()}\n"
