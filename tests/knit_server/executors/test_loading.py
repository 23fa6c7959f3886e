"""Loading images: both formats, layers over layers, and what broken or hostile archives leave (nothing)."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from archive_maker import Entry, Oci, config, layer, oci, pack, saved, sha256, squeezed

from knit_server.domain.errors import InvalidInput, NotFound, Unsupported
from knit_server.executors.base import Image
from knit_server.executors.local import LocalImageStore

BASE = layer(
    ("dir", "etc/", ""), ("file", "etc/name", "base"), ("file", "etc/old", "old"), ("dir", "lib", ""),
    ("file", "lib/a", "a"), ("file", "lib/deep/b", "b"), ("link", "usr", "."), ("link", "abs", "/lib"),
)  # fmt: skip
SETTINGS: dict[str, Any] = {
    "Env": ["PATH=/bin", "A=b=c"],
    "Entrypoint": ["/bin/x"],
    "Cmd": None,
    "WorkingDir": "/work",
    "Volumes": {"/v": {}},
}


class Store:
    """A store, and the lines that it told."""

    def __init__(self, folder: Path) -> None:
        self.store = LocalImageStore(folder / "images")
        self.lines: list[str] = []
        self.outside = folder / "outside"
        self.outside.mkdir()
        (self.outside / "precious").write_text("kept")

    def load(self, archive: bytes, *names: str) -> list[Image]:
        return list(self.store.load(io.BytesIO(archive), names, progress=self.lines.append))

    def layers(self, *layers: bytes, **settings: Any) -> Path:
        """Load an image with these layers; its root file system."""
        self.load(saved(list(layers), ["x:1"], **settings))
        return self.store.locate("x:1").files

    def left(self) -> list[str]:
        """What lies in the store beside its lock and names."""
        root = self.store.root
        here = {path.name for path in root.iterdir()} if root.is_dir() else set()
        stages = [path.name for path in (root / "new").iterdir()] if (root / "new").is_dir() else []
        return sorted(here - {"new", "lock", "tags.json"}) + stages


@pytest.fixture
def at(tmp_path: Path) -> Store:
    return Store(tmp_path)


def tree(root: Path) -> dict[str, str]:
    """Everything below a folder but what every root file system is given: path -> content or target."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = Path(folder, name)
            shown = str(path.relative_to(root))
            if shown.partition("/")[0] in {"proc", "dev", "tmp", "var"} or shown in {"etc/hosts", "etc/resolv.conf"}:
                continue
            kind = "->" + os.readlink(path) if path.is_symlink() else "/" if path.is_dir() else path.read_text()
            found[shown] = kind
    if not any(name.startswith("etc/") for name in found):
        found.pop("etc", None)
    return found


ARCHIVES: dict[str, Callable[[list[bytes], list[str]], bytes]] = {
    "docker": lambda layers, names: saved(layers, names, **SETTINGS),
    "docker-gzip": lambda layers, names: squeezed(saved(layers, names, **SETTINGS), "gzip"),
    "docker-zstd": lambda layers, names: squeezed(saved(layers, names, **SETTINGS), "zstd"),
    "oci": lambda layers, names: oci(layers, list(names), **SETTINGS),
    "oci-plain": lambda layers, names: oci(layers, list(names), "plain", **SETTINGS),
    "oci-zstd": lambda layers, names: oci(layers, list(names), "zstd", **SETTINGS),
    "oci-zstd-gzip": lambda layers, names: squeezed(oci(layers, list(names), "zstd", **SETTINGS), "gzip"),
}


@pytest.mark.parametrize("form", ARCHIVES)
def test_formats(at: Store, form: str) -> None:
    """Every form of archive gives the same image, under its digest, with what its configuration says."""
    layers = [BASE, layer(("file", "etc/.wh.old", ""), ("file", "etc/name", "second"))]
    (image,) = at.load(ARCHIVES[form](layers, ["lab/x:1", "y:2"]))
    assert image.names == ("lab/x:1", "y:2")
    assert image.digest == sha256(config(layers, **SETTINGS))
    assert (image.entrypoint, image.cmd, image.workdir) == (("/bin/x",), (), "/work")
    assert (image.env, image.volumes, image.python) == ({"PATH": "/bin", "A": "b=c"}, ("/v",), "")
    assert tree(at.store.locate("y:2").files) == {
        "etc": "/", "etc/name": "second", "lib": "/", "lib/a": "a", "lib/deep": "/", "lib/deep/b": "b", "usr": "->.",
        "abs": "->/lib",
    }  # fmt: skip
    assert at.left() == [image.digest.removeprefix("sha256:")]


