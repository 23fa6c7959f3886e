"""Local images: building, sharing, naming, and what a failed or hostile build leaves."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
import os
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from knit_server.domain.errors import Conflict, InvalidInput, NotFound
from knit_server.executors.base import Image
from knit_server.executors.local import LocalImageStore


def wheel(folder: Path, name: str, version: str = "1.0") -> str:
    """Write a wheel by hand: one module that prints its version, and a program of the same name."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"def main():\n    print({name!r}, {version!r})\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        record += f"{path},sha256={digest},{len(text)}\n"
    folder.mkdir(parents=True, exist_ok=True)
    file = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(folder / file, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return file


class Store:
    """A store and a context to build from."""

    def __init__(self, folder: Path) -> None:
        self.context = folder / "context"
        self.context.mkdir()
        self.store = LocalImageStore(folder / "images")
        self.lines: list[str] = []

    def write(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            (self.context / path).parent.mkdir(parents=True, exist_ok=True)
            (self.context / path).write_text(text)

    def build(self, dockerfile: str, name: str = "app") -> Image:
        self.write({"Dockerfile": f"FROM python:3\n{dockerfile}\n"})
        return self.store.build(self.context, name, progress=self.lines.append)

    def files(self, name: str = "app") -> list[str]:
        root = self.store.locate(name).files
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink())

    @property
    def venvs(self) -> list[str]:
        return [path.name for path in (self.store.root / "venvs").iterdir() if path.is_dir()]


@pytest.fixture
def at(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        ("COPY a.py /x/", ["x/a.py"]),
        ("COPY a.py /x", ["x"]),
        ("WORKDIR /w\nCOPY a.py .", ["w/a.py"]),
        ("WORKDIR /w\nCOPY a.py /w", ["w/a.py"]),
        ("WORKDIR /w\nCOPY a.py b.py", ["w/b.py"]),
        ("COPY a.py d/b.py /x/", ["x/a.py", "x/b.py"]),
        ("COPY d /x", ["x/b.py", "x/e/c.py", "x/link"]),
        ("COPY d/ a.py /x/", ["x/a.py", "x/b.py", "x/e/c.py", "x/link"]),
        ("COPY *.py /x/", ["x/a.py"]),
        ("COPY d/*.py /x/", ["x/b.py"]),
        ("COPY ./d/e /x/y/../z", ["x/z/c.py"]),
        ("COPY /a.py ../x", ["x"]),
        ("ADD a.py /x", ["x"]),
        ('COPY ["with space", "/x/"]', ["x/with space"]),
        ("ENV D=d\nCOPY ${D}/e /x", ["x/c.py"]),
    ],
)
def test_copy(at: Store, copy: str, expected: list[str]) -> None:
    """COPY puts files where Docker puts them."""
    at.write({"a.py": "a", "d/b.py": "b", "d/e/c.py": "c", "with space": "s"})
    (at.context / "d/link").symlink_to("b.py")
    at.build(copy)
    assert at.files() == expected


@pytest.mark.parametrize(
    ("copy", "reason"),
    [
        ("COPY nothing /x", "there is no nothing in the context"),
        ("COPY *.zip /x", "there is no *.zip in the context"),
        ("COPY secret.key /x", "secret.key is left out by .dockerignore"),
        ("COPY ../outside /x", "../outside leaves the context"),
        ("COPY a.py d /x", "2 sources, but /x is no directory"),
        ("COPY out /x", "out is a link that leaves the context"),
        ("COPY out/passwd /x", "out/passwd is a link that leaves the context"),
        ("COPY a.py /x\nCOPY d /x", "/x is a file already"),
        ("COPY d /x/a.py\nCOPY a.py /x/", "holds a directory of that name already"),
    ],
)
def test_copy_refused(at: Store, copy: str, reason: str) -> None:
    """What cannot be copied is told with line and advice, and no image is made."""
    at.write({"a.py": "a", "d/b.py": "b", ".dockerignore": "*.key\n", "secret.key": "k"})
    (at.context / "out").symlink_to("/etc")
    with pytest.raises(InvalidInput) as raised:
        at.build(copy)
    assert raised.value.reason.startswith("line ")
    assert reason in raised.value.reason
    assert raised.value.advice
    assert at.store.list() == []
    assert list((at.store.root / "new").iterdir()) == []


def test_dockerignore(at: Store) -> None:
    """What .dockerignore names stays out of a directory's copy; what it takes back comes in."""
    at.write(
        {".dockerignore": "**/*.log\ndata\n!data/keep.csv\n", "x.log": "", "d/y.log": "", "data/a": "", "main.py": ""}
    )
    at.write({"data/keep.csv": ""})
    at.build("COPY . /app")
    assert at.files() == ["app/.dockerignore", "app/Dockerfile", "app/data/keep.csv", "app/main.py"]


