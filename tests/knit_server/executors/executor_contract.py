"""What every executor does, as tests: inherit `ExecutorContract` and give the fixture `executor`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from knit_server.domain.errors import InvalidInput, NotFound
from knit_server.executors.base import Attempt, AttemptId, Executor, Image, Mount, Observation, Phase
from knit_server.executors.local import LocalImageStore

MIB = 1024 * 1024


def processes_of(attempt: AttemptId) -> list[int]:
    """The living processes that carry the attempt's name in their environment."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if f"KNIT_ATTEMPT={attempt}".encode() in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                found.append(int(name))
    return found


class Lab:
    """Makes attempts in a folder of their own, and runs them."""

    def __init__(self, executor: Executor, folder: Path) -> None:
        self.executor = executor
        self.folder = folder
        self.log = folder / "log"
        self._number = 0

    def mount(self, path: str, files: Mapping[str, str] | None = None) -> Mount:
        """A directory with these files."""
        host = self.folder / "mounts" / path.strip("/").replace("/", "-")
        host.mkdir(parents=True, exist_ok=True)
        for name, text in (files or {}).items():
            (host / name).write_text(text)
        return Mount(path=path, host=host)

    def attempt(
        self,
        *command: str,
        image: str = "tools",
        args: Sequence[str] = (),
        inputs: Sequence[Mount] = (),
        outputs: Sequence[Mount] = (),
        memory: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Attempt:
        """An attempt of `command` as the entrypoint."""
        self._number += 1
        name = AttemptId(f"run-{self.folder.name}-{os.getpid()}", self._number)
        return Attempt(
            id=name, image=image, entrypoint=command, args=args, inputs=inputs, outputs=outputs, log=self.log,
            folder=self.folder / str(name), memory=memory, cpu=1.0, env=env or {},
        )  # fmt: skip

    async def run(self, attempt: Attempt) -> Observation:
        """Start it and wait for its end."""
        self.executor.start(attempt)
        return await asyncio.wait_for(self.executor.wait(attempt.id), 60)

    async def says(self, attempt: Attempt) -> list[str]:
        """Run it, successfully, and return the lines of its log."""
        observation = await self.run(attempt)
        text = self.log.read_text()
        assert observation == Observation(phase=Phase.SUCCEEDED, code=0), text
        self.log.unlink()
        return text.splitlines()

    async def until_logged(self, word: str) -> None:
        """Return when the program has written `word`."""
        async with asyncio.timeout(30):
            while not self.log.exists() or word not in self.log.read_text():  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.01)


