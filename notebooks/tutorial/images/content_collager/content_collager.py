"""Make a page, index.html, that shows each original beside its tracing.

The input folder holds `originals` and `traced`; NAME.* and NAME-traced.* belong together, an animated GIF only with
an animated GIF. The page and the pictures it links to need nothing else: the folder can be opened or sent as it is.
"""

from __future__ import annotations

import argparse
import html
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image

SHOWN = {".gif", ".jpeg", ".jpg", ".png"}
SIDES = ("originals", "traced")

STYLE = """
:root { color-scheme: light dark; --ground: #f6f5f1; --card: #fff; --ink: #1d2430; --soft: #5d6878; --line: #dddad2;
  --accent: #0b6e75; --frame: #ebe9e3; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161c; --card: #1b212a; --ink: #e8ebf0; --soft: #98a4b5;
  --line: #2c3541; --accent: #5fd0d3; --frame: #0b0e12; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main, header, footer { max-width: 1180px; margin: 0 auto; padding: 0 clamp(16px, 4vw, 40px); }
header { padding-top: clamp(28px, 6vw, 64px); }
h1 { margin: 0 0 8px; font-size: clamp(28px, 5vw, 44px); line-height: 1.1; letter-spacing: -.02em; text-wrap: balance; }
header p { margin: 0; max-width: 62ch; color: var(--soft); text-wrap: pretty; }
nav { display: flex; flex-wrap: wrap; gap: 8px; margin: 20px 0 0; padding: 0; list-style: none; }
nav a { display: inline-flex; align-items: center; min-height: 40px; padding: 4px 14px; border: 1px solid var(--line);
  border-radius: 999px; background: var(--card); color: inherit; text-decoration: none; }
nav a:hover { border-color: var(--accent); color: var(--accent); }
a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
h2 { margin: 44px 0 16px; font-size: 22px; }
article { margin: 0 0 24px; padding: clamp(14px, 2.4vw, 24px); border: 1px solid var(--line); border-radius: 14px;
  background: var(--card); scroll-margin-top: 16px; }
h3 { margin: 0 0 12px; font-size: 18px; overflow-wrap: anywhere; }
.pair { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: clamp(10px, 2vw, 20px); }
figure { margin: 0; }
figure a { display: block; border-radius: 8px; overflow: hidden; background: var(--frame); }
img { display: block; width: 100%; height: auto; }
figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 12px; margin-top: 8px;
  font-size: 14px; color: var(--soft); }
figcaption b { color: var(--ink); font-weight: 600; }
.missing { display: grid; place-items: center; min-height: 160px; padding: 16px; border: 1px dashed var(--line);
  border-radius: 8px; color: var(--soft); text-align: center; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 14px; background: var(--card); }
table { width: 100%; border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 9px 16px; text-align: left; white-space: nowrap; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-weight: 500; }
td a { color: var(--accent); text-underline-offset: 3px; }
.number { text-align: right; }
footer { padding-top: 32px; padding-bottom: 48px; font-size: 14px; color: var(--soft); }
@media (max-width: 560px) { .pair { grid-template-columns: 1fr; } }
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Originals and tracings</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>Originals and tracings</h1>
<p>{summary} Each original stands beside its edges, found by Canny's method.</p>
<nav aria-label="On this page">{contents}</nav>
</header>
<main>
{sections}
<h2 id="files">Everything shown</h2>
<div class="scroll"><table>
<thead><tr><th>File</th><th>Kind</th><th class="number">Pixels</th><th class="number">Frames</th>
<th class="number">Size</th></tr></thead>
<tbody>
{rows}
</tbody>
</table></div>
</main>
<footer>Made by content_collager.py. A click on a picture opens it in full.</footer>
</body>
</html>
"""


class WrongInput(Exception):
    """The input cannot be used; the message names the file."""


@dataclass(frozen=True)
class Shown:
    """A file of the page: its path below the page's folder, its pixels, frames and bytes."""

    path: Path
    width: int
    height: int
    frames: int
    size: int

    @property
    def link(self) -> str:
        """The relative address, fit for an attribute."""
        return html.escape(quote(self.path.as_posix()))


#: A title, whether it is a movie, and the two sides; one of them may be missing.
Pairs = dict[tuple[bool, str], dict[str, Shown]]