def test_names(at: Store) -> None:
    """--tag replaces the archive's names; ls, tag and rm work as for built images; the last name deletes."""
    archive = saved([BASE], ["a:1"])
    (image,) = at.load(archive, "b", "host:5000/c:2")
    assert image.names == ("b:latest", "host:5000/c:2")
    with pytest.raises(NotFound):
        at.store.resolve("a:1")
    at.load(archive)
    at.store.tag("a:1", "d:1")
    assert at.store.list()[0].names == ("a:1", "b:latest", "d:1", "host:5000/c:2")
    for name in ("a:1", "b", "d:1", "host:5000/c:2"):
        at.store.remove(name)
    assert (at.store.list(), at.left()) == ([], [])


@pytest.mark.parametrize(
    ("reference", "name"),
    [("lab/x:1", "lab/x:1"), ("tool", "tool:latest"), ("docker.io/library/tool:3", "tool:3"),
     ("docker.io/lab/tool:3", "lab/tool:3"), ("localhost/tool:3", "localhost/tool:3")],
)  # fmt: skip
def test_references(at: Store, reference: str, name: str) -> None:
    """The name of an OCI image is its reference, as Docker would show it."""
    assert at.load(oci([BASE], [reference]))[0].names == (name,)


@pytest.mark.parametrize("reference", [None, "latest", "1.0", "v2"])
def test_references_that_name_nothing(at: Store, reference: str | None) -> None:
    """A reference that is only a tag is no name: one has to be given."""
    archive = oci([BASE], [reference])
    with pytest.raises(InvalidInput, match="no name"):
        at.load(archive)
    assert at.left() == []
    assert at.load(archive, "x:1")[0].names == ("x:1",)


def test_several_images(at: Store) -> None:
    """All images of an archive are loaded, also where one shares the other's layer by a link; no --tag for several."""
    first, second = config([BASE]), config([BASE], WorkingDir="/w")
    manifest = [
        {"Config": "a.json", "RepoTags": ["a:1"], "Layers": ["a/layer.tar"]},
        {"Config": "b.json", "RepoTags": ["b:1"], "Layers": ["b/layer.tar"]},
    ]
    files = {"a.json": first, "b.json": second, "a/layer.tar": BASE, "manifest.json": json.dumps(manifest).encode()}
    archive = pack(files, {"b/layer.tar": "../a/layer.tar"})
    assert [image.names for image in at.load(archive)] == [("a:1",), ("b:1",)]
    with pytest.raises(InvalidInput, match="2 images"):
        at.load(archive, "c:1")


def test_platforms(at: Store) -> None:
    """Of an image for several platforms the one for this machine is taken; notes of builders are passed over."""
    made = Oci()
    here, there = made.image([BASE]), made.image([layer(("file", "x", "other"))], architecture="vax")
    note = made.image([layer()], architecture="unknown") | {"platform": {"os": "unknown", "architecture": "unknown"}}
    absent = {"digest": sha256(b"absent"), "platform": {"os": "linux", "architecture": "pdp11"}}
    made.name(made.many([there, absent, note, here]), "x:1")
    (image,) = at.load(made.archive())
    assert "lib/a" in tree(at.store.locate("x:1").files)
    assert image.digest == sha256(config([BASE]))
    assert any("linux/pdp11, linux/vax" in line for line in at.lines)


@pytest.mark.parametrize("form", ["docker", "oci"])
def test_other_platform(at: Store, form: str) -> None:
    """An image for other machines is refused, and what it is for is said."""
    archive = (saved if form == "docker" else oci)([BASE], ["x:1"], architecture="vax")
    with pytest.raises(Unsupported, match="only for linux/vax"):
        at.load(archive)
    assert at.left() == []


