"""The only door to dockerfile-parse: the text of a Dockerfile to its instructions, with their line numbers."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import NoReturn

from knit_server.domain.errors import InvalidInput, Unsupported


@dataclass(frozen=True)
class Instruction:
    """One instruction. `line` counts from 1; `value` is all that follows the word, continued lines joined."""

    line: int
    word: str
    value: str

    def wrong(self, reason: str, advice: str) -> NoReturn:
        """Raise `InvalidInput` that names this line."""
        raise InvalidInput(f"line {self.line}: {self.word}: {reason}", advice=advice)

    def unsupported(self, reason: str, advice: str) -> NoReturn:
        """Raise `Unsupported` that names this line."""
        raise Unsupported(f"line {self.line}: {self.word}: {reason}", advice=advice)


def parse(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile's text, in order. Raises `InvalidInput` where one has no value."""
    from dockerfile_parse import DockerfileParser

    # A file object of our own: the parser would otherwise look for, and write, a Dockerfile in the current directory.
    parser = DockerfileParser(fileobj=io.BytesIO(_without_gaps(text).encode()), env_replace=False)
    found = [
        Instruction(int(entry["startline"]) + 1, str(entry["instruction"]), str(entry["value"]).strip())
        for entry in parser.structure
        if entry["instruction"] != "COMMENT"
    ]
    if not found:
        raise InvalidInput("the Dockerfile has no instruction", advice="Begin it with FROM python:3.")
    for instruction in found:
        if not instruction.value:
            instruction.wrong("the value is missing", "Every instruction needs a value after its word.")
    return found


def _without_gaps(text: str) -> str:
    """Blank lines within a continued instruction become comments, as Docker reads them; line numbers stay."""
    lines, continued = [], False
    for line in text.removeprefix("\ufeff").splitlines():
        bare = line.strip()
        lines.append(line if bare or not continued else "#")
        if not bare.startswith("#") and (bare or not continued):
            continued = bare.endswith("\\")
    return "\n".join(lines) + "\n"
