"""Programs in loaded images: their own system around them, the Plan's paths in it, nothing of this machine."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from archive_maker import layer, machine_layer, oci, saved
from executor_contract import Lab

from knit_server.domain.errors import Unsupported
from knit_server.executors.base import Executor, Phase
from knit_server.executors.local import LocalExecutor, LocalImageStore

PROGRAMS = ("sh", "cat", "ls", "env", "touch", "sleep", "mkdir")


@pytest.fixture(scope="session")
def system() -> bytes:
    """A layer with a shell and a few programs of this machine."""
    return machine_layer(*PROGRAMS)


class Loaded(Lab):
    """A lab whose images are loaded."""

    def __init__(self, executor: Executor, folder: Path, system: bytes) -> None:
        super().__init__(executor, folder)
        self.system = system

    def load(self, *layers: bytes, **settings: Any) -> None:
        """Load `own:1`: the system with these layers over it."""
        self.executor.images.load(io.BytesIO(saved([self.system, *layers], ["own:1"], **settings)))

    async def says_in(self, script: str, **more: Any) -> list[str]:
        """What a script says in the image."""
        return await self.says(self.attempt("sh", "-c", script, image="own:1", **more))


def lab(folder: Path, system: bytes, sandbox: Any) -> Iterator[Loaded]:
    executor = LocalExecutor(LocalImageStore(folder / "knit-home" / "images"), sandbox=sandbox)
    yield Loaded(executor, folder, system)
    executor.close()


@pytest.mark.bubblewrap
class TestBubblewrap:
    """In bubblewrap, the image's root file system takes the place of the machine's."""

    @pytest.fixture
    def lab(self, tmp_path: Path, system: bytes) -> Iterator[Loaded]:
        yield from lab(tmp_path, system, "bubblewrap")

    async def test_system(self, lab: Loaded) -> None:
        """A program sees the image's files, those of the last layer, and none of this machine's."""
        lab.load(
            layer(("file", "etc/name", "base"), ("file", "etc/gone", ""), ("link", "opt", "etc")),
            layer(("file", "etc/name", "upper"), ("file", "etc/.wh.gone", "")),
        )
        assert await lab.says_in("cat /opt/name; echo; ls /etc /") == [
            "upper", "/:", "bin", "dev", "etc", *_libraries(lab), "opt", "proc", "tmp", "var", "", "/etc:", "hosts",
            "name", "resolv.conf",
        ]  # fmt: skip

    async def test_read_only(self, lab: Loaded) -> None:
        """The image cannot be changed; /tmp, the working directory and / are the attempt's own, and gone with it."""
        lab.load(layer(("file", "work/file", "kept"), ("file", "data/x", "")), WorkingDir="/work")
        said = await lab.says_in(
            "touch new /tmp/t /var/tmp/t /top && ls; for f in /work/file /data/y /bin/z /etc/hosts; do"
            " touch $f 2>/dev/null && echo WROTE $f; done; true"
        )
        assert said == ["file", "new"]
        assert await lab.says_in("ls /work /tmp") == ["/tmp:", "", "/work:", "file"]

    async def test_mounts(self, lab: Loaded) -> None:
        """Inputs and outputs are where the Plan says, also below directories and behind links of the image."""
        lab.load(layer(("file", "usr/share/doc/x", "doc"), ("dir", "srv/data", ""), ("link", "data", "/srv/data")))
        paths = ("/in/one", "/usr/share/extra", "/data/two")
        inputs = [lab.mount(path, {"f": path}) for path in paths]
        out = lab.mount("/data/out")
        script = "cat /usr/share/doc/x /in/one/f /usr/share/extra/f /srv/data/two/f > /data/out/all"
        script += "; touch /in/one/new 2>/dev/null && echo WROTE; true"
        assert await lab.says_in(script, inputs=inputs, outputs=[out]) == []
        assert (out.host / "all").read_text() == "doc" + "".join(paths)

    async def test_settings(self, lab: Loaded) -> None:
        """Environment, entrypoint, arguments and working directory are the image's; PATH is its own."""
        lab.load(Env=["PATH=/bin", "HOME=/root", "A=b c"], Entrypoint=["sh", "-c"], Cmd=["pwd; env"], WorkingDir="/a/b")
        said = await lab.says(lab.attempt(image="own:1", env={"MINE": "1"}))
        assert said[0] == "/a/b"
        assert {"PATH=/bin", "HOME=/root", "A=b c", "MINE=1"} <= set(said)

    async def test_working_directory_behind_a_link(self, lab: Loaded) -> None:
        """A working directory may lie behind the image's links."""
        lab.load(layer(("dir", "srv/app", ""), ("link", "app", "srv/app")), WorkingDir="/app/in")
        assert await lab.says_in("touch x; ls /srv/app/in") == ["x"]

    async def test_nothing_of_the_host(self, lab: Loaded) -> None:
        """Neither this machine's programs, nor its home, nor Knit's home are there; root may not leave its place."""
        lab.load()
        hidden = ["/usr/bin/env", "/etc/passwd", "/etc/shadow", "/root", "/home", str(lab.folder), os.__file__]
        script = "".join(f"test -e '{path}' && echo EXPOSED {path}; " for path in hidden)
        assert await lab.says_in(script + "ls /proc | cat > /dev/null; echo end") == ["end"]

    @pytest.mark.parametrize(("command", "code"), [(["nothing"], 127), (["/bin/nothing"], 127), (["/data"], 126)])
    async def test_missing_programs(self, lab: Loaded, command: Sequence[str], code: int) -> None:
        """A program that cannot be started has failed as it would in a container."""
        lab.load(layer(("file", "data", "")))
        seen = await lab.run(lab.attempt(*command, image="own:1"))
        assert (seen.phase, seen.code) == (Phase.FAILED, code), (seen, lab.log.read_text())
        assert "ContainerCannotRun" in seen.reason

    async def test_without_a_shell(self, tmp_path: Path, lab: Loaded) -> None:
        """An image needs no shell: its program is started as it is, and a missing one fails."""
        archive = oci([machine_layer("cat")], ["bare:1"], Entrypoint=["/bin/cat"])
        lab.executor.images.load(io.BytesIO(archive))
        raw = lab.mount("/in", {"f": "text"})
        assert await lab.says(lab.attempt(image="bare:1", args=["/in/f"], inputs=[raw])) == ["text"]
        assert (await lab.run(lab.attempt("nothing", image="bare:1"))).phase is Phase.FAILED

    async def test_what_ran(self, lab: Loaded) -> None:
        """The digest recorded with the Run is that of the image's configuration."""
        lab.load()
        attempt = lab.attempt("sh", "-c", "true", image="own:1")
        started = lab.executor.start(attempt)
        assert (await lab.executor.wait(attempt.id)).code == 0
        assert started.image_digest == lab.executor.images.resolve("own:1").digest

    async def test_in_use(self, lab: Loaded) -> None:
        """An image that a Run uses cannot be removed; stopping leaves nothing behind."""
        lab.load()
        attempt = lab.attempt("sh", "-c", "echo started; sleep 1000", image="own:1")
        lab.executor.start(attempt)
        await lab.until_logged("started")
        with pytest.raises(Exception, match="a Run uses the image"):
            lab.executor.images.remove("own:1")
        lab.executor.stop(attempt.id)
        assert (await lab.executor.wait(attempt.id)).code == 137
        lab.executor.images.remove("own:1")
        assert not attempt.folder.exists() or not list(attempt.folder.iterdir())


def test_substitution(tmp_path: Path, system: bytes) -> None:
    """Without a sandbox a loaded image does not run at all, least of all on this machine, and that is said."""
    for each in lab(tmp_path, system, "substitution"):
        each.load()
        attempt = each.attempt("sh", "-c", f"touch {tmp_path}/ran", image="own:1")
        with pytest.raises(Unsupported, match="no sandbox") as caught:
            each.executor.start(attempt)
        assert "bubblewrap" in (caught.value.advice or "")
        assert not (tmp_path / "ran").exists()


def _libraries(lab: Loaded) -> list[str]:
    """The top-level directories that the libraries of the programs came in."""
    store = lab.executor.images
    assert isinstance(store, LocalImageStore)
    names = {path.name for path in store.locate("own:1").files.iterdir()}
    return sorted(names - {"bin", "dev", "etc", "opt", "proc", "tmp", "var"})