# --- layers -----------------------------------------------------------------------------------------------------------


def test_whiteouts(at: Store) -> None:
    """A whiteout hides what lies below, never what its own layer brings; it may come in any order."""
    upper = layer(
        ("dir", "lib", ""), ("file", "lib/new", "new"), ("file", "lib/.wh..wh..opq", ""), ("file", ".wh.etc", ""),
        ("file", "etc/again", "again"), ("file", ".wh.missing", ""), ("file", "nowhere/.wh.x", ""),
        ("file", ".wh..wh.plnk", ""),
    )  # fmt: skip
    assert tree(at.layers(BASE, upper)) == {
        "lib": "/", "lib/new": "new", "etc": "/", "etc/again": "again", "usr": "->.", "abs": "->/lib",
    }  # fmt: skip


def test_replacing(at: Store) -> None:
    """A later entry takes the place of an earlier one, whatever kind either has."""
    upper = layer(
        ("file", "lib", "now a file"), ("dir", "etc/name", ""), ("file", "etc/name/x", "x"), ("dir", "abs", ""),
        ("link", "etc/old", "name"), ("file", "usr", "no link any more"),
    )  # fmt: skip
    assert tree(at.layers(BASE, upper)) == {
        "lib": "now a file", "etc": "/", "etc/name": "/", "etc/name/x": "x", "abs": "/", "etc/old": "->name",
        "usr": "no link any more",
    }  # fmt: skip


def test_hard_links(at: Store) -> None:
    """Hard links lead to files of their own layer or below it; what replaces one name leaves the other."""
    first = layer(("file", "a", "one"), ("hard", "b", "a"), ("link", "s", "a"))
    second = layer(("hard", "c", "/b"), ("file", "a", "two"), ("hard", "d", "s"), ("file", ".wh.b", ""))
    with pytest.raises(InvalidInput, match="no file of the image"):
        at.layers(first, second)  # hidden below, so no longer there to be linked to
    third = layer(("hard", "c", "/b"), ("file", "a", "two"), ("hard", "d", "s"))
    root = at.layers(first, third)
    assert tree(root) == {"a": "two", "b": "one", "c": "one", "s": "->a", "d": "->a"}
    assert (root / "b").stat().st_ino == (root / "c").stat().st_ino


def test_links_of_directories(at: Store) -> None:
    """Names below linked directories go where the link leads inside the image, as does a link out of it."""
    upper = layer(
        ("file", "abs/x", "x"), ("file", "usr/etc/y", "y"), ("file", "abs/.wh.a", ""),
        ("link", "up", "../../../../outside"), ("file", "up/z", "z"),
    )  # fmt: skip
    found = tree(at.layers(BASE, upper))
    assert (found["lib/x"], found["etc/y"], found["outside/z"]) == ("x", "y", "z")
    assert "lib/a" not in found


def test_modes(at: Store) -> None:
    """Modes stay, but without setuid and sticky bits; those of directories are set at the end."""
    entries: list[Entry] = [("dir", "shut", ""), ("file", "shut/in", "x"), ("setuid", "su", "x"), ("dir", "plain", "")]
    root = at.layers(layer(*entries, modes={"shut": 0o500, "plain": 0o1777}), layer(("file", "shut/more", "y")))
    modes = {name: (root / name).stat().st_mode & 0o7777 for name in ("shut", "su", "plain", "tmp")}
    assert modes == {"shut": 0o500, "su": 0o755, "plain": 0o777, "tmp": 0o755}
    assert (root / "shut" / "more").read_text() == "y"
    assert (root / "su").stat().st_mtime == 1_700_000_000
    at.store.remove("x:1")
    assert at.left() == []


def test_devices_and_users(at: Store) -> None:
    """Devices and pipes are left out, users have no effect, and both are told."""
    root = at.layers(layer(("device", "d/null", ""), ("pipe", "p", ""), ("file", "f", "")), User="app:app")
    assert tree(root) == {"d": "/", "f": ""}
    told = " ".join(at.store.resolve("x:1").warnings)
    assert "2 devices or pipes are left out: 'd/null', 'p'" in told
    assert "USER app:app" in told


