"""Strip the notebooks, execute them on a new server, and write docs/notebooks: what they look like with their outputs.

    python tests/docs/notebooks.py           # those that have changed since their page was written; --all: each of them
    python tests/docs/notebooks.py --check   # only say what is out of date; nothing is executed

A page knows by a hash which notebook it shows. Its pictures are in docs/images/notebooks.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
for folder in (HERE, HERE.parent / "acceptance", HERE.parent / "notebooks"):
    sys.path.insert(0, str(folder))  # for the modules beside this file, and those of tests

NOTEBOOKS = ROOT / "notebooks"
PAGES = ROOT / "docs" / "notebooks"
PICTURES = ROOT / "docs" / "images" / "notebooks"


def sources() -> list[Path]:
    """The notebooks, in their order."""
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def page_of(source: Path) -> Path:
    """The page that shows a notebook."""
    return PAGES / f"{source.stem}.md"


def head(source: Path) -> str:
    """The first line of a page: what it was made of."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:32]
    return f"<!-- made by `make notebooks` of notebooks/{source.name}, sha256 {digest} -->"


def problems() -> list[str]:
    """What is out of date or left over, in words."""
    import pages
    from notebook_runs import stripped

    told, shown = [], set()
    for source in sources():
        text, page = source.read_text(encoding="utf-8"), page_of(source)
        if stripped(text) != text:
            told.append(f"notebooks/{source.name} holds outputs, or is not written as `make notebooks` writes it")
        written = page.read_text(encoding="utf-8") if page.is_file() else ""
        if written.partition("\n")[0] != head(source):
            told.append(f"docs/notebooks/{page.name} does not show the notebook as it is now")
        shown |= pages.pictures_in(written)
    there = {path.name for path in PICTURES.glob("*")}
    told += [f"docs/images/notebooks/{name} is shown, but not there" for name in sorted(shown - there)]
    told += [f"docs/images/notebooks/{name} is shown nowhere" for name in sorted(there - shown)]
    known = {page_of(source) for source in sources()}
    return told + [f"docs/notebooks/{path.name} shows no notebook" for path in PAGES.glob("*.md") if path not in known]


def write(chosen: list[Path]) -> None:
    """Execute these notebooks on a server of their own, and write their pages and pictures."""
    import pages
    from notebook_runs import executed, laid_out
    from server import Server

    for folder in (PAGES, PICTURES):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="knit-notebooks-") as name, Server(Path(name)) as server:
        folder = laid_out(NOTEBOOKS, Path(name) / "notebooks")
        for source in chosen:
            print(f"executing {source.name} ...", file=sys.stderr)
            page = pages.made(executed(folder / source.name, server), source.stem, forbidden=(name, str(ROOT)))
            for old in PICTURES.glob(f"{source.stem}-*"):
                old.unlink()
            for picture, content in page.pictures.items():
                (PICTURES / picture).write_bytes(content)
            page_of(source).write_text(f"{head(source)}\n\n{page.text}", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write, or check; 1 means that something is out of date."""
    if "--check" not in arguments:
        from notebook_runs import stripped

        for source in sources():
            source.write_text(stripped(source.read_text(encoding="utf-8")), encoding="utf-8")
        fresh = [page_of(source).is_file() and head(source) in page_of(source).read_text() for source in sources()]
        chosen = [
            source for source, is_fresh in zip(sources(), fresh, strict=True) if "--all" in arguments or not is_fresh
        ]
        if chosen:
            write(chosen)
    told = problems()
    for line in told:
        print(f"{line}; run `make notebooks`", file=sys.stderr)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
