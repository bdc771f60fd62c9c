"""Hostile and odd recipes, each with a part of the message that it ends in, or None where it is one.

`python tests/hostile/recipes.py FOLDER` writes them.
"""

from __future__ import annotations

import sys
from pathlib import Path

MODEL, PROMPTS = "model: shapes\n", "prompts: [{kind: shapes}]\n"
MINIMAL = MODEL + PROMPTS
DEEP = 5_000


def laughs(levels: int, width: int = 9) -> str:
    """Aliases that unfold to width ** levels values."""
    lines = ["a0: &a0 [" + "x, " * width + "]"]
    lines += [f"a{n}: &a{n} [" + f"*a{n - 1}, " * width + "]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def merged(levels: int) -> str:
    """Mappings that take each other in, twice at each level."""
    lines = ["m0: &m0 {k: 1}"] + [f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}], k{n}: 1}}" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def set_to(place: str, value: str) -> str:
    """A recipe in which one place has a value as YAML."""
    keys, text = place.split("."), value
    for key in reversed(keys[1:]):
        text = f"{{{key}: {text}}}"
    return (
        f"{MINIMAL}{keys[0]}: {text}\n"
        if keys[0] not in ("model", "prompts")
        else f"{keys[0]}: {text}\n{MODEL if keys[0] == 'prompts' else PROMPTS}"
    )


FINITE = {
    "training.learning_rate": "a finite number",
    "training.weight_decay": "a finite number",
    "training.max_grad_norm": "a finite number",
    "training.warmup": "a finite number",
    "judging.sampling.temperature": "a finite number",
    "judging.sampling.top_p": "a finite number",
    "judging.sampling.top_k": "a finite number",
    "judging.sampling.max_tokens": "a finite number",
    "synthesis.open.length_ratio": "a finite number",
    "loop.iterations": "a finite number",
    "loop.stop.min_gain": "a finite number",
    "loop.stop.held_out": "a finite number",
    "max_pixels": "a finite number",
    "seed": "a finite number",
}
OPENAI = "execution: {{engine: {{kind: openai, {0}}}}}\n"
SCRIPTED = "execution: {{engine: {{kind: scripted, rules: [{{when: {0}, replies: [x]}}]}}}}\n"

