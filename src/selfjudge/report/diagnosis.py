"""What the doctor found, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_COLOURS = {"fine": "green", "warning": "yellow", "error": "red"}


def show_diagnosis(found: Mapping[str, Any], console: Console) -> None:
    """What is installed, what can run, and what was found."""
    gpus = ", ".join(f"{gpu['name']} ({gpu['total_gib']:g} GiB, {gpu['free_gib']:g} free)" for gpu in found["gpus"]) or "none"
    console.print(f"python {found['python']}, {found['memory_gib']:g} GiB of memory, GPUs: {gpus}")
    console.print(f"disk free for runs: {found['disk_free_gib']:g} GiB")
    _show_packages(found["packages"], console)
    _show_engines(found["engines"], console)
    show_findings(found["findings"], console)
    if found["recipe"] is not None:
        verdict = "can run here" if found["runs"] else "cannot run here"
        console.print(f"{found['recipe']} {verdict}")


def _show_packages(packages: list[dict[str, Any]], console: Console) -> None:
    for python in dict.fromkeys(package["python"] for package in packages):
        named = [_package(package) for package in packages if package["python"] == python]
        console.print(f"{python}: {', '.join(named)}")


def _package(package: dict[str, Any]) -> str:
    build = f" for {package['build']}" if package["build"] else ""
    return f"{package['name']} {package['version'] or '–'}{build}"


def _show_engines(engines: list[dict[str, Any]], console: Console) -> None:
    from rich.table import Table

    table = Table()
    for column in ("engine", "can run here", "what to do"):
        table.add_column(column, overflow="fold")
    for engine in engines:
        table.add_row(engine["kind"], "yes" if engine["runs"] else f"no: lacks {', '.join(engine['missing'])}", engine["do"])
    console.print(table)


def show_findings(findings: Sequence[Mapping[str, Any]], console: Console) -> None:
    """What speaks for and against a run, and what to do about it."""
    from rich.table import Table
    from rich.text import Text

    if findings:
        table = Table()
        for column in ("", "about", "found", "what to do"):
            table.add_column(column, overflow="fold")
        for finding in findings:
            mark = Text(finding["level"], _COLOURS[finding["level"]])
            table.add_row(mark, finding["about"], finding["what"], finding["do"])
        console.print(table)
