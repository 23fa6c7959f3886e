"""YAML read as nodes instead of values, so that every scalar keeps the text its author wrote.

YAML would make 1.1 of `1.10`, 8 of `010`, True of `yes` and 750 of `12:30`; where a string is due, none of that may
happen. Every error names file, line and column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from knit_server.domain.errors import InvalidInput

if TYPE_CHECKING:
    import yaml

_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
_MAX_MERGES = 8  # how deep `<<` may refer to mappings with `<<`; an anchor can contain itself


def first(text: str, source: str) -> yaml.Node | None:
    """Return the first document of `text`, None if there is none. `source` names it in errors.

    Raises `InvalidInput` with file, line and column.
    """
    return first_of(text, source)[0]


def first_of(text: str, source: str) -> tuple[yaml.Node | None, int | None]:
    """Return the first document of `text` as `first` does, and the line where a second one begins, if one does.

    What the others hold is not read: it need not even be YAML. An empty one at the end is none.
    """
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_node() if loader.check_node() else None
            return node, None if node is None else _next(loader)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        told = ", ".join(part for part in (err.context, err.problem) if part)
        tab = "'\\t'" in told
        raise InvalidInput(
            f"{place}: {told}",
            advice="YAML is indented by blanks; replace the tab there."
            if tab
            else "The text there is not YAML; see indentation and quotes.",
        ) from err
    except yaml.reader.ReaderError as err:
        line = text.count("\n", 0, err.position) + 1
        column = err.position - (text.rfind("\n", 0, err.position) + 1) + 1
        raise InvalidInput(f"{source}:{line}:{column}: {err.reason}", advice="Remove that character.") from err
    except RecursionError as err:
        raise InvalidInput(f"{source}: it is nested too deeply", advice="A few levels are all it needs.") from err


def _next(loader: yaml.SafeLoader) -> int | None:
    """Return the line where another document with something in it begins."""
    import yaml

    try:
        node = loader.get_node() if loader.check_node() else None
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        return mark.line + 1 if mark else None
    return None if node is None or is_null(node) else node.start_mark.line + 1


class Reader:
    """Reads nodes as what is due. Every method raises `InvalidInput` with the place; `name` says what is read."""

    def __init__(self, source: str) -> None:
        self.source = source

    def place(self, node: yaml.Node) -> str:
        """Where `node` is: file:line:column."""
        mark = node.start_mark
        return f"{self.source}:{mark.line + 1}:{mark.column + 1}"

    def wrong(self, node: yaml.Node, told: str, advice: str | None = None) -> InvalidInput:
        """Make the error that says what is wrong with `node`."""
        return InvalidInput(f"{self.place(node)}: {told}", advice=advice)

    def pairs(self, name: str, node: yaml.Node) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Read a mapping: text of the key -> (key, value). Duplicate keys are refused, `<<` is merged."""
        return self._pairs(name, node, _MAX_MERGES)

    def items(self, name: str, node: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
        """Read a list: (name of the item, item)."""
        if form(node) != "sequence":
            raise self.wrong(node, f"{name} must be a list, not {_kind(node)}", "Begin each item with `- `.")
        for at, item in enumerate(node.value):
            yield f"{name}[{at}]", item

    def items_of(
        self, key: str, members: Mapping[str, yaml.Node], name: str | None = None
    ) -> Iterator[tuple[str, yaml.Node]]:
        """Read the list that is the member `key`; a member that is missing or null is an empty list."""
        node = members.get(key)
        return iter(()) if node is None or is_null(node) else self.items(name or key, node)

    def text(self, name: str, node: yaml.Node) -> str:
        """Read a scalar as its text: numbers, bools and null words are the words they are written with."""
        if form(node) != "scalar":
            raise self.wrong(node, f"{name} must be a text, not {_kind(node)}")
        if is_null(node) and not node.value:
            raise self.wrong(node, f"{name} is empty", 'Write something, or "" for an empty text.')
        return str(node.value)

    def texts(self, name: str, node: yaml.Node) -> list[str]:
        """Read a list of scalars as their texts."""
        return [self.text(item_name, item) for item_name, item in self.items(name, node)]

    def tag(self, name: str, node: yaml.Node) -> str | dict[str, str]:
        """Read a tag: the text `key:value`, or a mapping with `key` and `value`."""
        if form(node) != "mapping":
            return self.text(name, node)
        pairs = self.pairs(name, node)
        if set(pairs) >= {"key", "value"}:
            return {member: self.text(f"{name}.{member}", pairs[member][1]) for member in ("key", "value")}
        told = f"{name} must be a text key:value, or a mapping with key and value"
        if len(pairs) == 1:  # `- type: raw`: the blank makes a mapping of it
            ((key, (_, value)),) = pairs.items()
            written = value.value if form(value) == "scalar" else "VALUE"
            raise self.wrong(node, told, f'Write it without a blank, or in quotes: "{key}:{written}"')
        raise self.wrong(node, told)

    def _pairs(self, name: str, node: yaml.Node, merges: int) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        if form(node) != "mapping":
            raise self.wrong(node, f"{name} must be a mapping (key: value), not {_kind(node)}")
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                for source in value.value if form(value) == "sequence" else [value]:
                    if not merges:
                        raise self.wrong(key, "`<<` refers to itself, or goes too deep")
                    merged = {**self._pairs(name, source, merges - 1), **merged}
                continue
            if form(key) != "scalar":
                raise self.wrong(key, f"a key of {name} must be a text, not {_kind(key)}")
            if key.value in own:
                before = own[key.value][0].start_mark.line + 1
                raise self.wrong(key, f"key {key.value!r} already defined at line {before}", "Keep one of them.")
            own[key.value] = (key, value)
        return {**merged, **own}


def form(node: yaml.Node) -> str:
    """What `node` is: "scalar", "sequence" or "mapping"."""
    return str(getattr(node, "id", ""))  # every kind of node has it; the types of PyYAML do not say so


def is_null(node: yaml.Node) -> bool:
    """Whether `node` is nothing: empty, `~` or a word for null."""
    return form(node) == "scalar" and node.tag == _NULL


def _kind(node: yaml.Node) -> str:
    names = {"mapping": "a mapping", "sequence": "a list"}
    return names.get(form(node), "empty" if is_null(node) and not node.value else "a single value")
