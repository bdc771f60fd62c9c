"""The source stays small and names things once: no class name twice, no long file, no long function."""

from __future__ import annotations

import ast
from collections import defaultdict
from statistics import quantiles

from runs import ROOT


def test_no_public_class_name_exists_twice():
    files: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                files[node.name].append(str(path.relative_to(ROOT)))
    assert not {name: places for name, places in files.items() if len(places) > 1}


def test_no_file_has_more_than_400_lines():
    folders = ("src", "experiments", "benchmarks", "scripts")
    sizes = {path: len(path.read_text().splitlines()) for folder in folders for path in (ROOT / folder).rglob("*.py")}
    assert not {str(path.relative_to(ROOT)): size for path, size in sizes.items() if size > 400}


def test_no_function_of_the_package_has_more_than_50_lines_and_nine_in_ten_at_most_20():
    functions = {
        f"{path.relative_to(ROOT)}:{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {name: size for name, size in functions.items() if size > 50}
    assert quantiles(functions.values(), n=10)[-1] <= 20