def test_links_never_lead_out_of_the_image(at: Store, tmp_path: Path) -> None:
    """A file copied through a link that was copied before lands in the image, not where the link leads here."""
    victim = tmp_path / "victim"
    victim.mkdir()
    at.write({"x": "evil", "links/.keep": ""})
    (at.context / "links/way").symlink_to(victim)
    (at.context / "links/up").symlink_to("../../../../../../../../tmp")
    at.build("COPY links /links\nCOPY x /links/way/x\nCOPY x /links/up/knit-evil")
    assert list(victim.iterdir()) == []
    assert not Path("/tmp/knit-evil").exists()
    assert "tmp/knit-evil" in at.files()


def test_identity(at: Store) -> None:
    """Equal builds are one image; content, exec bit, settings and packages make another."""
    at.write({"main.py": "print(1)"})
    first = at.build("COPY main.py /app/")
    assert at.build("# a comment\nCOPY main.py /app/", "again").digest == first.digest
    assert at.store.resolve("again").names == ("again:latest", "app:latest")
    seen = {first.digest}
    seen.add(at.build("COPY main.py /app/\nENV A=1").digest)
    (at.context / "main.py").chmod(0o755)
    seen.add(at.build("COPY main.py /app/").digest)
    at.write({"main.py": "print(2)"})
    seen.add(at.build("COPY main.py /app/").digest)
    seen.add(at.build(f"COPY {wheel(at.context, 'one')} /tmp/\nRUN pip install --no-index /tmp/*.whl").digest)
    assert len(seen) == 5


def test_settings(at: Store) -> None:
    """An image tells what it was built with."""
    image = at.build(['WORKDIR /app\nENV A=1\nENTRYPOINT ["python", "x.py"]\nCMD ["y"]', "USELESS=1"][0])
    assert (image.workdir, image.entrypoint, image.cmd) == ("/app", ("python", "x.py"), ("y",))
    assert image.env == {"A": "1"}
    assert image.digest.startswith("sha256:")
    assert at.store.list() == [image]


def test_environments_are_shared(at: Store) -> None:
    """Equal pip lines over equal files give one environment, whatever only prints differently."""
    file = wheel(at.context, "one")
    at.write({"requirements.txt": "one\n", "main.py": "1"})
    pip = "WORKDIR {}\nCOPY requirements.txt *.whl ./\nRUN pip install {}--no-index -f . -r requirements.txt"
    pip += "\nCOPY main.py ."
    at.build(pip.format("/app", ""), "a")
    at.write({"main.py": "2"})
    at.build(pip.format("/app", "--no-cache-dir -q "), "b")
    assert len(at.venvs) == 1
    assert sum("Successfully installed" in line for line in at.lines) == 1
    (at.context / file).unlink()
    wheel(at.context, "one", "2.0")
    at.build(pip.format("/app", ""), "c")
    assert len(at.venvs) == 2
    at.store.remove("c")
    at.store.remove("b")
    assert len(at.venvs) == 1
    at.store.remove("a")
    assert at.venvs == []


def test_pip_failure(at: Store) -> None:
    """pip's last lines are told, and nothing usable stays."""
    with pytest.raises(InvalidInput) as raised:
        at.build("RUN pip install --no-index no-such-package-anywhere")
    assert raised.value.reason.startswith("line 2: RUN: pip install failed")
    assert "no-such-package-anywhere" in raised.value.reason
    assert "misspelt" in str(raised.value.advice)
    assert (at.venvs, at.store.list(), list((at.store.root / "new").iterdir())) == ([], [], [])


def test_pip_needs_its_file(at: Store) -> None:
    """Requirements that were not copied yet are told as such."""
    with pytest.raises(InvalidInput, match=r"line 2: RUN: requirements.txt is not in the image at this line"):
        at.build("RUN pip install -r requirements.txt\nCOPY requirements.txt .")


def test_killed_build(at: Store) -> None:
    """An environment without its lock file is no environment: it is built again."""
    dockerfile = f"COPY {wheel(at.context, 'one')} /tmp/\nRUN pip install --no-index /tmp/one-1.0-py3-none-any.whl"
    at.build(dockerfile)
    (venv,) = at.venvs
    (at.store.root / "venvs" / venv / "knit-lock.json").unlink()
    at.build(dockerfile)
    assert sum("Successfully installed" in line for line in at.lines) == 2


