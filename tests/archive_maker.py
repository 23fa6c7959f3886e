"""Writes archives of images by hand, as `docker save` and OCI tools do, from layers written with `tarfile`."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HERE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

Entry = tuple[str, str, str | bytes]
"""kind (file, program, setuid, dir, link, hard, device, pipe), name, and content or target."""


def layer(*entries: Entry, modes: Mapping[str, int] | None = None) -> bytes:
    """A layer with these entries, in their order."""
    out = io.BytesIO()
    kinds = {"dir": tarfile.DIRTYPE, "link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "device": tarfile.CHRTYPE,
             "pipe": tarfile.FIFOTYPE}  # fmt: skip
    usual = {"dir": 0o755, "program": 0o755, "setuid": 0o6755}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for kind, name, content in entries:
            info = tarfile.TarInfo(name)
            info.type = kinds.get(kind, tarfile.REGTYPE)
            info.mode = (modes or {}).get(name, usual.get(kind, 0o644))
            info.mtime = 1_700_000_000
            data = b""
            if kind in ("link", "hard"):
                info.linkname = str(content)
            elif info.type == tarfile.REGTYPE:
                data = content.encode() if isinstance(content, str) else content
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def machine_layer(*programs: str) -> bytes:
    """A layer with programs of this machine and the libraries that they need."""
    entries: list[Entry] = []
    found = {f"/bin/{name}": os.path.realpath(shutil.which(name) or name) for name in programs}
    libraries: set[str] = set()
    for path in found.values():
        told = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        libraries |= {word for word in told.split() if word.startswith("/")}
    for name, path in [*found.items(), *((each, each) for each in sorted(libraries))]:
        entries.append(("program", name.lstrip("/"), Path(path).read_bytes()))
    return layer(*entries)


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def config(layers: Iterable[bytes], architecture: str = HERE, **settings: Any) -> bytes:
    """The configuration of an image with these (uncompressed) layers."""
    diff_ids = [sha256(each) for each in layers]
    return json.dumps({
        "architecture": architecture, "os": "linux", "config": settings,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }).encode()  # fmt: skip


def pack(files: Mapping[str, bytes], links: Mapping[str, str] | None = None, prefix: str = "") -> bytes:
    """A tar of these files, in their order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(prefix + name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return out.getvalue()


def saved(layers: list[bytes], names: list[str], **settings: Any) -> bytes:
    """An archive as `docker save` of old writes it: the manifest at its end."""
    about = config(layers, **settings)
    name = hashlib.sha256(about).hexdigest() + ".json"
    files = {f"{number}/layer.tar": data for number, data in enumerate(layers)}
    manifest = [{"Config": name, "RepoTags": names, "Layers": list(files)}]
    return pack({**files, name: about, "manifest.json": json.dumps(manifest).encode()})


def squeezed(data: bytes, how: str) -> bytes:
    """The data, compressed."""
    if how == "zstd":
        import zstandard

        return zstandard.ZstdCompressor().compress(data)
    return gzip.compress(data, 1) if how == "gzip" else data


class Oci:
    """An OCI image layout in the making."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.index: list[dict[str, Any]] = []

    def blob(self, data: bytes, media: str) -> dict[str, Any]:
        digest = sha256(data)
        self.files[f"blobs/sha256/{digest.removeprefix('sha256:')}"] = data
        return {"mediaType": f"application/vnd.oci.image.{media}", "digest": digest, "size": len(data)}

    def image(
        self, layers: list[bytes], how: str = "gzip", architecture: str = HERE, **settings: Any
    ) -> dict[str, Any]:
        """Add an image; its descriptor."""
        manifest = {
            "schemaVersion": 2,
            "config": self.blob(config(layers, architecture, **settings), "config.v1+json"),
            "layers": [self.blob(squeezed(each, how), "layer.v1.tar+" + how) for each in layers],
        }
        made = self.blob(json.dumps(manifest).encode(), "manifest.v1+json")
        return made | {"platform": {"os": "linux", "architecture": architecture}}

    def many(self, images: list[dict[str, Any]]) -> dict[str, Any]:
        """Add an index of images for several platforms; its descriptor."""
        return self.blob(json.dumps({"schemaVersion": 2, "manifests": images}).encode(), "index.v1+json")

    def name(self, descriptor: dict[str, Any], name: str | None) -> None:
        """List an image or an index under a name."""
        notes = {} if name is None else {"annotations": {"org.opencontainers.image.ref.name": name}}
        self.index.append(descriptor | notes)

    def archive(self, prefix: str = "./") -> bytes:
        index = json.dumps({"schemaVersion": 2, "manifests": self.index}).encode()
        return pack({"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', **self.files, "index.json": index}, prefix=prefix)


def oci(layers: list[bytes], names: list[str | None], how: str = "gzip", **settings: Any) -> bytes:
    """An OCI layout with one image under some names."""
    made = Oci()
    for name in names:
        made.name(made.image(layers, how, **settings), name)
    return made.archive()