def test_loading_again(at: Store) -> None:
    """The same image again only gets further names."""
    at.load(saved([BASE], ["a:1"]))
    at.lines.clear()
    (image,) = at.load(saved([BASE], ["b:1"]))
    assert image.names == ("a:1", "b:1")
    assert not any("unpacking" in line for line in at.lines)


# --- broken and hostile -----------------------------------------------------------------------------------------------

HOSTILE: dict[str, list[Entry]] = {
    "dots": [("file", "../precious", "bad")],
    "dots inside": [("file", "a/../../precious", "bad")],
    "dots in a whiteout": [("dir", "a", ""), ("file", "a/.wh...", "")],
    "dot in a whiteout": [("file", "a/.wh..", "")],
    "empty whiteout": [("file", "a/.wh.", "")],
    "hard link out": [("hard", "x", "../outside/precious")],
    "hard link to nothing": [("hard", "x", "y")],
    "hard link to a directory": [("dir", "d", ""), ("hard", "x", "d")],
    "below a file": [("file", "a", ""), ("file", "a/b", "")],
    "loop": [("link", "a", "b"), ("link", "b", "a"), ("file", "a/x", "")],
    "endless name": [("file", "/".join(["x" * 200] * 30), "")],
}


TOLD_OF_LAYERS = {
    "dots": "the name '../precious' has a part '..'",
    "dots in a whiteout": "the layer hides 'a/.wh...', which can be no name",
    "hard link to nothing": "'x' is a hard link to 'y', which is no file of the image",
    "below a file": "'a/b' lies below something that is no directory",
    "loop": "too many symbolic links in a",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_layers(at: Store, case: str) -> None:
    """An archive with names that no image has is refused, and nothing of it is left."""
    with pytest.raises(InvalidInput) as caught:
        at.layers(BASE, layer(*HOSTILE[case]))
    assert caught.value.reason.startswith(TOLD_OF_LAYERS.get(case, ""))
    assert caught.value.advice
    assert at.left() == []
    assert [path.read_text() for path in at.outside.iterdir()] == ["kept"]


def test_links_never_lead_out(at: Store) -> None:
    """Absolute names, and links to places of this machine, stay inside the root in every way of using them."""
    out = str(at.outside)
    first = layer(("link", "way", out), ("link", "file", f"{out}/precious"), ("file", f"{out}/new", "inside"))
    second = layer(
        ("file", "way/precious", "bad"), ("file", "file", "bad"), ("hard", "hard", "way/precious"),
        ("file", "way/.wh.new", ""), ("dir", "way/", ""),
    )  # fmt: skip
    root = at.layers(first, second)
    assert sorted(path.name for path in at.outside.iterdir()) == ["precious"]
    assert (at.outside / "precious").read_text() == "kept"
    assert (at.outside / "precious").stat().st_nlink == 1
    assert (root / "hard").read_text() == "bad"
    assert (root / out.lstrip("/") / "precious").read_text() == "bad"


def test_modes_are_not_set_through_links(at: Store) -> None:
    """A directory that a later layer makes a link out of the image keeps no mode that would go there."""
    above, name = at.outside.parent, at.outside.name
    first = layer(("dir", "up", ""), ("dir", f"up/{name}", ""), modes={f"up/{name}": 0})
    before = at.outside.stat().st_mode
    at.layers(first, layer(("link", "up", str(above))))
    assert at.outside.stat().st_mode == before


def broken() -> dict[str, bytes]:
    good = config([BASE])
    name = sha256(good).removeprefix("sha256:") + ".json"
    listed = json.dumps([{"Config": name, "RepoTags": ["x:1"], "Layers": ["0/layer.tar"]}]).encode()
    whole = {"0/layer.tar": BASE, name: good, "manifest.json": listed}
    archive = oci([BASE], ["x:1"])
    return {
        "empty": b"",
        "text": b"this is no archive\n" * 100,
        "cut": pack(whole)[:3000],
        "cut gzip": squeezed(pack(whole), "gzip")[:300],
        "cut zstd": squeezed(pack(whole), "zstd")[:300],
        "xz": b"\xfd7zXZ\0" + bytes(1000),
        "nothing in it": pack({}),
        "no manifest": pack({name: good}),
        "manifest is no list": pack({**whole, "manifest.json": b"{}"}),
        "manifest of rubbish": pack({**whole, "manifest.json": b'[{"Config": 1}]'}),
        "manifest without end": pack({**whole, "manifest.json": b"[" * 100_000}),
        "no images": pack({**whole, "manifest.json": b"[]"}),
        "missing layer": pack({each: whole[each] for each in whole if each != "0/layer.tar"}),
        "missing config": pack({each: whole[each] for each in whole if each != name}),
        "another config": pack({**whole, name: config([BASE], WorkingDir="/w")}),
        "another layer": pack({**whole, "0/layer.tar": layer(("file", "evil", ""))}),
        "something after the layer": pack({**whole, "0/layer.tar": BASE + b"\1" * 512}),
        "a blob that is another": archive.replace(b'"linux"', b'"LINUX"'),
        "a name that is none": saved([BASE], ["UPPER:1"]),
        "too few layers": saved([BASE], ["x:1"]).replace(b'["0/layer.tar"]', b"[]" + b" " * 13),
        "rubbish in Env": saved([BASE], ["x:1"], Env=["novalue"]),
        "NUL in Cmd": saved([BASE], ["x:1"], Cmd=["a\0b"]),
        "links in a circle": pack({each: whole[each] for each in whole if each != "0/layer.tar"},
                                  {"0/layer.tar": "../1/layer.tar", "1/layer.tar": "../0/layer.tar"}),
    }  # fmt: skip


TOLD = {
    "empty": "the archive is cut off, or no tar archive",
    "text": "the archive has a broken header (invalid header)",
    "cut gzip": "the archive is cut off, or its compression is broken: ",
    "xz": "the archive is compressed with xz, which is not read here",
    "nothing in it": "this is no archive of an image: it has neither a manifest.json nor an index.json",
    "manifest of rubbish": "the archive has a broken manifest.json",
    "manifest without end": "manifest.json is no JSON that could be read: it is nested too deeply",
    "no images": "no image found: the archive lists none",
    "missing layer": "the archive lacks '0/layer.tar'",
    "another config": "the archive is damaged: a configuration is not what its digest says",
    "another layer": "layer 1 of 1 is damaged: it is not what the image's diff_ids say",
    "a blob that is another": "the archive is damaged: 'blobs/sha256/",
    "a name that is none": "not an image name: 'UPPER:1'",
    "too few layers": "the image has 0 layers, but its configuration names 1",
    "rubbish in Env": "the configuration of the image has 'novalue' in Env, which is not NAME=value",
    "NUL in Cmd": "the configuration of the image has a Cmd with something that is no text",
}


@pytest.mark.parametrize("case", broken())
def test_broken_archives(at: Store, case: str) -> None:
    """Whatever is wrong with an archive is an error for people, and nothing of it is left."""
    with pytest.raises(InvalidInput) as caught:
        at.load(broken()[case])
    assert caught.value.reason.startswith(TOLD.get(case, ""))
    assert caught.value.advice
    assert at.left() == []


def test_all_or_none(at: Store) -> None:
    """If one image of an archive is broken, the others are not loaded either."""
    manifest = [
        {"Config": "a.json", "RepoTags": ["a:1"], "Layers": ["a"]},
        {"Config": "b.json", "RepoTags": ["b:1"], "Layers": ["b"]},
    ]
    files = {"a.json": config([BASE]), "b.json": config([b"other"]), "a": BASE, "b": BASE}
    with pytest.raises(InvalidInput, match="damaged"):
        at.load(pack({**files, "manifest.json": json.dumps(manifest).encode()}))
    assert (at.store.list(), at.left()) == ([], [])


def test_source_that_breaks_off(at: Store) -> None:
    """What was received of an upload that breaks off is deleted."""

    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if block := super().read(size):
                return block
            raise InvalidInput("broken off")

    with pytest.raises(InvalidInput, match="broken off"):
        at.store.load(Breaking(saved([BASE], ["x:1"])[:5000]))
    assert at.left() == []
