"""Documents and code agree: every heading that a docstring cites exists, and every word has its entry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CITATION = re.compile(r'docs/([a-z0-9_/-]+\.md)((?:, |\s+and\s+)"[^"]+")*')
WORDS = (
    "Data", "Tag", "Plan", "Input", "Output", "Log", "Run", "Status", "Lineage", "Nomination", "Projection", "Attempt",
    "Executor", "Staging", "Image", "Home", "Store", "Chunk", "Pack", "Manifest", "Content id", "Lease", "Profile",
)  # fmt: skip


def headings(document: Path) -> set[str]:
    """Give the headings of a Markdown file, without numbers."""
    found = re.findall(r"^#+\s+(.*?)\s*$", document.read_text(), re.MULTILINE)
    return {re.sub(r"^[0-9.]+\s+", "", heading) for heading in found}


def citations() -> list[tuple[str, str, str | None]]:
    """Give (file, document, heading or None) for everything that code and documents cite."""
    found: list[tuple[str, str, str | None]] = []
    for package in ("knit_server", "knit_cli", "knit_lab"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for match in CITATION.finditer(path.read_text()):
                quoted = re.findall(r'"([^"]+)"', match.group())
                found += [(str(path.relative_to(ROOT)), match[1], " ".join(each.split())) for each in quoted or []]
                found += [] if quoted else [(str(path.relative_to(ROOT)), match[1], None)]
    return found


@pytest.mark.parametrize("document", sorted({document for _, document, _ in citations()}))
def test_cited_documents_have_the_cited_headings(document: str) -> None:
    """A docstring that says where a rule is written must be right."""
    cited = [(source, heading) for source, each, heading in citations() if each == document]
    assert (ROOT / "docs" / document).is_file(), cited
    known = headings(ROOT / "docs" / document)
    assert [(source, heading) for source, heading in cited if heading is not None and heading not in known] == []


def test_every_word_is_in_the_glossary() -> None:
    """Knit's words are explained once, in alphabetical order."""
    entries = re.findall(r"^\*\*(.+?)\*\*", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert set(WORDS) <= set(entries)
    assert entries == sorted(entries, key=str.casefold)


LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)\s#]+)(?:#[^)\s]*)?\)")


def test_links_between_documents_lead_somewhere() -> None:
    """Relative links in Markdown files name files that exist."""
    broken = [
        f"{path.relative_to(ROOT)} -> {target}"
        for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
        for target in LINK.findall(path.read_text())
        if not (path.parent / target).exists()
    ]
    assert broken == []
