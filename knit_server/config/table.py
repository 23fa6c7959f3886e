"""The table of settings: the single source of their names, kinds, defaults and help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from knit_server.config.kinds import Bytes, Choice, Cores, Duration, FilePath, Kind, Proxies, Text, Urls, Whole, YesNo

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts that only programs of this machine reach."""
DOCUMENT = "docs/configuration.md"

_SECOND, _HOUR, _DAY = 1000, 3_600_000, 86_400_000


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting. `key` is its place in TOML; `in_jupyter` says whether the extension has it too.

    `metavar` stands for the value in the help of the flag; keys within a section have no flag. `secret` marks values
    that may hold a password. `unset` is what the documents show for a default that is no value.
    """

    key: str
    kind: Kind
    default: Any
    help: str
    metavar: str = ""
    in_jupyter: bool = True
    secret: bool = False
    unset: str = ""

    @property
    def section(self) -> str:
        """The TOML table it stands in, empty for the top."""
        return self.key.rpartition(".")[0]

    @property
    def name(self) -> str:
        """Its key within its section."""
        return self.key.rpartition(".")[2]

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return "KNIT_" + self.key.replace(".", "_").upper()

    @property
    def flag(self) -> str:
        """Its flag of `knit serve`, empty if it has none."""
        return "--" + self.key.replace("_", "-") if self.metavar or isinstance(self.kind, YesNo) else ""

    @property
    def trait(self) -> str:
        """How it is set in Jupyter, empty if that is Jupyter's own matter."""
        if not self.in_jupyter:
            return ""
        return f"KnitExtension.{self.section}['{self.name}']" if self.section else f"KnitExtension.{self.key}"

    @property
    def shown_default(self) -> str:
        """The default as TOML, or the words that say what it is."""
        return self.unset or self.kind.write(self.default)


SETTINGS: tuple[Setting, ...] = (
    Setting(
        key="home", kind=FilePath(), default="~/.local/share/knit", metavar="DIR",
        help="The home folder, where all data are unless another database or store is named.",
    ),
    Setting(
        key="host", kind=Text("a name or an address of this machine"), default=LOOPBACK[0], metavar="HOST",
        in_jupyter=False, help="The address to listen at.",
    ),
    Setting(
        key="port", kind=Whole(0, 65535), default=8787, metavar="PORT", in_jupyter=False,
        help="The port to listen at; 0 takes a free one.",
    ),
    Setting(
        key="certfile", kind=FilePath(), default="", metavar="FILE", in_jupyter=False, unset="none (HTTP)",
        help="Serve HTTPS with this certificate (PEM).",
    ),
    Setting(
        key="keyfile", kind=FilePath(), default="", metavar="FILE", in_jupyter=False, unset="the certificate's file",
        help="The certificate's key (PEM), if it is not in the same file.",
    ),
    Setting(
        key="executor", kind=Choice(("local",)), default="local", metavar="NAME",
        help="What runs the programs of Plans: processes of this machine.",
    ),
    Setting(
        key="sandbox", kind=Choice(("auto", "bubblewrap", "substitution")), default="auto",
        metavar="auto|bubblewrap|substitution",
        help="How programs are kept to their place; auto is the strongest that works here.",
    ),
    Setting(
        key="anonymous_loopback", kind=YesNo(), default=False, in_jupyter=False,
        help="Ask for no token, for clients that cannot send one: every user and program of this machine may do all.",
    ),
    Setting(
        key="overcommit", kind=YesNo(), default=False,
        help="Let a Run that asks for more than this machine has run alone.",
    ),
    Setting(key="max_cpu", kind=Cores(), default=None, metavar="CORES", help="Cores that Runs may use."),
    Setting(
        key="max_memory", kind=Bytes(unbounded=True), default=None, metavar="BYTES", help="Memory that Runs may use.",
    ),
    Setting(
        key="database_url", kind=Text("a URL of SQLAlchemy"), default="", metavar="URL", secret=True,
        unset="SQLite in the home", help="A database other than the home's SQLite file.",
    ),
    Setting(
        key="store_url", kind=Text("a path or a URL of fsspec"), default="", metavar="URL", secret=True,
        unset="a folder of the home", help="A store other than the home's folder.",
    ),
    Setting(
        key="log_level", kind=Choice(("debug", "info", "warning", "error")), default="warning",
        metavar="debug|info|warning|error", in_jupyter=False, help="What to tell on stderr.",
    ),
    Setting(
        key="extra_apis", kind=Proxies(), default=(), secret=True, unset="none",
        help="Other servers that are reached through this one, by the first part of the path.",
    ),
    Setting(
        key="limits.runs_per_step", kind=Whole(1, 100_000), default=1000,
        help="Runs that matching makes in one transaction; the rest follows in the next.",
    ),
    Setting(
        key="limits.lease", kind=Duration(_SECOND, _DAY), default=60 * _SECOND,
        help="How long the claim of a Run lasts if its server does not renew it, which it does three times as often.",
    ),
    Setting(
        key="limits.losses", kind=Whole(0, 1000), default=3,
        help="How many attempts of a Run may be lost together with a server before it is given up.",
    ),
    Setting(
        key="limits.tree_cache", kind=Bytes(), default=20 << 30,
        help="Materialised Data that are kept on this machine for the next Run; beyond it, the longest unused go.",
    ),
    Setting(
        key="retention.orphan_age", kind=Duration(_HOUR), default=_DAY,
        help="Stored bytes that no Data needs are deleted when they are older. Not below the longest upload.",
    ),
    Setting(
        key="retention.content_grace", kind=Duration(), default=_DAY,
        help="How long the bytes of deleted Data stay, for the first half of it to be shared if they are pushed again.",
    ),
    Setting(
        key="retention.events_kept", kind=Whole(1, 100_000_000), default=100_000,
        help="Events that are kept for clients that come back and ask what they have missed.",
    ),
    Setting(
        key="retention.receipts_kept", kind=Duration(_HOUR), default=30 * _DAY,
        help="How long it is remembered what matching decided about each Data, for `knit why`.",
    ),
    Setting(
        key="hooks.before", kind=Urls(), default=(), secret=True, unset="none",
        help="Lifecycle hooks: URLs that are asked before a Run's status changes, in this order.",
    ),
    Setting(
        key="hooks.after", kind=Urls(), default=(), secret=True, unset="none",
        help="Lifecycle hooks: URLs that are told after a Run's status has changed, in this order.",
    ),
    Setting(
        key="hooks.timeout", kind=Duration(1, _HOUR), default=30 * _SECOND,
        help="How long one hook may take.",
    ),
)  # fmt: skip

BY_KEY = {each.key: each for each in SETTINGS}
SECTIONS = tuple(dict.fromkeys(each.section for each in SETTINGS if each.section))
