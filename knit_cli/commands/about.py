"""`knit version` and `knit license`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from knit_cli import frame, output
from knit_server import __version__

_DISTRIBUTION = "knit-platform"


@click.command("version", cls=frame.Command, add_help_option=False, help="Show the version of Knit.")
def version() -> None:
    """Print version and commit, without a newline."""
    output.emit(f"{__version__} (commit: {_commit()})")
    output.end_line()


@click.command(
    "license", cls=frame.Command, add_help_option=False,
    help="Show the licences of Knit and of what it is made with.",
)  # fmt: skip
def license_() -> None:
    """Print one line for each distribution that Knit needs and that is installed."""
    output.emit("".join(f"{line}\n" for line in _notices()))


def _commit() -> str:
    """Return the commit this was installed from or is checked out at, as far as that can be told."""
    from importlib import metadata

    try:
        direct = json.loads(metadata.distribution(_DISTRIBUTION).read_text("direct_url.json") or "{}")
        found = direct.get("vcs_info", {}).get("commit_id")
    except (metadata.PackageNotFoundError, ValueError, AttributeError):
        found = None
    return str(found or _checkout(Path(__file__).parents[2] / ".git") or "unknown")


def _checkout(folder: Path) -> str | None:
    """Read the commit of a git folder without git."""
    try:
        head = (folder / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (folder / name).is_file():
            return (folder / name).read_text().strip()
        packed = (folder / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
    except OSError:
        return None


def _notices() -> list[str]:
    import re
    from importlib import metadata

    lines, seen, queue = [f"Knit {__version__}: Apache-2.0"], {_DISTRIBUTION}, [_DISTRIBUTION]
    for name in queue:
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if name != _DISTRIBUTION:
            lines.append(f"{found.metadata['Name']} {found.version}: {_licence(found.metadata)}")
        for requirement in found.requires or ():
            match = re.match(r"[A-Za-z0-9._-]+", requirement)
            needed = re.sub(r"[-_.]+", "-", match.group().lower()) if match and "extra ==" not in requirement else None
            if needed and needed not in seen:
                seen.add(needed)
                queue.append(needed)
    return lines


def _licence(fields: object) -> str:
    get_all = fields.get_all  # type: ignore[attr-defined]  # an email.message.Message, whatever its declared type
    for name in ("License-Expression", "License"):
        first = next((str(line) for text in get_all(name) or () for line in str(text).splitlines() if line), "")
        if first and len(first) < 80:
            return first
    classifiers = [text.rpartition("::")[2].strip() for text in get_all("Classifier") or () if "License" in text]
    return ", ".join(classifiers) or "see its own files"
