"""Where the server is: profile store, `.knitprofile` and `knitenv`, and how the ones in use are found.

The store is a YAML mapping: name -> `{apiRoot, cert: {ca}, token}`. A handout `knitprofile` is one such entry. The name
in use is the first line of the nearest `.knitprofile` above the current directory, else that directory's own path. If
the store has none of that name, `KNIT_PROFILE_FILE` may name one: a Jupyter server tells its terminals of itself so.
Rules: docs/cli.md, "Profiles".
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from knit_server.domain import tags
from knit_server.domain.errors import InvalidInput, KnitError, NotFound, OutOfSpace
from knit_server.domain.tags import Tag

if TYPE_CHECKING:
    from knit_server.client.api import KnitClient

PROFILE_FILE = ".knitprofile"
ENV_FILE = "knitenv"
VARIABLE = "KNIT_PROFILE_FILE"
"""Names the profile of the Jupyter server that this process belongs to; `knit_server.extension.kernels` sets it."""
INIT_HINT = (
    "Set this directory up first: knit init KNIT_PROFILE_FILE "
    "(`knit serve` names that file when it is ready; on a shared server, ask its administrator)."
)
_AGAIN = "Is it the knitprofile that the server wrote? Take a fresh copy of that."


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How a server is reached. `ca` is the base64 of a PEM, "" to trust what the system trusts; `token` may be ""."""

    api_root: str
    ca: str = ""
    token: str = field(default="", repr=False)

    def ca_pem(self) -> str | None:
        """Return the certificate to trust as PEM text, None if the system's are trusted."""
        return base64.b64decode(self.ca).decode("ascii") if self.ca else None


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which profile of which store is in use; `else_file` is the one to use if the store has none of that name."""

    name: str
    store: Path
    else_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class KnitEnv:
    """What a `knitenv` adds: tags for pushed Data (and plan templates), resources for plan templates."""

    tags: tuple[Tag, ...] = ()
    resources: Mapping[str, str] = field(default_factory=dict)


# --- finding ----------------------------------------------------------------------------------------------------------


def select(
    *, name: str | None = None, store: str | Path | None = None, cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Selection:  # fmt: skip
    """Decide which profile is in use: `name` and `store` if given, else what is found from `cwd` upwards.

    Only where none of these says so, `KNIT_PROFILE_FILE` of `environ` (by default, of this process) counts.
    """
    here = Path(os.path.abspath(cwd or Path.cwd()))
    else_file = None
    if name is None:
        found = nearest(PROFILE_FILE, here)
        name = _first_line(found) if found else str(here)
        if found is None and not store and (told := (os.environ if environ is None else environ).get(VARIABLE)):
            else_file = Path(told)
    return Selection(name=name, store=Path(store).expanduser() if store else default_store(), else_file=else_file)


def is_of_jupyter(selection: Selection) -> bool:
    """Whether the selected profile is the one that Jupyter told. Raises `InvalidInput` if the store cannot be read."""
    if selection.else_file is None:
        return False
    return not selection.store.exists() or selection.name not in _load_store(selection.store)


def read_told(path: Path) -> Profile:
    """Return the profile that a Jupyter server told its kernels and terminals. Raises `NotFound` or `InvalidInput`."""
    if not path.is_file():
        raise NotFound(
            f"the Knit server of this Jupyter is not there: no file {path} ({VARIABLE})",
            advice="It was started anew, or has ended. Restart the kernel, or open a new terminal.",
        )
    return read_profile_file(path)[0]


def default_store() -> Path:
    """Return `~/.knit/profile`."""
    return Path("~/.knit/profile").expanduser()


def nearest(filename: str, start: Path) -> Path | None:
    """Return the nearest regular file of that name in `start` or above it."""
    for folder in (start, *start.parents):
        if (folder / filename).is_file():
            return folder / filename
    return None


def load(selection: Selection) -> Profile:
    """Return the selected profile. Raises `NotFound` (with the hint at `knit init`) or `InvalidInput`."""
    store = selection.store
    if selection.else_file is not None and is_of_jupyter(selection):
        return read_told(selection.else_file)
    if not store.exists():
        raise NotFound(
            f"config file is not found at {store}: failed to load knitprofile store ({store})", advice=INIT_HINT
        )
    entries = _load_store(store)
    if selection.name not in entries:
        others = "\nOr use one that is there: knit profile ls, knit profile use PROFILE" if entries else ""
        raise NotFound(
            f"profile '{selection.name}' not found in the profile store ({store})", advice=INIT_HINT + others
        )
    try:
        return _profile(entries[selection.name])
    except InvalidInput as err:
        raise InvalidInput(
            f"profile '{selection.name}' in the profile store ({store}) may be broken: {err.reason}",
            advice="Run `knit init` again with the server's knitprofile.",
        ) from err


def stored(store: Path) -> dict[str, Profile | InvalidInput]:
    """Return all profiles of a store by name, with the error in the place of one that is broken; none if there is none.

    Raises `InvalidInput` if the store itself cannot be read.
    """
    found: dict[str, Profile | InvalidInput] = {}
    for name, entry in sorted((_load_store(store) if store.exists() else {}).items()):
        try:
            found[name] = _profile(entry)
        except InvalidInput as err:
            found[name] = err
    return found


def connect(*, name: str | None = None, store: str | Path | None = None, cwd: Path | None = None) -> KnitClient:
    """Return a client for the profile in use; raises as `load` does."""
    from knit_server.client.api import KnitClient

    return KnitClient.from_profile(load(select(name=name, store=store, cwd=cwd)))


# --- init -------------------------------------------------------------------------------------------------------------


def read_profile_file(path: Path) -> tuple[Profile, dict[str, object]]:
    """Read a handout `knitprofile`; returns it checked and as the entry to store. Raises `InvalidInput`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise InvalidInput(
            f"failed to read profile file ({path}) : {_why(err)}",
            advice="Give the path of a knitprofile; `knit serve` names it when it is ready.",
        ) from err
    try:
        entry = _yaml(text)
    except ValueError as err:
        raise InvalidInput(f"failed to parse profile file ({path}) : {err}", advice=_AGAIN) from err
    if not isinstance(entry, dict):
        raise InvalidInput(f"failed to parse profile file ({path}) : it is not a mapping with apiRoot", advice=_AGAIN)
    try:
        return _profile(entry), entry
    except InvalidInput as err:
        raise InvalidInput(f"{path}: knit profile is invalid: {err.reason}", advice=err.advice) from err


