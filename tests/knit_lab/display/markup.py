"""A look at markup as a browser takes it: which elements and attributes there are, and what it says."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

ELEMENTS = {
    "b", "caption", "code", "div", "i", "li", "pre", "span", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"class", "colspan", "style", "title"}
DRAWN = {"svg", "title", "defs", "marker", "path", "rect", "text", "g"}
SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """What a page holds; asserts that it is well formed and has nothing that acts."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.styles: set[str] = set()
        self.titles: list[str] = []
        self.said: list[str] = []
        self.feed(markup)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS
        self.open.append(tag)
        for name, value in attrs:
            assert name in ATTRIBUTES
            assert value is not None
            (self.styles.add if name == "style" else self.titles.append)(value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError("no comments")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError("no declarations")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError("no declarations")

    def handle_pi(self, data: str) -> None:
        raise AssertionError("no instructions")

    @property
    def text(self) -> str:
        return "".join(self.said)


def drawing(markup: str) -> list[str]:
    """The texts of an SVG; asserts that it is XML and has nothing that acts."""
    texts = []
    for each in ElementTree.fromstring(markup.encode()).iter():
        assert each.tag.removeprefix(SVG) in DRAWN
        assert not [name for name in each.attrib if name.startswith("on") or "href" in name]
        texts.append(each.text or "")
    return texts
