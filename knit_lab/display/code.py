"""Source as a page shows it."""

from __future__ import annotations

import re

from knit_lab.display import html as markup

_LINE = re.compile(r"^(\s*(?:- )*)([\w./#-]+)(:)(\s.*|)$")  # not tags, such as type:raw: no blank follows their colon


def yaml(text: str) -> str:
    """Show YAML with its keys in bold."""
    return markup.framed(f'<pre style="margin:0">{chr(10).join(map(_line, text.splitlines()))}</pre>')


def _line(text: str) -> str:
    found = _LINE.match(text)
    if found is None:
        return markup.escape(text)
    indent, key, colon, rest = map(markup.escape, found.groups())
    return f"{indent}<b>{key}</b>{colon}{rest}"
