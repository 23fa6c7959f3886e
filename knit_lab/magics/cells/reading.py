"""Reading the code of a cell: what it would miss in a Run, where nothing of the notebook is there.

Found by Python's own symbol tables and syntax tree, without running anything. What is found through `globals()`,
`exec` or a star import is beyond it: behind a star import, names are not looked at.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import re
import symtable
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from knit_server.domain.errors import InvalidInput

GIVEN = ("inputs", "outputs", "args")
"""Names that a cell finds."""

_NOTEBOOK_ONLY = frozenset({"display", "get_ipython", "__IPYTHON__", "In", "Out", "exit", "quit"})
_BUILT_IN = frozenset({*dir(builtins), "__file__"}) - _NOTEBOOK_ONLY
_MAGIC = re.compile(r"^\s*(?:[\w\s,]+=\s*)?[%!]|\?{1,2}\s*$")


@dataclass(frozen=True)
class Code:
    """What was read: names that are not defined in the cell, and modules that it imports, each with its first line."""

    source: str
    free: Mapping[str, int]
    modules: Mapping[str, int]

    @property
    def hash(self) -> str:
        """What identifies the code: equal for equal text."""
        return hashlib.sha256(self.source.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def read(cell: str) -> Code:
    """Read a cell. Raises `InvalidInput` for what is not plain Python, with its line."""
    source = "\n".join(line.rstrip() for line in cell.strip("\n").splitlines()) + "\n"
    tree = _parsed(source)
    table = symtable.symtable(source, "cell", "exec")
    star = any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(tree))
    missing = set() if star else _used(table) - _defined(table) - _BUILT_IN - set(GIVEN)
    lines = {name: _line_of(tree, name) for name in missing}
    return Code(source, dict(sorted(lines.items(), key=lambda each: (each[1], each[0]))), dict(_modules(tree)))


def _parsed(source: str) -> ast.Module:
    try:
        source.encode()
        compile(source, "cell", "exec", dont_inherit=True)
        tree = ast.parse(source, "cell")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as err:
        line = (err.lineno or 1) if isinstance(err, SyntaxError) else 1
        told = err.msg if isinstance(err, SyntaxError) else str(err)
        text = source.splitlines()[line - 1] if 0 < line <= len(source.splitlines()) else ""
        if _MAGIC.search(text):
            raise InvalidInput(
                f"line {line} of the cell is not plain Python: {text.strip()}",
                advice="A Run knows no magics and no `!`: use Python instead, such as subprocess.run([...]).",
            ) from err
        if "'await' outside" in told or "'async" in told:
            told += " (a notebook allows that, Python does not)"
        raise InvalidInput(f"line {line} of the cell: {told}", advice="Mend the line, and run the cell again.") from err
    if not tree.body:
        raise InvalidInput("the cell has no code", advice="Write what the Plan shall do below the line of %%knit plan.")
    return tree


def _used(table: symtable.SymbolTable) -> set[str]:
    """Return the names that are looked up among those of the module, at its top and in all functions and classes."""
    if table.get_type() == "module":
        found = {each.get_name() for each in table.get_symbols() if each.is_referenced()}
    else:
        found = {each.get_name() for each in table.get_symbols() if each.is_global() and each.is_referenced()}
    return found.union(*(_used(child) for child in table.get_children()))


def _defined(table: symtable.SymbolTable) -> set[str]:
    """Return the names that the module itself gets."""
    if table.get_type() == "module":
        found = {each.get_name() for each in table.get_symbols() if each.is_assigned() or each.is_imported()}
    else:
        found = {
            each.get_name()
            for each in table.get_symbols()
            if each.is_declared_global() and (each.is_assigned() or each.is_imported())
        }
    return found.union(*(_defined(child) for child in table.get_children()))


def _line_of(tree: ast.AST, name: str) -> int:
    read = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    return min((node.lineno for node in read if node.id == name), default=1)


def _modules(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Give the outermost module of each import, once; imports that may fail (`try: import`) are left out."""
    optional = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.Try) and any(_catches_import(each) for each in node.handlers)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    seen: set[str] = set()
    for node in ast.walk(tree):
        if node in optional or not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.ImportFrom) and node.level:
            raise InvalidInput(
                f"line {node.lineno} of the cell imports from its own package: a cell has none",
                advice="Import by the full name.",
            )
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        for name in names:
            outermost = name.partition(".")[0]
            if outermost and outermost not in seen:
                seen.add(outermost)
                yield outermost, node.lineno


def _catches_import(handler: ast.ExceptHandler) -> bool:
    caught = (
        {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else {"Exception"}
    )
    return bool(caught & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