def test_concurrent_builds(at: Store) -> None:
    """Builds at the same time make a shared environment once."""
    file = wheel(at.context, "one")
    at.write({"Dockerfile": f"FROM python:3\nCOPY {file} /tmp/\nRUN pip install --no-index /tmp/{file}\n"})
    threads = [
        threading.Thread(target=at.store.build, args=(at.context, f"app:{n}"), kwargs={"progress": at.lines.append})
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert at.store.resolve("app:0").names == tuple(f"app:{n}" for n in range(4))
    assert sum("Successfully installed" in line for line in at.lines) == 1


def test_secrets_stay_out_of_builds(at: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts of packages do not see the server's environment."""
    monkeypatch.setenv("JUPYTER_TOKEN", "s3cret")
    setup = "import os, sys\nsys.exit('sees ' + os.environ.get('JUPYTER_TOKEN', 'nothing'))\n"
    at.write(
        {
            "p/backend.py": setup,
            "p/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        }
    )
    with pytest.raises(InvalidInput, match="sees nothing"):
        at.build("COPY p /p\nRUN pip install --no-index /p")


def test_names(at: Store) -> None:
    """Names are given, shared, moved and taken away; an image without names is gone."""
    first = at.build("ENV A=1")
    assert at.store.tag("app", "registry.example:5000/team/app:1.0").names == (
        "app:latest", "registry.example:5000/team/app:1.0",
    )  # fmt: skip
    second = at.build("ENV A=2")
    assert [image.digest for image in at.store.list()] == [first.digest, second.digest]
    at.store.tag("app", "registry.example:5000/team/app:1.0")
    assert [image.digest for image in at.store.list()] == [second.digest]
    at.store.remove("registry.example:5000/team/app:1.0")
    at.store.remove("app:latest")
    assert at.store.list() == []


def test_unknown_names(at: Store) -> None:
    """An unknown name is told with the nearest one and what to do; an impossible one as such."""
    at.build("ENV A=1", "team/cutter:1.0")
    for call, advice in (
        (at.store.resolve, "knit image tag team/cutter:1.0 team/cuter:1.0"),
        (at.store.remove, "knit image ls"),
        (lambda name: at.store.tag(name, "x"), "knit image ls"),
    ):
        with pytest.raises(NotFound) as raised:
            call("team/cuter:1.0")
        assert "did you mean team/cutter:1.0?" in raised.value.reason
        assert advice in str(raised.value.advice)
    with pytest.raises(InvalidInput):
        at.store.resolve("Not A Name")


def test_an_image_in_use_stays(at: Store) -> None:
    """An image that a Run uses is not deleted, and goes when it is free."""
    at.build("ENV A=1")
    held = at.store.use(at.store.locate("app"))
    with pytest.raises(Conflict, match="a Run uses"):
        at.store.remove("app")
    old = at.store.locate("app")
    at.build("ENV A=2")
    assert old.files.is_dir()
    os.close(held)
    at.build("ENV A=3")
    assert not old.files.is_dir()


@pytest.mark.parametrize("context", ["missing", "file"])
def test_no_context(at: Store, tmp_path: Path, context: str) -> None:
    """A context that is no directory, or has no Dockerfile, is told."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="not a directory"):
        at.store.build(tmp_path / context, "app")
    with pytest.raises(InvalidInput, match="no readable Dockerfile"):
        at.store.build(at.context, "app")


def test_the_dockerfile_is_inside_the_context(at: Store, tmp_path: Path) -> None:
    """No file outside of the context is read as a Dockerfile."""
    (tmp_path / "Evil").write_text("FROM python:3\n")
    with pytest.raises(InvalidInput, match="no readable Evil"):
        at.store.build(at.context, "app", dockerfile="../Evil")


def test_an_image_of_this_environment(tmp_path: Path) -> None:
    """`FROM knit/environment` lists the packages that this process has, but none that lie elsewhere."""
    (tmp_path / "Dockerfile").write_text("FROM knit/environment:1\n")
    store = LocalImageStore(tmp_path / "images")
    store.build(tmp_path, "ours")
    again = store.build(tmp_path, "again")
    assert again.names == ("again:latest", "ours:latest")
    venv = store.locate("ours").venv
    assert venv is not None
    lock = json.loads((venv / "knit-lock.json").read_text())
    assert any(each.startswith("SQLAlchemy==") for each in lock)
    assert not any(each.startswith("knit-platform==") for each in lock) or not is_editable("knit-platform")


def is_editable(name: str) -> bool:
    return '"editable": true' in (importlib.metadata.distribution(name).read_text("direct_url.json") or "")