RECIPES: dict[str, tuple[str | bytes, str | None]] = {
    "the smallest": (MINIMAL, None),
    "JSON": ('{"model": "shapes", "prompts": [{"kind": "shapes"}]}', None),
    "with a byte order mark": ("\ufeff" + MINIMAL, None),
    "in UTF-16": (MINIMAL.encode("utf-16"), "cannot read the recipe"),
    "with CR LF": (MINIMAL.replace("\n", "\r\n"), None),
    "an alias that is used": ("prompts: [&p {kind: shapes}, *p]\nmodel: shapes\n", None),
    "a merge that is used": ("model: shapes\nprompts: [&p {kind: shapes, limit: 3}, {<<: *p, seed: 1}]\n", None),
    # aliases
    "a billion laughs": (MINIMAL + laughs(9), "unfold to"),
    "a billion laughs in a field": (laughs(9) + MINIMAL.replace("shapes", "*a8", 1), "unfold to"),
    "10^30 laughs": (MINIMAL + laughs(30, 10), "unfold to"),
    "2^40 merges": (MINIMAL + merged(40), "unfold to"),
    "laughs as rules": (SCRIPTED.format("a") + MINIMAL + laughs(9), "unfold to"),
    "an alias of itself": ("model: &m [*m]\n" + PROMPTS, "refers to itself"),
    "a mapping in itself": ("model: shapes\nprompts: &p [{kind: shapes, columns: *p}]\n", "refers to itself"),
    "a whole recipe in itself": ("&all\nmodel: shapes\nprompts: [*all]\n", "refers to itself"),
    "an alias of nothing": ("model: *nothing\n" + PROMPTS, "undefined alias"),
    "a merge of a number": ("model: shapes\nprompts: [{<<: 5, kind: shapes}]\n", "expected a mapping"),
    "a long chain of aliases": (
        MINIMAL + "".join(f"b{n}: &b{n} [{f'*b{n - 1}' if n else ''}]\n" for n in range(2_000)),
        "nested too deeply",
    ),
    # structure
    "empty": ("", "a recipe is a mapping"),
    "a comment": ("# nothing\n", "a recipe is a mapping"),
    "null": ("null\n", "a recipe is a mapping"),
    "a number": ("3\n", "a recipe is a mapping"),
    "a list": ("- a\n", "a recipe is a mapping"),
    "a text": ("model\n", "a recipe is a mapping"),
    "two documents": (MINIMAL + "---\n" + MINIMAL, "not valid YAML"),
    "a tab": ("model:\tshapes\n\tprompts: []\n", "not valid YAML"),
    "an open bracket": ("model: [1\n", "not valid YAML"),
    "an open quote": ('model: "a\n', "not valid YAML"),
    "control characters": ("model: a\x07b\n", "not valid YAML"),
    "NULs": ("\0\0\0", "not valid YAML"),
    "bytes that are not UTF-8": (b"model: \xff\xfe\n", "cannot read the recipe"),
    "an ELF file": (b"\x7fELF\x02\x01\x01\0\xff", "cannot read the recipe"),
    "half an emoji": (b'model: "\\ud83d"\n' + PROMPTS.encode(), "is no text"),
    "deep lists": ("model: " + "[" * DEEP + "]" * DEEP + "\n", "nested too deeply"),
    "deep mappings": ("model: " + "{a: " * DEEP + "}" * DEEP + "\n", "nested too deeply"),
    "deep blocks": ("".join(" " * n + "a:\n" for n in range(2_000)), "nested too deeply"),
    "a key twice": ("model: a\nmodel: b\n" + PROMPTS, "is set twice"),
    "a key twice inside": (MINIMAL + "loop: {iterations: 1, iterations: 2}\n", "is set twice"),
    "a list as key": (MINIMAL + "? [a, b]\n: 1\n", "not valid YAML"),
    "a mapping as key": (MINIMAL + "? {a: b}\n: 1\n", "not valid YAML"),
    "a number as key": (MINIMAL + "5: 1\n", "keys should be strings"),
    "null as key": (MINIMAL + "null: 1\n", "keys should be strings"),
    "true as key": (MINIMAL + "yes: 1\n", "keys should be strings"),
    "a date as key": (MINIMAL + "2026-01-01: 1\n", "keys should be strings"),
    "a key with markup": (MINIMAL + '"[/x]": 1\n', "unknown key"),
    "a key with escape sequences": (MINIMAL + '"\\e[2J": 1\n', "unknown key"),
    "a key of a megabyte": (MINIMAL + "k" * 1_000 + ": 1\n", "unknown key"),
    "20,000 unknown keys": (MINIMAL + "".join(f"k{n}: 1\n" for n in range(2_000)), "unknown key"),
    "a Python object": ("model: !!python/object/apply:os.system ['true']\n" + PROMPTS, "not valid YAML"),
    "a Python name": ("model: !!python/name:os.system\n" + PROMPTS, "not valid YAML"),
    "a tag that nobody knows": ("model: !x shapes\n" + PROMPTS, "not valid YAML"),
    "binary": ("model: !!binary aGk=\n" + PROMPTS, None),
    "binary that is none": ("model: !!binary '%%%'\n" + PROMPTS, "`model`"),
    "a set": ("model: !!set {a, b}\n" + PROMPTS, "`model`"),
    "a float that is none": ("model: shapes\nseed: !!float x\n" + PROMPTS, "not valid YAML"),
    "an integer that is none": ("model: shapes\nseed: !!int x\n" + PROMPTS, "not valid YAML"),
    "a date that is none": ("model: 2026-13-45\n" + PROMPTS, "not valid YAML"),
    "a time that is none": ("model: shapes\nseed: 2026-02-30 99:99:99\n" + PROMPTS, "not valid YAML"),
    "sexagesimal": (set_to("seed", "1:1:1"), None),
    # values
    **{f"{place}: {value}": (set_to(place, value), words) for place, words in FINITE.items() for value in (".inf", ".nan")},
    "an integer of 5,000 digits": (set_to("seed", "9" * 5_000), "digits"),
    "a float beyond floats": (set_to("training.learning_rate", "1e999"), "a finite number"),
    "iterations: 10^10": (set_to("loop.iterations", "10000000000"), "`loop.iterations`"),
    "iterations: -1": (set_to("loop.iterations", "-1"), "greater than or equal to 1"),
    "a seed of 65 bits": (set_to("seed", str(2**64)), None),
    "max_pixels: 0": (set_to("max_pixels", "0"), "`max_pixels`"),
    "samples: 10^12": (set_to("synthesis.closed.samples", "1000000000000"), "`synthesis.closed.samples`"),
    "max_tokens: 2^70": (set_to("judging.sampling.max_tokens", str(2**70)), "`judging.sampling.max_tokens`"),
    "a date as model": (set_to("model", "2026-01-01"), "`model`"),
    "null as model": (set_to("model", "null"), "`model`"),
    "a list as model": (set_to("model", "[a]"), "`model`"),
    "empty prompts": (set_to("prompts", "[]"), "`prompts`"),
    "a mapping of prompts": (set_to("prompts", "{kind: shapes}"), "`prompts`"),
    "prompts of null": (set_to("prompts", "[null]"), "`prompts.0`"),
    "a kind that is a list": (set_to("prompts", "[{kind: [shapes]}]"), "`prompts.0"),
    "a kind that is a number": (set_to("prompts", "[{kind: 5}]"), "`prompts.0"),
    "no kind": (set_to("prompts", "[{path: x}]"), "`prompts.0"),
    "a benchmark without a name": (set_to("evaluation.benchmarks", "[{pairs: 3}]"), "`evaluation.benchmarks.0"),
    "a path with NUL": (set_to("prompts", '[{kind: files, path: "a\\0b"}]'), "a NUL"),
    "a path of 5,000 bytes": (set_to("prompts", f"[{{kind: files, path: {'x' * 5_000}}}]"), "`prompts.0.path`"),
    "a model with NUL": ('model: "a\\0b"\n' + PROMPTS, "a NUL"),
    "a model of 5,000 bytes": (f"model: {'x' * 5_000}\n" + PROMPTS, "`model`"),
    "a name that climbs": (set_to("name", "../../x"), "`name`"),
    "a name that is a path": (set_to("name", "/abs"), "`name`"),
    "a name of nothing": (set_to("name", '""'), "`name`"),
    "a name of 300 bytes": (set_to("name", "x" * 300), "`name`"),
    "a name with escape sequences": (set_to("name", '"\\e[2J"'), "`name`"),
    "a template of nothing": (set_to("judging.template", '""'), "the template lacks"),
    "a template of attributes": (set_to("judging.template", '"{first.__class__} {second}"'), "the template lacks {first}"),
    "a template of formats": (set_to("judging.template", '"{first:>999999999} {second}"'), "the template lacks {first}"),
    "a template of an unknown field": (set_to("judging.template", '"{first} {second} {image}"'), "{image}"),
    "a template that never closes": (set_to("judging.template", '"{first} {second} {"'), "could forge"),
    "templates of nothing": (set_to("synthesis.open.templates", "{}"), "`synthesis.open.templates`"),
    "a rule that is no pattern": (MINIMAL + SCRIPTED.format("'('"), "not a regular expression"),
    "a rule that repeats nothing": (MINIMAL + SCRIPTED.format("'*a'"), "not a regular expression"),
    "a reply of a group that is not there": (MINIMAL + SCRIPTED.format("a").replace("[x]", "['\\7']"), "group"),
    "a server at no address": (MINIMAL + OPENAI.format("base_url: ftp://x"), "`execution.engine.base_url`"),
    "a server at half an address": (MINIMAL + OPENAI.format("base_url: 'http://[::1/v1'"), "`execution.engine.base_url`"),
    "a server at port abc": (MINIMAL + OPENAI.format("base_url: 'http://x:abc/v1'"), "`execution.engine.base_url`"),
    "a server at port 99999": (MINIMAL + OPENAI.format("base_url: 'http://x:99999/v1'"), "`execution.engine.base_url`"),
    "a server with a password": (MINIMAL + OPENAI.format("base_url: 'http://a:b@x/v1'"), "`execution.engine.base_url`"),
    "a server with a query": (MINIMAL + OPENAI.format("base_url: 'http://x/v1?key=1'"), "`execution.engine.base_url`"),
    "a timeout without end": (MINIMAL + OPENAI.format("timeout_seconds: .inf"), "a finite number"),
    "a million retries": (MINIMAL + OPENAI.format("retries: -1"), "`execution.engine.retries`"),
    "a concurrency of 10^9": (MINIMAL + OPENAI.format("concurrency: 1000000000"), "`execution.engine.concurrency`"),
    "a pause without end": (
        MINIMAL
        + SCRIPTED.format("a").replace("[{", "[{", 1).replace("kind: scripted", "kind: scripted, seconds_per_request: .inf"),
        "a finite number",
    ),
}


def write(name: str, folder: Path) -> Path:
    """Write one of the recipes; its path."""
    text = RECIPES[name][0]
    path = folder / "recipe.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return path


if __name__ == "__main__":
    for number, name in enumerate(RECIPES):
        (place := Path(sys.argv[1], str(number))).mkdir(parents=True)
        print(write(name, place), name)
