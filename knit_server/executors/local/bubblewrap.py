"""The sandbox by bubblewrap: mounts, processes and host name of its own for each program; the network is the host's.

The program's `/` is a directory of the attempt, so it is writable and gone with the attempt. Into it come, read-only,
the system's programs, the Python at hand and the image's environment; then the Plan's mounts. Where one of these lies
below a directory that the host fills as well (/usr/local/out/images), that directory becomes a plain one and the
host's entries in it are bound one by one. A loaded image is shown in the same way, in place of all that is the host's:
of this machine its programs see nothing but the kernel, the network, and the files that name its hosts.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from knit_server.domain.errors import InvalidInput, Unavailable
from knit_server.executors.local import trees
from knit_server.executors.local.images import LocalImage
from knit_server.executors.local.program import LAUNCH, MARK, REFUSED, environment, with_python
from knit_server.executors.local.sandbox import Command, Job, checked, mount_path, prepare_root

_ISOLATION = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--new-session"]
# What root keeps of its powers: to use files of any owner, but not to mount, load modules or trace. (name, bit)
_KEPT_POWERS = (("CHOWN", 0), ("DAC_OVERRIDE", 1), ("FOWNER", 3), ("FSETID", 4), ("KILL", 5), ("SETGID", 6),
                ("SETUID", 7), ("NET_BIND_SERVICE", 10))  # fmt: skip
# What only root may read in /etc stays unread when Knit is root.
_SECRETS = ("shadow", "shadow-", "gshadow", "gshadow-", "sudoers", "krb5.keytab", "ssh", "ssl/private", "sudoers.d")
_TEST = """
test "$(cat /pfs/x/file)" = seen && ! touch /pfs/x/new 2>/dev/null && echo > /usr/local/knit/test/out/file &&
test $$ -lt 10 && test ! -e "$0" && echo > /root-is-writable
"""
_PATIENCE = 20  # seconds for the self-test
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - the program's own, writable in every image
_NETWORK = ("/etc/resolv.conf", "/etc/hosts")  # a loaded image has empty files there; the network is the host's


class Bubblewrap:
    """Programs in mount and process namespaces of their own, by the program `bwrap`."""

    name = "bubblewrap"

    def command(self, job: Job) -> Command:
        """The command that runs `job`. Raises `InvalidInput` for paths that cannot be mounted, `OutOfSpace`."""
        image = job.image
        mounts = [("--ro-bind", mount_path(mount), str(mount.host)) for mount in job.attempt.inputs]
        mounts += [("--bind", mount_path(mount), str(mount.host)) for mount in job.attempt.outputs]
        program = ["/bin/sh", "-c", LAUNCH, f"/{REFUSED}", *with_python(job.command, image.venv)]
        with trees.told("preparing the program's files"):
            if image.venv is None:
                options = self._own_system(job.root, mounts, image)
                if not trees.inside(image.files, "/bin/sh").is_file():
                    program = job.command
            else:
                mounts.insert(0, ("--ro-bind", str(image.venv), str(image.venv)))
                prepare_root(job.root, image, copy=image.small)
                options = self._options(job.root, mounts, image)
        env = environment(image.image, job.attempt, image.venv, home="/tmp")  # noqa: S108 - the program's own
        options += [word for name, value in env.items() for word in ("--setenv", name, value)]
        options += ["--chdir", image.image.workdir]
        return self._start(options, program, {MARK: str(job.attempt.id)})

    def check(self) -> str | None:
        """Run a test program; None if all is as it must be, else why bubblewrap cannot be used here."""
        if self._program is None:
            return "bubblewrap is not installed (Debian, Ubuntu, Fedora: the package bubblewrap)"
        try:
            with tempfile.TemporaryDirectory(prefix="knit-") as folder:
                return self._check(Path(folder))
        except (OSError, subprocess.TimeoutExpired) as err:
            return f"bubblewrap does not work here: {err}"

    def _check(self, folder: Path) -> str | None:
        seen, out = folder / "in", folder / "out"
        seen.mkdir()
        out.mkdir()
        (seen / "file").write_text("seen")
        prepare_root(folder / "root", None, copy=False)
        mounts = [("--ro-bind", "/pfs/x", str(seen)), ("--bind", "/usr/local/knit/test/out", str(out))]
        options = self._options(folder / "root", mounts, None)
        command = self._start(options, ["/bin/sh", "-c", _TEST, str(folder)], {})
        try:
            done = subprocess.run(
                command.argv, env={}, pass_fds=command.inherit, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, timeout=_PATIENCE, check=False,
            )  # fmt: skip
        finally:
            for descriptor in (*command.inherit, *([] if command.status is None else [command.status])):
                os.close(descriptor)
        if done.returncode == 0 and (out / "file").exists():
            return None
        return f"bubblewrap does not work here: {done.stdout.decode(errors='replace').strip() or 'its test failed'}"

    def _start(self, options: list[str], program: list[str], env: dict[str, str]) -> Command:
        """bwrap with its options through a file descriptor: values of the environment are nobody else's business."""
        if self._program is None:
            raise Unavailable("bubblewrap is not installed", advice="Install the package bubblewrap.")
        checked([*options, *program])
        status, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        passed = os.memfd_create("knit-bwrap")
        with open(passed, "wb", closefd=False) as file:
            file.write(b"".join(os.fsencode(word) + b"\0" for word in [*options, "--json-status-fd", str(theirs)]))
        os.lseek(passed, 0, os.SEEK_SET)
        argv = [self._program, "--args", str(passed), "--", *program]
        return Command(argv, env, Path("/"), (passed, theirs), status)

    @cached_property
    def _program(self) -> str | None:
        return shutil.which("bwrap")

    def _options(self, root: Path, mounts: Sequence[tuple[str, str, str]], image: LocalImage | None) -> list[str]:
        """Everything that makes the program's view, in the order in which it is mounted."""
        mounts = [(how, self._real(path), host) for how, path, host in mounts]
        targets = {path for _, path, _ in mounts}
        parents = {parent for path in targets for parent in _parents(path)}
        leaves = [] if image is None else list(self._leaves(image, "", parents))
        targets |= {path for path, _ in leaves}
        parents |= {parent for path, _ in leaves for parent in _parents(path)}
        links = [word for name, target in self._links.items() for word in ("--symlink", target, f"/{name}")]
        options = ["--bind", str(root), "/", *links, *self._base, "--proc", "/proc", "--dev", "/dev"]
        for path in self._host_paths:
            _plain(root, path)
            options += self._host(root, path, targets, parents)
        options += self._masks
        if image is not None and not image.small:
            options += [word for path, host in leaves for word in _leaf(root, path, host)]
        for how, path, host in sorted(mounts, key=lambda mount: mount[1].count("/")):
            _plain(root, path)
            options += [how, host, path]
        return options

    def _own_system(self, root: Path, mounts: Sequence[tuple[str, str, str]], image: LocalImage) -> list[str]:
        """The view of a program in a loaded image: its own system, read-only but for /, /tmp and the way to WORKDIR."""
        workdir = _in_image(image, image.image.workdir)
        prepare_root(root, image, copy=False, workdir=workdir)
        mounts = [(how, _in_image(image, path), host) for how, path, host in mounts]
        targets = {path for _, path, _ in mounts}
        parents = {parent for path in (*targets, workdir, *_TEMPORARY) for parent in _parents(path)}
        parents |= {workdir, *_TEMPORARY}
        options = ["--bind", str(root), "/", *self._base, "--proc", "/proc", "--dev", "/dev"]
        for path, entry in _entries(image.files, "", parents):
            if path not in targets and path not in ("/proc", "/dev"):
                options += _leaf(root, path, entry)
        for name in _NETWORK:
            if _in_image(image, name) == name and not any(_within(name, target) for target in targets):
                options += ["--ro-bind-try", name, name]
        for how, path, host in sorted(mounts, key=lambda mount: mount[1].count("/")):
            _plain(root, path)
            options += [how, host, path]
        return options

    def _host(self, root: Path, path: str, targets: set[str], parents: set[str]) -> Iterator[str]:
        """Bind a path of the host, or its entries where something else is to be mounted below it."""
        if path in targets:
            return
        if path not in parents:
            yield from ("--ro-bind-try", path, path)
            return
        (root / path[1:]).mkdir(parents=True, exist_ok=True)
        for entry in os.scandir(path):
            if entry.is_symlink():
                if entry.path not in targets and entry.path not in parents:
                    yield from ("--symlink", os.readlink(entry.path), entry.path)
            else:
                yield from self._host(root, entry.path, targets, parents)

    def _leaves(self, image: LocalImage, folder: str, parents: set[str]) -> Iterator[tuple[str, Path]]:
        """The image's own entries: those whose directory the image does not share with the host or with mounts."""
        for entry in os.scandir(image.files / folder[1:]):
            path = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False) and self._shared(path, image, parents):
                yield from self._leaves(image, path, parents)
            else:
                yield path, Path(entry.path)

    def _shared(self, path: str, image: LocalImage, parents: set[str]) -> bool:
        if path in self._host_parents:
            return True
        if not image.small and (path in parents or path == "/tmp" or _within(image.image.workdir, path)):  # noqa: S108
            return True
        return any(_within(path, base) for base in self._host_paths) and Path(path).is_dir()

    def _real(self, path: str) -> str:
        """The path with its first name resolved where the host has a link there (/bin)."""
        first, _, rest = path[1:].partition("/")
        target = self._links.get(first)
        return path if target is None or not rest else posixpath.join("/", target, rest)

    @cached_property
    def _links(self) -> dict[str, str]:
        """The host's links to its system directories, such as bin -> usr/bin."""
        return {name: os.readlink(f"/{name}") for name in _system() if Path("/", name).is_symlink()}

    @cached_property
    def _host_paths(self) -> list[str]:
        """What is shown of the host: system directories, the Python at hand, and where /etc/resolv.conf leads."""
        found = [f"/{name}" for name in _system() if name not in self._links]
        python = [sys.base_prefix, sys.base_exec_prefix, sysconfig.get_path("stdlib")]
        resolver = os.path.realpath("/etc/resolv.conf")
        for path in [*map(os.path.realpath, python), *python, resolver]:
            if os.path.exists(path) and path != "/" and not any(_within(path, base) for base in found):
                found.append(path)
        return found

    @cached_property
    def _host_parents(self) -> set[str]:
        return {parent for path in self._host_paths for parent in _parents(path)}

    @cached_property
    def _base(self) -> list[str]:
        return [*_ISOLATION, "--clearenv", *(_powers() if os.geteuid() == 0 else [])]

    @cached_property
    def _masks(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        masks: list[str] = []
        for path in (Path("/etc", name) for name in _SECRETS):
            if path.is_dir():
                masks += ["--tmpfs", str(path)]
            elif path.exists():
                masks += ["--ro-bind", "/dev/null", str(path)]
        return masks


def _system() -> list[str]:
    return [name for name in sorted(os.listdir("/")) if name in {"usr", "bin", "sbin", "etc"} or name.startswith("lib")]


def _powers() -> list[str]:
    status = Path("/proc/self/status").read_text()
    mine = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff")), 16)
    kept = [word for name, bit in _KEPT_POWERS if mine >> bit & 1 for word in ("--cap-add", f"CAP_{name}")]
    return ["--cap-drop", "ALL", *kept]


def _in_image(image: LocalImage, path: str) -> str:
    """Where a path leads in a loaded image, links of the image followed."""
    return "/" + str(trees.inside(image.files, path).relative_to(image.files)).removeprefix(".")


def _entries(files: Path, folder: str, parents: set[str]) -> Iterator[tuple[str, Path]]:
    """The entries of a tree, those of the directories `parents` one by one instead of the directory."""
    for entry in os.scandir(files / folder[1:]):
        path = f"{folder}/{entry.name}"
        if path in parents and entry.is_dir(follow_symlinks=False):
            yield from _entries(files, path, parents)
        else:
            yield path, Path(entry.path)


def _leaf(root: Path, path: str, host: Path) -> list[str]:
    """Show an entry of a large image; a link is made again, because links cannot be bound."""
    _plain(root, path)
    if not host.is_symlink():
        return ["--ro-bind", str(host), path]
    (root / path[1:]).symlink_to(os.readlink(host))
    return []


def _plain(root: Path, path: str) -> None:
    """Make the directories above `path`; a link there could lead bwrap out of the attempt's root, so it is refused."""
    here = root
    for part in path[1:].split("/")[:-1]:
        here /= part
        try:
            here.mkdir(mode=0o755)
        except FileExistsError as err:
            if here.is_symlink() or not here.is_dir():
                raise InvalidInput(
                    f"the image has a file or link at {here.relative_to(root)}, above {path}",
                    advice="Mount the Plan's input or output somewhere else.",
                ) from err
    last = root / path[1:]
    if last.is_symlink():
        raise InvalidInput(f"the image has a link at {path}", advice="Mount the Plan's input or output elsewhere.")


def _parents(path: str) -> Iterator[str]:
    while (path := posixpath.dirname(path)) != "/":
        yield path


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