def collect(folder: Path, output: Path) -> Pairs:
    """Copy the pictures below the output folder, paired by name, pictures before movies."""
    if not folder.is_dir():
        raise WrongInput(f"the input {folder} is not a folder")
    pairs: Pairs = {}
    for side in SIDES:
        if not (folder / side).is_dir():
            raise WrongInput(f"the input {folder} has no folder `{side}`; it must hold {' and '.join(SIDES)}")
        for source in sorted(path for path in (folder / side).rglob("*") if path.is_file()):
            if source.suffix.lower() not in SHOWN:
                print(f"left out, neither picture nor GIF: {source}")
                continue
            relative = source.relative_to(folder)
            title = relative.relative_to(side).with_suffix("").as_posix().removesuffix("-traced")
            key = (source.suffix.lower() == ".gif", title)
            sides = pairs.setdefault(key, {})
            if side in sides:
                raise WrongInput(f"{source} and {folder / sides[side].path} would be shown as one; rename one of them")
            sides[side] = place(source, relative, output)
    if not pairs:
        raise WrongInput(f"no picture and no GIF ({', '.join(sorted(SHOWN))}) in {folder}")
    return dict(sorted(pairs.items()))


def place(source: Path, relative: Path, output: Path) -> Shown:
    """Copy one file below the output folder and measure it."""
    try:
        with Image.open(source) as picture:
            width, height, frames = picture.width, picture.height, getattr(picture, "n_frames", 1)
    except OSError as err:
        raise WrongInput(f"cannot read the picture {source}: {err}") from err
    target = output / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return Shown(relative, width, height, frames, target.stat().st_size)


def size_text(size: int) -> str:
    """Bytes for people: `45 KiB`, `1.2 MiB`."""
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{max(1, round(size / 1024))} KiB"


def anchor(movie: bool, title: str) -> str:
    """The fragment of a pair on the page."""
    return html.escape(quote(f"{'movie' if movie else 'picture'}-{title}", safe=""))


def figure(title: str, side: str, shown: Shown | None) -> str:
    """One side of a pair."""
    label = "Original" if side == "originals" else "Traced"
    if shown is None:
        missing = "original" if side == "originals" else "tracing"
        return f'<figure><div class="missing">There is no {missing} of this one.</div></figure>'
    alt = html.escape(f"{title}, {label.lower()}")
    return (
        f'<figure><a href="{shown.link}"><img src="{shown.link}" width="{shown.width}" height="{shown.height}"'
        f' loading="lazy" alt="{alt}"></a><figcaption><b>{label}</b>'
        f"<span>{html.escape(shown.path.name)}</span></figcaption></figure>"
    )


def section(pairs: Pairs, movie: bool) -> str:
    """The pictures, or the movies; nothing when there is none."""
    cards = [
        f'<article id="{anchor(kind, title)}"><h3>{html.escape(title)}</h3><div class="pair">\n'
        + "\n".join(figure(title, side, sides.get(side)) for side in SIDES)
        + "\n</div></article>"
        for (kind, title), sides in pairs.items()
        if kind == movie
    ]
    return "\n".join([f"<h2>{'Movies' if movie else 'Pictures'}</h2>", *cards]) if cards else ""


def row(movie: bool, shown: Shown) -> str:
    """A line of the list of files."""
    return (
        f'<tr><td><a href="{shown.link}">{html.escape(shown.path.as_posix())}</a></td>'
        f"<td>{'animated GIF' if movie else 'picture'}</td>"
        f'<td class="number">{shown.width} × {shown.height}</td><td class="number">{shown.frames}</td>'
        f'<td class="number">{size_text(shown.size)}</td></tr>'
    )


def count(number: int, noun: str) -> str:
    """`1 movie`, `2 movies`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def page(pairs: Pairs) -> str:
    """The whole page."""
    movies = sum(movie for movie, _ in pairs)
    links = [f'<a href="#{anchor(movie, title)}">{html.escape(title)}</a>' for movie, title in pairs]
    return PAGE.format(
        style=STYLE,
        summary=f"{count(len(pairs) - movies, 'picture')} and {count(movies, 'movie')}.",
        contents="".join([*links, '<a href="#files">Everything shown</a>']),
        sections="\n".join(filter(None, (section(pairs, False), section(pairs, True)))),
        rows="\n".join(
            row(movie, sides[side]) for (movie, _), sides in pairs.items() for side in SIDES if side in sides
        ),
    )


def main() -> int:
    """Run as a command; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-i", "--input", type=Path, required=True, metavar="DIR", help="has `originals` and `traced`")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the page")
    args = parser.parse_args()
    try:
        pairs = collect(args.input, args.output)
        (args.output / "index.html").write_text(page(pairs), encoding="utf-8")
    except (WrongInput, OSError) as err:
        print(f"content_collager.py: {err}", file=sys.stderr)
        return 1
    for (movie, title), sides in pairs.items():
        print(
            f"shown: {title} ({'movie' if movie else 'picture'}: {', '.join(side for side in SIDES if side in sides)})"
        )
    print(f"done: {args.output / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
