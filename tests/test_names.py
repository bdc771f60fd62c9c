"""One word for one thing: no two public classes of the package have the same name."""

from __future__ import annotations

import ast
from collections import defaultdict

from runs import ROOT


def test_no_public_class_name_exists_twice():
    files: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                files[node.name].append(str(path.relative_to(ROOT)))
    assert not {name: places for name, places in files.items() if len(places) > 1}
