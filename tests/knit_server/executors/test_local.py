"""The local executor with each of its sandboxes and ways to limit, against the contract of all executors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import sqlalchemy
from executor_contract import ExecutorContract, Lab

from knit_server.domain.errors import Unavailable
from knit_server.executors.base import Executor, Image, ImageStore
from knit_server.executors.local import LocalExecutor, LocalImageStore, environment


class LocalContract(ExecutorContract):
    """The contract with an executor made from `settings`."""

    settings: ClassVar[dict[str, str]]

    @pytest.fixture
    def executor(self, images: LocalImageStore) -> Iterator[LocalExecutor]:
        executor = LocalExecutor(images, **self.settings)  # type: ignore[arg-type]
        yield executor
        executor.close()

    def construction(self, lab: Lab) -> str:
        assert isinstance(lab.executor.images, LocalImageStore)
        made = f"LocalExecutor(LocalImageStore(Path({str(lab.executor.images.root)!r})), **{self.settings})"
        return f"from knit_server.executors.local import LocalExecutor, LocalImageStore; executor = {made}"

    async def test_the_packages_of_this_environment(self, lab: Lab, build: Callable[..., Image]) -> None:
        """A program of `FROM knit/environment` imports what this process can import, and nothing leads out of it."""
        if not any(each.startswith("SQLAlchemy==") for each in environment.packages()):
            return  # this process has its packages from elsewhere, such as PYTHONPATH
        build("ours", "FROM knit/environment\n")
        code = "import sqlalchemy, sys; print(sqlalchemy.__version__, sqlalchemy.__file__.startswith(sys.prefix))"
        said = await lab.says(lab.attempt("python3", "-c", code, image="ours"))
        frozen = sys.prefix != sys.base_prefix
        assert said == [f"{sqlalchemy.__version__} {frozen}"]


@pytest.mark.bubblewrap
class TestBubblewrap(LocalContract):
    """In namespaces, with control groups where they work."""

    settings: ClassVar = {"sandbox": "bubblewrap"}

    def test_describe(self, executor: LocalExecutor) -> None:
        """What was asked for is what is described."""
        assert executor.describe().sandbox == "bubblewrap"

    async def test_refuses_writes_to_inputs(self, lab: Lab) -> None:
        """Inputs are read-only, also for root, who may not mount them anew either."""
        raw = lab.mount("/pfs/raw", {"file": "content"})
        script = "! touch /pfs/raw/file && ! rm -f /pfs/raw/file && ! mount -o remount,rw /pfs/raw"
        assert (await lab.run(lab.attempt("sh", "-c", script, inputs=[raw]))).code == 0

    async def test_programs_see_the_paths(self, lab: Lab) -> None:
        """Paths in a program's own text are the Plan's."""
        raw, out = lab.mount("/pfs/raw", {"f": "x"}), lab.mount("/pfs/out")
        script = "import base64\nopen(base64.b64decode('L3Bmcy9vdXQvZg=='), 'w').write(open('/pfs/' + 'raw/f').read())"
        await lab.says(lab.attempt("python3", "-c", script, inputs=[raw], outputs=[out]))
        assert (out.host / "f").read_text() == "x"

    async def test_sees_nothing_of_the_host(self, lab: Lab, images: LocalImageStore) -> None:
        """No home, nothing of Knit's home but the image's environment, no other process, no secrets of /etc."""
        home = Path.home()
        (lab.folder / "secret").write_text("s3cret")
        hidden = [lab.folder / "secret", images.root / "tags.json", home / ".bashrc", home / ".ssh", Path("/home")]
        script = "\n".join(f"test ! -e '{path}' || echo EXPOSED {path}" for path in hidden)
        script += "\nls /proc | grep -c '^[0-9]*$'; cat /etc/shadow && echo EXPOSED shadow; cat /proc/1/environ"
        attempt = lab.attempt("sh", "-c", script + " | tr '\\0' '\\n'; hostname > /dev/null")
        lab.executor.start(attempt)
        await lab.executor.wait(attempt.id)
        text = lab.log.read_text()
        assert "EXPOSED" not in text
        assert int(next(line for line in text.splitlines() if line.isdigit())) < 8

    async def test_knits_own_packages_are_hidden(self, lab: Lab) -> None:
        """Programs do not import what Knit was installed with."""
        attempt = lab.attempt("python3", "-c", "import tornado")
        assert (await lab.run(attempt)).code == 1
        assert "ModuleNotFoundError" in lab.log.read_text()

    async def test_large_image(self, lab: Lab, build: Callable[..., Image]) -> None:
        """A large image is shown without a copy: read-only below its working directory, which takes new files."""
        files = {f"lib/{number}.txt": str(number) for number in range(600)} | {"main.txt": "main\n"}
        build("large", "FROM python:3\nWORKDIR /app\nCOPY . .\nCOPY main.txt /pfs/here.txt\n", files)
        out = lab.mount("/pfs/out")
        script = "cat main.txt lib/7.txt && touch new /tmp/x /pfs/new /root-file /pfs/out/y && ! touch lib/new"
        script += " && cat /pfs/here.txt"
        assert await lab.says(lab.attempt("sh", "-c", script, image="large", outputs=[out])) == [
            "main", "7touch: cannot touch 'lib/new': Read-only file system", "main",
        ]  # fmt: skip

    async def test_links_of_an_image_lead_nowhere(self, lab: Lab, build: Callable[..., Image], tmp_path: Path) -> None:
        """A link in an image cannot make the sandbox touch the host where a mount lies below it."""
        victim = tmp_path / "victim"
        victim.mkdir()
        (tmp_path / "context-evil").mkdir()
        for target in (victim, Path("/oldroot") / str(victim).lstrip("/")):
            link = tmp_path / "context-evil/pfs"
            link.unlink(missing_ok=True)
            link.symlink_to(target)
            build("evil", "FROM python:3\nCOPY . /\n")
            attempt = lab.attempt("true", image="evil", outputs=[lab.mount("/pfs/out")])
            with pytest.raises(Exception, match="link"):
                lab.executor.start(attempt)
        assert list(victim.iterdir()) == []


class TestSubstitution(LocalContract):
    """As plain processes."""

    settings: ClassVar = {"sandbox": "substitution"}
    shows_paths = False

    def test_describe(self, executor: LocalExecutor) -> None:
        """The reason for the sandbox is told."""
        description = executor.describe()
        assert description.sandbox == "substitution"
        assert any("substitution" in note for note in description.notes)

    async def test_own_paths_are_not_replaced(self, lab: Lab, images: LocalImageStore) -> None:
        """A Plan's path that happens to be the beginning of Knit's own paths changes none of these."""
        top = "/" + images.root.parts[1]
        out = lab.mount(f"{top}/{images.root.parts[2]}")
        said = await lab.says(lab.attempt("sh", "-c", "python3 -c 'import sys; print(sys.prefix)'", outputs=[out]))
        assert said == [str(images.locate("tools").venv)]


class TestWatchdog(LocalContract):
    """Without control groups."""

    settings: ClassVar = {"sandbox": "substitution", "limits": "watchdog"}
    shows_paths = False

    def test_describe(self, executor: LocalExecutor) -> None:
        """Nothing is claimed that is not enforced."""
        description = executor.describe()
        assert (description.memory_limit, description.cpu_limit) == ("watchdog", "none")


@pytest.mark.bubblewrap
class TestBubblewrapWatchdog(TestBubblewrap):
    """In namespaces, without control groups."""

    settings: ClassVar = {"sandbox": "bubblewrap", "limits": "watchdog"}


def reachable(hold: str, *paths: Path) -> list[str]:
    """Shell commands that let others than root come to these paths, in a mount namespace of its own; `hold` helps."""
    closed = {parent for path in paths for parent in path.parents if not parent.stat().st_mode & 0o001}
    tops = {folder for folder in closed if not closed & set(folder.parents)}
    commands = [f"mount -t tmpfs -o mode=755 tmpfs {hold}"]
    for number, path in enumerate(paths):
        commands.append(f"mkdir {hold}/{number} && mount --bind {path} {hold}/{number}")
    commands += [f"mount -t tmpfs -o mode=755 tmpfs {folder}" for folder in sorted(tops)]
    for number, path in enumerate(paths):
        if any(path.is_relative_to(top) for top in tops):
            commands.append(f"mkdir -p {path} && mount --bind {hold}/{number} {path}")
    return commands


@pytest.mark.slow
@pytest.mark.bubblewrap
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root can become someone else")
def test_as_an_ordinary_user(tmp_path: Path) -> None:
    """The contract holds for a server without any rights, too."""
    os.chown(tmp_path, 65534, 65534)
    root, packages, python = Path(__file__).parents[3], Path(pytest.__file__).parents[1], Path(sys.base_prefix)
    with tempfile.TemporaryDirectory() as hold:
        script = f"""
            {" && ".join(reachable(hold, python, packages, root, tmp_path))} && cd {root} &&
            exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all env -i PATH=/usr/bin:/bin \
              HOME={tmp_path} PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={packages}:{root} {python}/bin/python3 -m pytest \
              -q -x -p no:cacheprovider --basetemp={tmp_path}/t {Path(__file__).relative_to(root)} \
              -k 'TestBubblewrap and not Watchdog or TestSubstitution'
        """
        done = subprocess.run(["unshare", "-m", "sh", "-ec", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_protocols(images: LocalImageStore) -> None:
    """The local executor and its images are what the scheduler asks for."""
    executor: Executor = LocalExecutor(images)
    store: ImageStore = images
    assert executor.images is store
    executor.close()


@pytest.mark.bubblewrap
def test_bubblewrap_is_not_pretended(images: LocalImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bubblewrap, `auto` says why it is not used, and asking for it fails."""
    monkeypatch.setenv("PATH", "/nowhere")
    description = LocalExecutor(images).describe()
    assert description.sandbox == "substitution"
    assert "bubblewrap is not installed" in description.notes[0]
    with pytest.raises(Unavailable, match="bubblewrap is not installed"):
        LocalExecutor(images, sandbox="bubblewrap").describe()


async def test_overcommit(images: LocalImageStore, tmp_path: Path) -> None:
    """A Run that asks for more than the machine has runs within the machine's limit."""
    executor = LocalExecutor(images, overcommit=True)
    lab = Lab(executor, tmp_path)
    assert (await lab.run(lab.attempt("true", memory=2**60))).code == 0
    executor.close()
