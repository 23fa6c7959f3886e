"""What is understood of a Dockerfile, and what is said about the rest."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain.errors import InvalidInput, Unsupported
from knit_server.executors.local.ignore import Ignore
from knit_server.executors.local.pip_lines import PipInstall
from knit_server.executors.local.recipe import Copy, MakeDirectory, Recipe, read
from knit_server.executors.local.words import expand, split

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHER = f"{sys.version_info.major}.{sys.version_info.minor + 1}"


def pip_words(recipe: Recipe) -> list[list[str]]:
    """The arguments of each pip install."""
    return [
        [word.before + word.text + word.after for word in step.words]
        for step in recipe.steps
        if isinstance(step, PipInstall)
    ]


def test_a_common_dockerfile() -> None:
    """The usual Dockerfile of a data scientist is understood whole."""
    recipe = read(f"""
        # syntax=docker/dockerfile:1
        ARG PYTHON={HERE}-slim
        FROM --platform=linux/amd64 docker.io/library/python:${{PYTHON}} AS base
        ARG LEVEL=2
        ENV ONE=1 TWO="a b" LEVEL_NOW=${{LEVEL:-9}}
        ENV OLD  form of it
        WORKDIR /app
        WORKDIR src

        COPY requirements.txt ./
        RUN --mount=type=cache,target=/root/.cache pip install --no-cache-dir -U pip && \\
            # a comment between

            pip3 install -r requirements.txt "numpy>=1.26"
        COPY --chown=me:me --chmod=755 ["a b.py", "c.py", "/opt/tools/"]
        EXPOSE 80
        ENTRYPOINT ["python", "main.py"]
        CMD --fast
    """)
    assert recipe.workdir == "/app/src"
    assert recipe.env == {"ONE": "1", "TWO": "a b", "LEVEL_NOW": "2", "OLD": "form of it"}
    assert (recipe.entrypoint, recipe.cmd) == (("python", "main.py"), ("/bin/sh", "-c", "--fast"))
    assert pip_words(recipe) == [["-U", "pip"], ["--requirement=requirements.txt", "numpy>=1.26"]]
    assert [step.path for step in recipe.steps if isinstance(step, MakeDirectory)] == ["/app", "/app/src"]
    copies = [(step.sources, step.target, step.into, step.mode) for step in recipe.steps if isinstance(step, Copy)]
    assert copies == [(("requirements.txt",), "/app/src", True, None), (("a b.py", "c.py"), "/opt/tools", True, 0o755)]
    noted = [warning.partition(" has no")[0] for warning in recipe.warnings]
    assert noted == ["line 16: COPY --chown", "line 17: EXPOSE is noted and"]


@pytest.mark.parametrize("word", ["LABEL", "EXPOSE", "VOLUME", "HEALTHCHECK", "STOPSIGNAL", "MAINTAINER", "SHELL"])
def test_passed_over(word: str) -> None:
    """Instructions without effect here are noted with their line, and passed over."""
    assert read(f"FROM python\n{word} x\n").warnings == [f"line 2: {word} is noted and has no effect here"]


@pytest.mark.parametrize(
    ("line", "reason", "advice"),
    [
        ("FROM python:3", "several build stages", "COPY the result"),
        ("USER me", "runs Knit", "Leave USER out"),
        ("ONBUILD RUN x", "nothing is built", "Leave"),
        ("RUN apt-get install -y ffmpeg", "apt-get install -y ffmpeg is not a pip install", "package on the index"),
        ("RUN pip install a && rm -rf /x", "rm -rf /x is not", "Python with packages"),
        ("RUN pip install a; pip install b", "; is not understood", "&&"),
        ("RUN pip install a>=1", "reads > as a redirection", "quotes"),
        ("RUN pip install -e .", "-e makes no sense", "without -e"),
        ("RUN pip install --target=/x a", "--target makes no sense", "own environment"),
        ("RUN pip install --frobnicate a", "--frobnicate is not understood", "Leave"),
        ("RUN --network=none pip install a", "--network=none", "Leave"),
        ("RUN <<EOF", "here-documents", "one `RUN"),
        ("COPY --from=base a b", "--from", "context"),
        ("COPY --parents a b", "--parents is not understood", "Leave"),
        ("COPY <<EOF /x", "here-documents", "file of the context"),
        ("ADD https://example.org/x /x", "would be downloaded", "COPY"),
        ("ADD data.tar.gz /x", "would be unpacked", "Unpack it"),
    ],
)
def test_refused(line: str, reason: str, advice: str) -> None:
    """What is not offered is refused with its line, the reason and what to do."""
    with pytest.raises(Unsupported) as raised:
        read(f"FROM python:3\n\n{line}\n")
    assert raised.value.reason.startswith(f"line 3: {line.split()[0]}: ")
    assert reason in raised.value.reason
    assert advice in str(raised.value.advice)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no instruction"),
        ("ARG X=1", "no FROM"),
        ("RUN pip install x\nFROM python", "line 1: RUN: there is no FROM before it"),
        ("FROM python\nCOPPY a b", "line 2: COPPY: there is no such instruction"),
        ("FROM python\nCMD", "line 2: CMD: the value is missing"),
        ("FROM python\nCOPY a", "line 2: COPY: a source or the target is missing"),
        ('FROM python\nENV A="x', 'line 2: ENV: a closing " is missing'),
        ("FROM python\nENV A=1 B", "line 2: ENV: 'B' is not NAME=value"),
        ("FROM python\nENV A", "line 2: ENV: A has no value"),
        ('FROM python\nCMD ["a", 1]', "line 2: CMD: the list must hold strings only"),
        ("FROM python\nRUN pip install -r", "line 2: RUN: pip's -r needs a value"),
        ("FROM python\nWORKDIR ${X!}", "line 2: WORKDIR: ${X!} is not understood"),
        ("FROM ubuntu:22.04", "line 1: FROM: a local image is built from python only, not from ubuntu:22.04"),
        ("FROM scratch", "line 1: FROM"),
        ("FROM python:2.7", "line 1: FROM: this machine has no Python 2"),
    ],
)
def test_wrong(text: str, reason: str) -> None:
    """A mistake is told with its line."""
    with pytest.raises(InvalidInput) as raised:
        read(text)
    assert reason in raised.value.reason
    assert raised.value.advice


@pytest.mark.parametrize(
    ("tag", "warned"),
    [
        (":3", False),
        ("", False),
        (":slim", False),
        (f":{HERE}-alpine", False),
        (f":{OTHER}", True),
        (f":{OTHER}.1-slim", True),
    ],
)
def test_python_version(tag: str, warned: bool) -> None:
    """Only another minor version than the one at hand is warned about."""
    assert any("asks for Python" in warning for warning in read(f"FROM python{tag}").warnings) == warned


def test_build_args() -> None:
    """Build arguments replace the defaults of ARG, and only there."""
    text = "ARG G=1\nFROM python\nARG G\nARG A=2\nARG B\nENV OUT=$G-$A-$B-$C\n"
    assert read(text).env == {"OUT": "1-2--"}
    assert read(text, {"A": "x", "B": "y", "C": "z", "G": "w"}).env == {"OUT": "w-x-y-"}


@pytest.mark.parametrize(
    "run", ["pip install x", "pip3 install x", "python -m pip install x", 'RUN ["pip", "install", "x"]']
)
def test_ways_to_call_pip(run: str) -> None:
    """The usual ways to call pip are one."""
    assert pip_words(read(f"FROM python\nRUN {run.removeprefix('RUN ')}\n")) == [["x"]]


def test_pip_paths_are_told_from_names() -> None:
    """Files and directories of the image are told from packages by name and from addresses."""
    local = ". ./p[x,y] /w/a.whl b.whl file:///w/c.whl -fdir"
    (step,) = read(f"FROM python\nRUN pip install {local} d[e] git+https://h/r 'n @ https://h/n.whl'\n").steps
    assert isinstance(step, PipInstall)
    assert [word.text for word in step.words if word.path] == [".", "./p", "/w/a.whl", "b.whl", "/w/c.whl", "dir"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A/${B}", "a/"), ("${B:-x}", "x"), ("${E-x}", ""), ("${E:-x}", "x"), ("${A:+y$A}", "ya"), ("'$A'", "$A"),
        ('"$A b"', "a b"), (r"\$A", "$A"), (r'"\$A\n"', r"$A\n"), ("$", "$"), ("a$-", "a$-"),
    ],
)  # fmt: skip
def test_expand(text: str, expected: str) -> None:
    """Variables, quotes and backslashes mean what they mean to Docker."""
    assert expand(text, {"A": "a", "E": ""}) == expected


@given(st.lists(st.text(st.characters(blacklist_characters="'", blacklist_categories=["Cs"]), min_size=0)))
def test_split_undoes_quoting(words: list[str]) -> None:
    """Whatever stands in single quotes comes out as one word."""
    assert split(" ".join(f"'{word}'" for word in words), {}, operators=True) == words


@pytest.mark.parametrize(
    ("rules", "ignored", "kept"),
    [
        ("*.pyc", ["a.pyc"], ["d/a.pyc", "a.py"]),
        ("**/*.pyc", ["a.pyc", "d/e/a.pyc"], ["a.py"]),
        ("/build/\n# comment\n\n", ["build", "build/x"], ["d/build", "# comment"]),
        ("data\n!data/keep", ["data/x"], ["data/keep", "data/keep/y"]),
        ("!a\na", ["a"], []),
        ("*\n!src", ["x", "d/x"], ["src", "src/main.py"]),
        ("a?c[0-9]", ["abc1"], ["ac1", "abcx", "a/c1"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_ignore(rules: str, ignored: list[str], kept: list[str]) -> None:
    """The last rule that fits decides; directories cover what is below them."""
    ignore = Ignore.parse(rules)
    assert [path for path in ignored if not ignore.covers(path)] == []
    assert [path for path in kept if ignore.covers(path)] == []