class ExecutorContract:
    """What every executor does. `shows_paths` says that programs themselves see the Plan's paths."""

    shows_paths = True

    @pytest.fixture
    def executor(self, images: LocalImageStore) -> Executor:
        raise NotImplementedError

    @pytest.fixture
    def lab(self, executor: Executor, tmp_path: Path) -> Lab:
        return Lab(executor, tmp_path)

    async def test_success(self, lab: Lab) -> None:
        """A program that ends well has succeeded, and nothing is said about it."""
        attempt = lab.attempt("true")
        assert await lab.run(attempt) == Observation(phase=Phase.SUCCEEDED, code=0)
        assert lab.executor.observe(attempt.id) == Observation(phase=Phase.SUCCEEDED, code=0)

    async def test_exit_code(self, lab: Lab) -> None:
        """The exit code is the program's own (scenario 68)."""
        expected = Observation(phase=Phase.FAILED, code=42, reason="(container main) Error")
        assert await lab.run(lab.attempt("sh", "-c", "exit 42")) == expected

    async def test_signal(self, lab: Lab) -> None:
        """A program ended by a signal has the code that a shell would give, and the signal is named."""
        observation = await lab.run(lab.attempt("sh", "-c", "kill -SEGV $$"))
        assert observation.code == 128 + signal.SIGSEGV
        assert "SIGSEGV" in observation.reason

    async def test_observe_running(self, lab: Lab) -> None:
        """A running program is seen running, and ends without anyone waiting for it."""
        attempt = lab.attempt("sh", "-c", "echo started; read line < /dev/zero")
        lab.executor.start(attempt)
        await lab.until_logged("started")
        assert lab.executor.observe(attempt.id).phase is Phase.RUNNING
        lab.executor.stop(attempt.id)
        async with asyncio.timeout(30):
            while lab.executor.observe(attempt.id).phase is Phase.RUNNING:  # noqa: ASYNC110 - what is tested
                await asyncio.sleep(0.01)
        assert lab.executor.observe(attempt.id).phase is Phase.FAILED

    async def test_stop(self, lab: Lab) -> None:
        """A program that never ends is stopped with its children; stopping twice, or something unknown, is fine."""
        attempt = lab.attempt("sh", "-c", "trap '' TERM INT HUP; setsid sleep 1000 & echo started; wait; sleep 1000")
        lab.executor.start(attempt)
        await lab.until_logged("started")
        lab.executor.stop(attempt.id)
        lab.executor.stop(attempt.id)
        observation = await asyncio.wait_for(lab.executor.wait(attempt.id), 30)
        assert (observation.phase, observation.code) == (Phase.FAILED, 137)
        assert processes_of(attempt.id) == []
        lab.executor.stop(attempt.id)
        lab.executor.stop(AttemptId("nothing", 1))

    async def test_several_wait(self, lab: Lab) -> None:
        """Several may wait for one attempt, and all are told the same."""
        attempt = lab.attempt("sh", "-c", "exit 3")
        lab.executor.start(attempt)
        seen = await asyncio.gather(*(lab.executor.wait(attempt.id) for _ in range(3)))
        assert {observation.code for observation in seen} == {3}

    async def test_side_by_side(self, lab: Lab) -> None:
        """Attempts run side by side, each with its own exit code."""
        attempts = [lab.attempt("sh", "-c", f"exit {code}") for code in range(10)]
        seen = await asyncio.gather(*(lab.run(attempt) for attempt in attempts))
        assert [observation.code for observation in seen] == list(range(10))

    async def test_memory(self, lab: Lab) -> None:
        """A program that takes more memory than its Plan allows is killed, and that is said."""
        greedy = "held = []\nwhile True: held.append(bytearray(b'x') * 1048576 * 8)"
        observation = await lab.run(lab.attempt("python3", "-c", greedy, memory=150 * MIB))
        assert observation == Observation(phase=Phase.FAILED, code=137, reason="(container main) OOMKilled")

    async def test_memory_of_a_child(self, lab: Lab) -> None:
        """A program whose child was killed for memory is told as such, whatever its own exit code."""
        greedy = "held = []\nwhile True: held.append(bytearray(b'x') * 1048576 * 8)"
        observation = await lab.run(lab.attempt("sh", "-c", f'python3 -c "{greedy}" || exit 9', memory=150 * MIB))
        assert observation.phase is Phase.FAILED
        assert observation.reason == "(container main) OOMKilled"

    async def test_writes_to_its_inputs(self, lab: Lab) -> None:
        """Whatever a program does to its inputs, the directory it was given stays as it was."""
        raw = lab.mount("/pfs/raw", {"file": "content"})
        spoil = "echo x > /pfs/raw/file; echo x > /pfs/raw/new; rm -rf /pfs/raw/file; chmod 777 /pfs/raw; true"
        await lab.run(lab.attempt("sh", "-c", spoil, inputs=[raw]))
        assert [path.name for path in raw.host.iterdir()] == ["file"]
        assert (raw.host / "file").read_text() == "content"
        assert raw.host.stat().st_mode & 0o777 == 0o755

    async def test_mounts(self, lab: Lab) -> None:
        """Inputs and outputs are where the Plan says, also beside each other and below the system's directories."""
        inputs = [lab.mount(path, {"f": path}) for path in ("/pfs/raw", "/pfs/raw2", "/in/mix", "/usr/lib/knit/deep")]
        outputs = [lab.mount(path) for path in ("/pfs/out", "/usr/local/out/images", "/opt/result")]
        script = " && ".join(
            f"cat {mount.path}/f {inputs[0].path}/f > {outputs[0].path}/{n}" for n, mount in enumerate(inputs)
        )
        script += " && touch /usr/local/out/images/made /opt/result/made && test -x /usr/bin/env"
        await lab.says(lab.attempt("sh", "-c", script, inputs=inputs, outputs=outputs))
        assert [(outputs[0].host / str(n)).read_text() for n in range(4)] == [
            mount.path + "/pfs/raw" for mount in inputs
        ]
        assert [[path.name for path in mount.host.iterdir()] for mount in outputs[1:]] == [["made"], ["made"]]

    async def test_mounts_in_the_image(self, lab: Lab, build: Callable[..., Image]) -> None:
        """A mount below the image's own directory is reached by its full path and from the working directory."""
        build("below", "FROM python:3\nWORKDIR /app/out\nWORKDIR /app\nCOPY a.txt .\n", {"a.txt": "text"})
        out, raw = lab.mount("/app/out"), lab.mount("/app/in/raw", {"f": "f"})
        script = "cat in/raw/f a.txt > out/one; cat /app/in/raw/f /app/a.txt > /app/out/two"
        await lab.says(lab.attempt("sh", "-c", script, image="below", inputs=[raw], outputs=[out]))
        assert [(out.host / name).read_text() for name in ("one", "two")] == ["ftext", "ftext"]

    async def test_links_in_inputs(self, lab: Lab) -> None:
        """Links among the inputs stay links."""
        raw = lab.mount("/pfs/raw", {"file": "content"})
        (raw.host / "link").symlink_to("file")
        (raw.host / "dangling").symlink_to("/nowhere/at all")
        said = await lab.says(lab.attempt("sh", "-c", "cat /pfs/raw/link; readlink /pfs/raw/dangling", inputs=[raw]))
        assert said == ["content/nowhere/at all"]

    async def test_paths_inside_words(self, lab: Lab) -> None:
        """Paths in arguments and environment lead to the mounts, alone, in options and in lists."""
        raw, raw2 = lab.mount("/pfs/raw", {"f": "1"}), lab.mount("/pfs/raw2", {"f": "2"})
        script = 'cat "$1" "${2#--in=}" "${3#*:}" "$FROM/f"'
        args = ["sh", "/pfs/raw/f", "--in=/pfs/raw2/f", "a:/pfs/raw/f"]
        attempt = lab.attempt("sh", "-c", script, args=args, inputs=[raw, raw2], env={"FROM": "/pfs/raw2"})
        assert await lab.says(attempt) == ["1212"]

    async def test_background_children(self, lab: Lab) -> None:
        """Children that a program leaves behind are gone when its end is told, however they hid."""
        hide = "setsid sleep 1000 & nohup sleep 1000 & (setsid sh -c 'sleep 1000 & sleep 1000' &) ; exit 5"
        attempt = lab.attempt("sh", "-c", hide)
        assert (await lab.run(attempt)).code == 5
        assert processes_of(attempt.id) == []

    async def test_log(self, lab: Lab) -> None:
        """stdout and stderr come into the log as they were written, whatever the bytes; stdin is empty."""
        script = r"printf 'one\n'; printf '\377\000two\n' >&2; cat; printf three"
        assert (await lab.run(lab.attempt("sh", "-c", script))).code == 0
        assert lab.log.read_bytes() == b"one\n\xff\0two\nthree"

    async def test_long_log(self, lab: Lab) -> None:
        """100 MB of log arrive whole."""
        assert (await lab.run(lab.attempt("sh", "-c", "head -c 100000000 /dev/zero; echo end >&2"))).code == 0
        assert lab.log.stat().st_size == 100_000_004
        lab.log.unlink()

    async def test_environment(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        """A program sees the image's and the attempt's environment and its own name, and nothing of the server's."""
        monkeypatch.setenv("SERVER_SECRET", "s3cret")
        attempt = lab.attempt("env", env={"MINE": "a b\nc"})
        said = await lab.says(attempt)
        assert {"MINE=a b", "c", f"KNIT_RUN_ID={attempt.id.run_id}", f"KNIT_ATTEMPT={attempt.id}"} <= set(said)
        assert not [line for line in said if "s3cret" in line or "SERVER" in line]

    @pytest.mark.parametrize(
        ("settings", "entrypoint", "args", "expected"),
        [
            ('ENTRYPOINT ["echo", "e"]\nCMD ["c"]', (), (), "e c"),
            ('ENTRYPOINT ["echo", "e"]\nCMD ["c"]', (), ("a",), "e a"),
            ('ENTRYPOINT ["echo", "e"]\nCMD ["c"]', ("echo", "p"), (), "p"),
            ('ENTRYPOINT ["echo", "e"]\nCMD ["c"]', ("echo", "p"), ("a",), "p a"),
            ('CMD ["echo", "c"]', (), (), "c"),
            ('CMD ["echo", "c"]', (), ("echo", "a"), "a"),
            ("CMD echo shell $((1+1))", (), (), "shell 2"),
            ('ENTRYPOINT ["echo", "e"]', (), (), "e"),
        ],
    )
    async def test_container_semantics(
        self, lab: Lab, build: Callable[..., Image], settings: str, entrypoint: tuple[str, ...], args: tuple[str, ...],
        expected: str,
    ) -> None:  # fmt: skip
        """Entrypoint and arguments of Plan and image combine as Kubernetes combines them."""
        build("semantics", f"FROM python:3\n{settings}\n")
        assert await lab.says(lab.attempt(*entrypoint, image="semantics", args=args)) == [expected]

    async def test_image(self, lab: Lab, build: Callable[..., Image]) -> None:
        """The image's files, working directory and environment are there, and can be written to without harm."""
        files = {
            "main.py": "import os, sys\nprint(os.environ['NAME'], *sys.argv[1:])\nopen('main.py', 'w').write('x')\n"
        }
        dockerfile = (
            'FROM python:3\nENV NAME=value\nWORKDIR /app/deep\nCOPY main.py .\nENTRYPOINT ["python", "main.py"]\n'
        )
        image = build("writes", dockerfile, files)
        for _ in range(2):
            attempt = lab.attempt(image="writes", args=["a"])
            assert lab.executor.start(attempt).image_digest == image.digest
            assert (await lab.executor.wait(attempt.id)).code == 0
        assert lab.log.read_text() == "value a\nvalue a\n"

    async def test_image_by_absolute_path(self, lab: Lab, build: Callable[..., Image]) -> None:
        """The image's own files are found by their absolute paths, also below /usr and at the root."""
        targets = ("/a.txt", "/usr/local/share/k/b.txt", "/data/c.txt", "/bin/kk/")
        dockerfile = "FROM python:3\n" + "".join(f"COPY a.txt {target}\n" for target in targets)
        build("absolute", dockerfile, {"a.txt": "text\n"})
        where = "cat /a.txt /usr/local/share/k/b.txt /data/c.txt /usr/bin/kk/a.txt"
        assert await lab.says(lab.attempt("sh", "-c", where, image="absolute")) == ["text"] * 4

    async def test_unknown_image(self, lab: Lab) -> None:
        """An image that is not there is said to be missing, with what to do; nothing is run in its place."""
        with pytest.raises(NotFound) as raised:
            lab.executor.start(lab.attempt("true", image="lab/toolz:1.0"))
        assert "lab/toolz:1.0" in raised.value.reason
        assert "knit image build -t lab/toolz:1.0 DIR" in str(raised.value.advice)

    async def test_nothing_to_run(self, lab: Lab) -> None:
        """A Plan and an image that both name no program cannot be started."""
        with pytest.raises(InvalidInput, match="nothing to run"):
            lab.executor.start(lab.attempt())

    @pytest.mark.parametrize(
        ("program", "code", "words"),
        [
            ("no-such-program", 127, "executable file not found"),
            ("/no/such/program", 127, "no such file or directory"),
            ("/etc/passwd", 126, "permission denied"),
        ],
    )
    async def test_program_not_found(self, lab: Lab, program: str, code: int, words: str) -> None:
        """A program that cannot be started fails the attempt with the usual code, and both reason and log say why."""
        observation = await lab.run(lab.attempt(program))
        assert (observation.phase, observation.code) == (Phase.FAILED, code)
        assert words in observation.reason
        assert words in lab.log.read_text()

    async def test_nul_is_refused(self, lab: Lab) -> None:
        """A NUL cannot end a word early and begin an option of the sandbox."""
        with pytest.raises(InvalidInput, match="NUL"):
            lab.executor.start(lab.attempt("true", env={"A": "x\0--bind\0/\0/host"}))

    async def test_nothing_stays(self, lab: Lab) -> None:
        """After the end, the attempt's private files are gone, read-only directories included."""
        raw = lab.mount("/pfs/raw", {"file": "content"})
        attempt = lab.attempt("sh", "-c", "mkdir -p /tmp/a/b; echo x > /tmp/a/b/c; chmod 500 /tmp/a/b", inputs=[raw])
        await lab.run(attempt)
        assert list(attempt.folder.iterdir()) == []

    async def test_crash_of_the_server(self, lab: Lab, images: LocalImageStore) -> None:
        """After a server was killed, a new one kills what is left and says that the attempt has vanished."""
        attempt = lab.attempt("sh", "-c", "setsid sleep 1000 & echo started; sleep 1000")
        server = await asyncio.create_subprocess_exec(sys.executable, "-c", self.crash_script(lab, attempt))
        assert await asyncio.wait_for(server.wait(), 60) == -signal.SIGKILL
        observation = lab.executor.observe(attempt.id)
        assert observation.phase is Phase.VANISHED
        assert processes_of(attempt.id) == []
        assert (await lab.executor.wait(attempt.id)).phase is Phase.VANISHED

    def crash_script(self, lab: Lab, attempt: Attempt) -> str:
        """A server that starts the attempt and is killed when the program runs."""
        return textwrap.dedent(f"""
            import os, signal, time
            from pathlib import Path
            from knit_server.executors.base import Attempt, AttemptId
            {self.construction(lab)}
            log = Path({str(attempt.log)!r})
            executor.start(Attempt(id=AttemptId{tuple(attempt.id)}, image="tools", log=log, cpu=1.0, memory={50 * MIB},
                                   entrypoint={list(attempt.entrypoint)}, folder=Path({str(attempt.folder)!r})))
            while "started" not in log.read_text():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        """)

    def construction(self, lab: Lab) -> str:
        """Python that makes an equal executor, named `executor`, in another process."""
        raise NotImplementedError

    async def test_close(self, lab: Lab) -> None:
        """Closing ends everything that was started."""
        attempts = [lab.attempt("sleep", "1000") for _ in range(3)]
        for attempt in attempts:
            lab.executor.start(attempt)
        lab.executor.close()
        assert [processes_of(attempt.id) for attempt in attempts] == [[], [], []]
        assert lab.executor.observe(attempts[0].id).phase is Phase.FAILED

    def test_capacity(self, executor: Executor) -> None:
        """An executor has something to give."""
        capacity = executor.capacity()
        assert capacity.cpu > 0
        assert capacity.memory > 64 * MIB
