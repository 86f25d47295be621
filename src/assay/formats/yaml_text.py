"""YAML front matter, bounded: scalars, lists and mappings with their lines; no tags, aliases only where asked for.

PyYAML's pure-Python scanner and composer do the reading; nothing is constructed from it but text, numbers, booleans,
lists and dictionaries. Nine anchors and aliases can stand for a billion values: they are refused, or each value that
they stand for counts against the bound.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import-untyped]

from assay.core.errors import ContentError, LimitExceeded

MAX_YAML_BYTES = 256 << 10  # front matter of the longest public cards is below 100 kB
MAX_NODES = 50_000


@dataclass(frozen=True)
class YamlText:
    """A parsed document.

    Attributes:
        value: text, numbers, booleans, None, lists and dictionaries with text keys.
        lines: 1-based line on which the value at each path begins.
    """

    value: Any
    lines: dict[tuple[str | int, ...], int]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """SafeLoader that refuses what can stand for more than is written."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases, anchors and tags of their own."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ContentError("YAML with anchors or aliases is not read")
        return super().compose_node(parent, index)


def yaml_text(data: bytes) -> str:
    """The characters of a file, as PyYAML's reader finds out (`Reader.determine_encoding`)."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8", "replace")


def read_yaml(text: str, *, depth: int, first_line: int = 1, aliases: bool = False) -> YamlText:
    """Parse one document.

    Args:
        text: the document.
        depth: deepest nesting that is accepted.
        first_line: line of the file on which `text` begins.
        aliases: whether an alias is read as a copy of what it stands for, and `<<` as the keys of it.

    Raises:
        ContentError: when it is not such YAML.
        LimitExceeded: too long, too many values, nested deeper than `depth`.
    """
    if len(text) > MAX_YAML_BYTES:
        raise LimitExceeded("yaml_bytes", f"YAML longer than {MAX_YAML_BYTES} characters")
    try:
        loader = (_Aliases if aliases else _Loader)(text)
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise ContentError(f"not YAML: {str(error)[:200]}") from error
    try:
        node = loader.get_single_node()
        reader = _Reader(loader, depth, first_line)
        return YamlText(reader.value(node, ()) if node is not None else None, reader.lines)
    except (yaml.YAMLError, ValueError, ArithmeticError) as error:
        raise ContentError(f"not YAML: {str(error)[:200]}") from error
    except RecursionError as error:
        raise LimitExceeded("yaml_depth", "YAML nested too deep") from error
    finally:
        loader.dispose()


def read_yaml_values(text: str, *, depth: int) -> list[Any]:
    """Every document of a configuration, tags left aside; an alias gives the very value its anchor stands before.

    What an alias stands for is not copied, so that walkers must remember by identity where they have been.

    Raises:
        ContentError: when it is not YAML.
        LimitExceeded: too long, too many values, nested deeper than `depth`.
    """
    if len(text) > MAX_YAML_BYTES:
        raise LimitExceeded("yaml_bytes", f"YAML longer than {MAX_YAML_BYTES} characters")
    try:
        reader = _Values(depth)
        return [reader.value(node, 0) for node in yaml.compose_all(text, yaml.SafeLoader) if node is not None]
    except (yaml.YAMLError, ValueError, ArithmeticError) as error:
        raise ContentError(f"not YAML: {str(error)[:200]}") from error
    except RecursionError as error:
        raise LimitExceeded("yaml_depth", "YAML nested too deep") from error


class _Values:
    """Builds values out of nodes, each node once."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.made: dict[int, Any] = {}
        self.nodes: list[yaml.Node] = []  # kept: an id is only good while its object lives

    def value(self, node: yaml.Node, level: int) -> Any:
        if level > self.depth:
            raise LimitExceeded("yaml_depth", f"YAML nested deeper than {self.depth} levels")
        if id(node) in self.made:
            return self.made[id(node)]
        if len(self.made) > MAX_NODES:
            raise LimitExceeded("yaml_nodes", f"YAML with more than {MAX_NODES} values")
        self.nodes.append(node)
        if isinstance(node, yaml.MappingNode):
            mapping: dict[str, Any] = {}
            self.made[id(node)] = mapping
            for key, item in node.value:
                name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
                while name in mapping:
                    name += " "  # a key that stands twice: both values are looked at
                mapping[name] = self.value(item, level + 1)
            return mapping
        if isinstance(node, yaml.SequenceNode):
            items: list[Any] = []
            self.made[id(node)] = items
            items += (self.value(item, level + 1) for item in node.value)
            return items
        plain: Any = str(node.value)
        if node.tag.endswith((":bool", ":null")):
            plain = None if node.tag.endswith(":null") else node.value.lower() in {"true", "yes", "on"}
        self.made[id(node)] = plain
        return plain


class _Aliases(yaml.SafeLoader):  # type: ignore[misc]
    """SafeLoader whose aliases are one node that is met several times."""


class _Reader:
    """Builds plain values out of nodes."""

    def __init__(self, loader: _Loader | _Aliases, depth: int, first_line: int) -> None:
        self.loader = loader
        self.depth = depth
        self.first_line = first_line
        self.done: dict[int, dict[str, yaml.Node]] = {}
        self.lines: dict[tuple[str | int, ...], int] = {}

    def value(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        if len(path) > self.depth:
            raise LimitExceeded("yaml_depth", f"YAML nested deeper than {self.depth} levels")
        if len(self.lines) > MAX_NODES:
            raise LimitExceeded("yaml_nodes", f"YAML with more than {MAX_NODES} values")
        self.lines[path] = node.start_mark.line + self.first_line
        if isinstance(node, yaml.MappingNode):
            return {key: self.value(item, (*path, key)) for key, item in self.pairs(node)}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self.scalar(node)

    def pairs(self, node: yaml.MappingNode) -> list[tuple[str, yaml.Node]]:
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ContentError("YAML with a key that is no text")
        if not isinstance(self.loader, _Aliases):
            return [(str(key.value), item) for key, item in node.value]
        return list(self.merged(node).items())

    def merged(self, node: yaml.MappingNode) -> dict[str, yaml.Node]:
        """Keys of a mapping, and those of what `<<` names that it has not itself; each mapping is merged once."""
        if id(node) in self.done:
            return self.done[id(node)]
        own = [(str(key.value), item) for key, item in node.value if isinstance(key, yaml.ScalarNode)]
        found = self.done[id(node)] = dict(item for item in own if item[0] != "<<")
        if len({key for key, _ in own}) < len(own):
            raise ContentError("YAML with a key that stands twice")
        for key, item in own:
            bases = item.value if isinstance(item, yaml.SequenceNode) else [item]
            for base in bases if key == "<<" else ():
                if isinstance(base, yaml.MappingNode):
                    for name, value in self.merged(base).items():
                        found.setdefault(name, value)
                if len(found) > MAX_NODES:
                    raise LimitExceeded("yaml_nodes", f"YAML with more than {MAX_NODES} values")
        return found

    def scalar(self, node: yaml.Node) -> Any:
        if node.tag in {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}:
            if len(node.value) > 100:  # noqa: PLR2004 - no figure is that long
                return str(node.value)
            made = self.loader.construct_object(node)
            return made if isinstance(made, int | float) else str(node.value)
        if node.tag == "tag:yaml.org,2002:bool":
            return bool(self.loader.construct_object(node))
        return None if node.tag == "tag:yaml.org,2002:null" else str(node.value)