def save(selection: Selection, entry: Mapping[str, object]) -> None:
    """Put `entry` into the store under the selected name; others stay as they are.

    The store appears by renaming, readable by its owner only. Raises `KnitError`.
    """
    store = selection.store
    try:
        entries = _load_store(store) if store.exists() else {}
        import yaml

        text = yaml.safe_dump({**entries, selection.name: dict(entry)}, allow_unicode=True, sort_keys=True)
        if not store.parent.exists():
            store.parent.mkdir(parents=True, mode=0o700)
        write_private(store, text)
    except OSError as err:
        raise _cannot_write(f"failed to save profile store ({store}) : {_why(err)}", err) from err


def mark(folder: Path, name: str) -> None:
    """Write `.knitprofile` into `folder`: the name, without a newline. Raises `KnitError`."""
    try:
        write_private(folder / PROFILE_FILE, name)
    except OSError as err:
        raise _cannot_write(f"failed to save {folder / PROFILE_FILE} : {_why(err)}", err) from err


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 so that it is there completely or not at all. Raises `OSError`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


# --- knitenv ----------------------------------------------------------------------------------------------------------


def load_env(path: str | Path | None = None, *, cwd: Path | None = None) -> KnitEnv:
    """Read `path`, else the nearest `knitenv`; a file that is not there or cannot be read adds nothing.

    Raises `InvalidInput` for YAML or tags that are wrong.
    """
    from knit_server.wire.nodes import Reader, first, is_null
    from knit_server.wire.requests import tag_of

    file = Path(path) if path else nearest(ENV_FILE, Path(os.path.abspath(cwd or Path.cwd())))
    try:
        text = file.read_text(encoding="utf-8") if file else ""
    except OSError:
        return KnitEnv()
    except UnicodeDecodeError as err:
        raise InvalidInput(f"{file}: not UTF-8 text: failed to load knitenv", advice="Save it as UTF-8.") from err
    source = str(file)
    try:
        node, reader = first(text, source), Reader(source)
        if node is None or is_null(node):
            return KnitEnv()
        members = {key: value for key, (_, value) in reader.pairs("knitenv", node).items() if not is_null(value)}
        found = [tag_of(name, reader.tag(name, item)) for name, item in reader.items_of("tag", members)]
        named = reader.pairs("resource", members["resource"]) if "resource" in members else {}
        resources = {key: reader.text(f"resource.{key}", value) for key, (_, value) in named.items()}
    except InvalidInput as err:
        told = err.reason if source in err.reason else f"{source}: {err.reason}"
        raise InvalidInput(f"{told}: failed to load knitenv", advice=err.advice) from err
    return KnitEnv(tags=tags.normal(found), resources=resources)


