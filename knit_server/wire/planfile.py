"""Plan files: YAML as people write it -> the JSON that `POST /plans` takes.

Only the first document of a file counts; that there are more is told. Unknown keys never fail, but are told: a misspelt
key is a Plan that does something else than its author meant (docs/plan-files.md).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from knit_server.domain.errors import Unsupported
from knit_server.wire import planschema, requests
from knit_server.wire.nodes import Reader, first_of, form, is_null
from knit_server.wire.planschema import Kind
from knit_server.wire.shapes import Json

if TYPE_CHECKING:
    import yaml


def read(text: str, source: str) -> tuple[Json, list[str]]:
    """Read a plan file; returns the JSON and warnings. `source` names the file in them.

    Raises `InvalidInput` with file, line and column for what is no YAML, has a key twice or has the wrong form.
    What a Plan must be beyond its form is checked by the server.
    """
    node, another = first_of(text, source)
    reader = _PlanReader(source)
    more = [] if another is None else [f"{source}:{another}: this document is ignored; only the first of a file counts"]
    if node is None or is_null(node):
        return {}, [f"{source}: the file is empty", *more]
    return reader.plan(node), reader.warnings + more


class _PlanReader(Reader):
    def __init__(self, source: str) -> None:
        super().__init__(source)
        self._warnings: list[tuple[int, str]] = []
        readers: dict[Kind, Callable[[str, yaml.Node], object]] = {
            Kind.TEXT: self.text,
            Kind.TEXTS: self.texts,
            Kind.BOOL: self._bool,
            Kind.INPUTS: self._mounts,
            Kind.OUTPUTS: self._mounts,
            Kind.LOG: self._log,
            Kind.AMOUNTS: self._resources,
            Kind.DURATION: self.text,
            Kind.RETRY: self._retry,
            Kind.WISHES: self._on_node,
        }
        self._members = {key.name: readers[key.kind] for key in planschema.PLAN}

    @property
    def warnings(self) -> list[str]:
        """What has no effect, in the order of the file."""
        return [f"{self.source}:{line}: {told}" for line, told in sorted(self._warnings)]

    def plan(self, node: yaml.Node) -> Json:
        """Read the whole Plan."""
        found = self._known("the Plan", node, self._members)
        return {name: self._members[name](name, value) for name, value in found.items() if not is_null(value)}

    def _known(self, name: str, node: yaml.Node, words: Iterable[str]) -> dict[str, yaml.Node]:
        """Return the known members in the order of `words`; warn of the others."""
        words = list(words)
        pairs = self.pairs(name, node)
        for key, (key_node, _) in pairs.items():
            if key not in words:
                self._warn(name, key, key_node, words)
        return {word: pairs[word][1] for word in words if word in pairs}

    def _warn(self, name: str, key: str, node: yaml.Node, words: list[str]) -> None:
        likely = difflib.get_close_matches(key.lower(), words, n=1, cutoff=0.6)
        hint = f"did you mean {likely[0]}?" if likely else f"known keys: {', '.join(words)}."
        inside = "" if name == "the Plan" else f" in {name}"
        told = f"unknown key {key!r}{inside} is ignored; {hint}"
        self._warnings.append((node.start_mark.line + 1, told))

    def _mounts(self, name: str, node: yaml.Node) -> list[Json]:
        if form(node) == "mapping":
            raise Unsupported(
                f"{self.place(node)}: {name} is written as a mapping; this version reads a list",
                advice=f"Write each entry of {name} as `- path: ...` with `tags:` below it.",
            )
        return [self._mount(item_name, item) for item_name, item in self.items(name, node)]

    def _mount(self, name: str, node: yaml.Node) -> Json:
        found = self._known(name, node, planschema.names(planschema.MOUNT))
        if "path" not in found:
            raise self.wrong(node, f"{name} has no path", "Write the absolute path that the program uses.")
        return {"path": self.text(f"{name}.path", found["path"]), "tags": self._tags(name, found)}

    def _log(self, name: str, node: yaml.Node) -> Json:
        return {"tags": self._tags(name, self._known(name, node, planschema.names(planschema.LOG)))}

    def _tags(self, name: str, found: dict[str, yaml.Node]) -> list[object]:
        return [self.tag(item_name, item) for item_name, item in self.items_of("tags", found, f"{name}.tags")]

    def _bool(self, name: str, node: yaml.Node) -> bool:
        word = self.text(name, node)
        if word.lower() not in requests.BOOLS:
            raise self.wrong(node, f"{name} must be true or false, not {word!r}")
        return requests.BOOLS[word.lower()]

    def _resources(self, name: str, node: yaml.Node) -> dict[str, str]:
        return {key: self.text(f"{name}.{key}", value) for key, (_, value) in self.pairs(name, node).items()}

    def _retry(self, name: str, node: yaml.Node) -> Json:
        found = self._known(name, node, planschema.names(planschema.RETRY))
        read: dict[str, Callable[[str, yaml.Node], object]] = {
            "tries": self._count, "wait": self.text, "on": self.texts,
        }  # fmt: skip
        return {word: read[word](f"{name}.{word}", value) for word, value in found.items() if not is_null(value)}

    def _count(self, name: str, node: yaml.Node) -> int:
        word = self.text(name, node)
        if not (word.isascii() and word.isdecimal() and len(word) < 10):
            raise self.wrong(node, f"{name} must be a number, not {word!r}")
        return int(word)

    def _on_node(self, name: str, node: yaml.Node) -> dict[str, list[str]]:
        found = self._known(name, node, planschema.names(planschema.WISHES))
        return {mode: self.texts(f"{name}.{mode}", value) for mode, value in found.items() if not is_null(value)}
