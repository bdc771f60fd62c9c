"""YAML of people and strangers: values with their lines, or an error in words. Aliases are followed as far as they stay small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

Place = tuple[str | int, ...]
"""A path of keys and list indices into a recipe."""

_DEEPEST, _MOST = 100, 100_000
"""Levels, and values with each alias counted wherever it stands: no recipe comes near."""


class YamlError(Exception):
    """A text that is not to be read as YAML; `line` counts from 1."""

    def __init__(self, message: str, hint: str, line: int | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.line = line


def read_yaml(text: str) -> tuple[Any, list[tuple[Place, int]]]:
    """The value of a text, and the places in it with their lines. Raises YamlError."""
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None, []
        _Sizes().of(node, 1)
        lines = list(_lines(node, ()))
        return loader.construct_document(node), lines
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or error
        raise YamlError(f"not valid YAML: {problem}", "Mind the indentation and the colons.", mark and mark.line + 1) from error
    except RecursionError as error:
        raise _too_deep() from error


class _Sizes:
    """How many values nodes unfold to. Each node is looked at once, however often aliases name it."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int] | None] = {}

    def of(self, node: yaml.Node, depth: int) -> tuple[int, int]:
        """The values in a node, with aliases unfolded, and its levels. Raises YamlError."""
        line = node.start_mark.line + 1
        if id(node) not in self._known:
            self._known[id(node)] = None
            inner = [self.of(child, depth + 1) for child in _children(node)] if depth <= _DEEPEST else []
            _check_text(node, line)
            self._known[id(node)] = 1 + sum(size for size, _ in inner), 1 + max((levels for _, levels in inner), default=0)
        found = self._known[id(node)]
        if found is None:
            raise YamlError("an alias refers to itself", "Write out what it stands for.", line)
        if depth + found[1] > _DEEPEST:
            raise _too_deep(line)
        if found[0] > _MOST:
            raise YamlError(
                f"its aliases unfold to more than {_MOST:,} values", "Write out what is needed, without aliases.", line
            )
        return found


def _check_text(node: yaml.Node, line: int) -> None:
    if isinstance(node, yaml.ScalarNode) and ("\0" in node.value or any("\ud800" <= c <= "\udfff" for c in node.value)):
        raise YamlError("a value is no text: it has a NUL or half a surrogate pair", "Write the characters themselves.", line)


def _too_deep(line: int | None = None) -> YamlError:
    return YamlError("it is nested too deeply", f"At most {_DEEPEST} levels are read.", line)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _lines(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else str(key.start_mark.line)
            yield (*place, name), key.start_mark.line + 1
            yield from _lines(value, (*place, name))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*place, index), value.start_mark.line + 1
            yield from _lines(value, (*place, index))