# --- parts ------------------------------------------------------------------------------------------------------------


def _first_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise InvalidInput(f"cannot read {path}: {_why(err)}", advice="Check it, or give --profile.") from err
    return lines[0].strip() if lines else ""


def _load_store(store: Path) -> dict[str, object]:
    try:
        entries = _yaml(store.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:  # UnicodeDecodeError is a ValueError
        raise InvalidInput(
            f"{_why(err)}: failed to load knitprofile store ({store})",
            advice="Repair the file, or move it away and run `knit init` again.",
        ) from err
    if entries is None:
        return {}
    if not isinstance(entries, dict):
        raise InvalidInput(
            f"not a mapping of profiles: failed to load knitprofile store ({store})",
            advice="Repair the file, or move it away and run `knit init` again.",
        )
    return {str(name): entry for name, entry in entries.items()}


def _yaml(text: str) -> object:
    """Parse YAML; raises `ValueError` with file position in one line."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as err:
        raise ValueError(" ".join(str(err).split())) from err
    except RecursionError as err:
        raise ValueError("nested too deeply") from err


def _profile(entry: object) -> Profile:
    members = entry if isinstance(entry, dict) else {}
    api_root = str(members.get("apiRoot") or "")
    parts = _split(api_root)
    if parts is None:
        raise InvalidInput(
            f"apiRoot is not URL: {api_root or '(empty)'}",
            advice="It is an absolute URL that ends in /knit/api, for example http://127.0.0.1:8787/knit/api.",
        )
    cert = members.get("cert")
    ca = str((cert.get("ca") if isinstance(cert, dict) else "") or "")
    if ca and not _is_pem(ca):
        raise InvalidInput("cert.ca is not PEM", advice="It is the base64 of a PEM file with certificates.")
    return Profile(api_root=api_root.removesuffix("/"), ca=ca, token=str(members.get("token") or ""))


def _split(url: str) -> object | None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        return None
    return parts if usable and not any(char.isspace() for char in url) else None


def _is_pem(ca: str) -> bool:
    try:
        text = base64.b64decode(ca, validate=False)
    except (binascii.Error, ValueError):
        return False
    return b"-----BEGIN " in text and b"-----END " in text and text.isascii()


def _why(err: Exception) -> str:
    return err.strerror if isinstance(err, OSError) and err.strerror else str(err)


def _cannot_write(told: str, err: OSError) -> KnitError:
    import errno

    kind = OutOfSpace if err.errno in (errno.ENOSPC, errno.EDQUOT) else InvalidInput
    return kind(told, advice="Choose a place that you may write to, or free some space.")
