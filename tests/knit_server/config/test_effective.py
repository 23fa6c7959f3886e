"""The effective configuration: precedence, the file, errors, and that what is shown gives the same back."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from knit_server.config import SETTINGS, resolve, shown
from knit_server.config.build import engine_settings
from knit_server.config.effective import Mismatch, Source, by_trait
from knit_server.config.table import BY_KEY
from knit_server.domain.errors import InvalidInput, NotFound
from knit_server.engine import Settings
from knit_server.hooks.extra import ExtraApi
from knit_server.hooks.settings import HookSettings
from knit_server.service.context import Limits
from knit_server.service.home import DEFAULT

OTHER: dict[str, tuple[str, str]] = {
    "home": ("/tmp/knit-a", "/tmp/knit-b"),
    "host": ("localhost", "::1"),
    "port": ("1", "2"),
    "certfile": ("/a.pem", "/b.pem"),
    "keyfile": ("/a.key", "/b.key"),
    "executor": ("local", "local"),
    "sandbox": ("substitution", "bubblewrap"),
    "anonymous_loopback": ("true", "false"),
    "overcommit": ("true", "false"),
    "max_cpu": ("0.5", "all"),
    "max_memory": ("1Gi", "all"),
    "database_url": ("postgresql://a/b", "sqlite:///x"),
    "store_url": ("s3://a", "/b"),
    "log_level": ("debug", "error"),
    "extra_apis": ("/a=http://b", "/c=http://d"),
    "limits.runs_per_step": ("7", "8"),
    "limits.lease": ("30s", "2m"),
    "limits.losses": ("0", "9"),
    "limits.tree_cache": ("1Gi", "2Gi"),
    "retention.orphan_age": ("2h", "2d"),
    "retention.content_grace": ("0", "2h"),
    "retention.events_kept": ("10", "20"),
    "retention.receipts_kept": ("3h", "3d"),
    "hooks.before": ("http://a/", "http://b/ http://c/"),
    "hooks.after": ("http://a/", "http://b/"),
    "hooks.timeout": ("1s", "250ms"),
}
"""Two values for each setting that are not its default, as text."""


def toml(key: str, text: str) -> str:
    """Return the file that gives `key` the value that is `text` elsewhere."""
    setting = BY_KEY[key]
    line = f"{setting.name} = {setting.kind.write(setting.kind.parse(text))}\n"
    return f"[{setting.section}]\n{line}" if setting.section else line


def also(key: str) -> dict[str, str]:
    """Return what must be given beside `key`."""
    return {"KNIT_CERTFILE": "/c.pem"} if key == "keyfile" else {}


@pytest.fixture(autouse=True)
def _no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests from the home of whoever runs them, which may hold a file."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def refusal(*given: Any, **more: Any) -> str:
    """Return what is told about a configuration that must be refused."""
    with pytest.raises((InvalidInput, NotFound)) as caught:
        resolve(*given, **more)
    return str(caught.value)


class TestPrecedence:
    @pytest.mark.parametrize("key", [each.key for each in SETTINGS])
    def test_of_every_setting(self, key: str, file: Path) -> None:
        """What is given goes before the environment, that before the file, that before the default."""
        setting = BY_KEY[key]
        first, second = OTHER[key]
        other, less = (setting.kind.parse(text) for text in (first, second))
        less = Path(less) if key == "home" else less
        default = resolve({}, {})
        assert default.origins[key].source is Source.DEFAULT
        file.write_text(toml(key, second))
        only_file = resolve({}, also(key), file=str(file))
        assert only_file[key] == less
        assert (only_file.origins[key].source, only_file.origins[key].where) == (Source.FILE, str(file))
        environ = {setting.variable: first, **also(key)}
        both = resolve({}, environ, file=str(file))
        assert both[key] == (Path(other) if key == "home" else other)
        assert both.origins[key].where == setting.variable
        given = resolve({key: second}, environ, file=str(file))
        assert given[key] == less
        assert given.origins[key].source is Source.GIVEN
        assert given.origins[key].where == setting.flag

    def test_every_combination(self, file: Path) -> None:
        """Of any sources that say something, the highest counts."""
        file.write_text("port = 3\n")
        for flag, variable, in_file in itertools.product((True, False), repeat=3):
            found = resolve(
                {"port": "1"} if flag else {"port": None}, {"KNIT_PORT": "2"} if variable else {"KNIT_PORT": ""},
                file=str(file) if in_file else None,
            )  # fmt: skip
            expected = 1 if flag else 2 if variable else 3 if in_file else 8787
            assert found["port"] == expected

    def test_traits_are_named_as_jupyter_does(self, file: Path) -> None:
        """In Jupyter, what is Jupyter's own matter is left alone, and an error names the trait."""
        file.write_text("port = 3\nhost = 'elsewhere'\nanonymous_loopback = true\nmax_cpu = 2\n")
        found = resolve({"limits.lease": "5s"}, {"KNIT_LOG_LEVEL": "x"}, file=str(file), name=by_trait)
        assert (found["port"], found["max_cpu"], found["limits.lease"]) == (8787, 2, 5000)
        told = refusal({"limits.lease": "5"}, {}, file="/nowhere", name=by_trait)
        assert told.startswith("there is no configuration file /nowhere\n")
        told = refusal({"limits.lease": []}, {}, name=by_trait)
        assert told.startswith("KnitExtension.limits['lease']: [] is not allowed\n")
        told = refusal({"limits.leese": 3}, {}, name=by_trait)
        assert "Did you mean limits.lease?" in told

    def test_variables_of_kubernetes(self) -> None:
        """A service named knit makes Kubernetes set KNIT_PORT to a URL, which is no port of ours."""
        assert resolve({}, {"KNIT_PORT": "tcp://10.0.0.1:8787"})["port"] == 8787


class TestFile:
    def test_which_one(self, tmp_path: Path) -> None:
        """--config goes before KNIT_CONFIG, that before knit.toml in the home, wherever the home comes from."""
        home = tmp_path / "home"
        home.mkdir()
        for number, path in enumerate((home / "knit.toml", tmp_path / "a.toml", tmp_path / "b.toml")):
            path.write_text(f"port = {number}\n")
        environ = {"KNIT_HOME": str(home)}
        assert resolve({}, environ)["port"] == 0
        assert resolve({"home": str(home)}, {})["port"] == 0
        environ["KNIT_CONFIG"] = str(tmp_path / "a.toml")
        assert resolve({}, environ)["port"] == 1
        found = resolve({}, environ, file=str(tmp_path / "b.toml"))
        assert (found["port"], found.file) == (2, tmp_path / "b.toml")

    def test_the_file_may_name_the_home(self, file: Path, tmp_path: Path) -> None:
        """A file that lies elsewhere names a home, also one beside itself; then no other file is read."""
        home = tmp_path / "home"
        home.mkdir()
        (home / "knit.toml").write_text("port = 1\n")
        file.write_text("home = 'home'\n")
        found = resolve({}, {}, file=str(file))
        assert (found["home"], found["port"]) == (home, 8787)

    def test_the_homes_own_file(self, tmp_path: Path) -> None:
        """The file in the home may name that home, and no other."""
        (tmp_path / "knit.toml").write_text(f"home = {str(tmp_path)!r}\n")
        assert resolve({"home": str(tmp_path)}, {})["home"] == tmp_path
        (tmp_path / "knit.toml").write_text("home = '/elsewhere'\n")
        told = refusal({"home": str(tmp_path)}, {})
        assert f"{tmp_path / 'knit.toml'}: home: /elsewhere is not the folder that this file is in" in told

    def test_paths_are_relative_to_the_file(self, file: Path) -> None:
        """Files named in the file are sought beside it."""
        file.write_text("certfile = 'cert.pem'\nkeyfile = '~/key.pem'\n")
        found = resolve({}, {}, file=str(file))
        assert found["certfile"] == str(file.parent / "cert.pem")
        assert found["keyfile"] == str(Path.home() / "key.pem")

    @pytest.mark.parametrize(
        ("text", "reason", "advice"),
        [
            ("prot = 1", "there is no setting prot", "Did you mean port?"),
            ("max-memory = '1Gi'", "there is no setting max-memory", "Did you mean max_memory?"),
            ("lease = '1s'", "there is no setting lease", "Did you mean limits.lease?"),
            ("[limits]\nloses = 1", "there is no setting limits.loses", "Did you mean limits.losses?"),
            ("[retention]\nlease = 1", "there is no setting retention.lease", "Did you mean limits.lease?"),
            ("[hook]\nbefore = []", "there is no setting hook", "docs/configuration.md lists all settings"),
            ('"a\\u0007b" = 1', "there is no setting 'a\\x07b'", "docs/configuration.md"),
            ("limits = 3", "limits is a section, not a value", "Write [limits], then its keys."),
            ("port = '8787'", "port: '8787' is not allowed", "Write a whole number from 0 to 65535."),
            ("port = 70000", "port: 70000 is not allowed", "Write a whole number from 0 to 65535."),
            ("overcommit = 'yes'", "overcommit: 'yes' is not allowed", "Write true or false."),
            ("sandbox = 'none'", "sandbox: 'none' is not allowed", "one of auto, bubblewrap, substitution"),
            ("executor = 'kubernetes'", "executor: 'kubernetes' is not allowed", "Write local."),
            ("max_memory = '3 apples'", "max_memory: '3 apples' is not allowed", 'such as "20Gi"'),
            ("[limits]\nlease = '2 weeks'", "limits.lease: '2 weeks' is not allowed", "from 1s to 1d"),
            ("[hooks]\nbefore = 'http://a'", "hooks.before: 'http://a' is not allowed", "a list of URLs"),
            ("[hooks]\nafter = ['ftp://a']", "hooks.after: 'ftp://a' does not begin with http://", "absolute URL"),
            ("[hooks]\nafter = ['ftp://a:tomato@b/']", "hooks.after: 'ftp://a:***@b/' does not begin", "absolute URL"),
            ("extra_apis = [{path = '/api', proxy_to = 'http://b'}]", "extra_apis: entry[0].path: '/api' is", "path"),
            ("[[extra_apis]]\npath = '/a'", "extra_apis: [{'path': '/a'}] is not allowed", "[[extra_apis]]"),
            ("database_url = 'mysql://a:***@b/c'", "database_url: the secret in it is masked", "KNIT_DATABASE_URL"),
            ("keyfile = 'a'", "keyfile needs certfile", ""),
            ("anonymous_loopback = true\nhost = '0.0.0.0'", "anonymous_loopback needs a host of the loopback", ""),
            ("port = = 1", "is no TOML: ", "line 1"),
        ],
    )  # fmt: skip
    def test_errors(self, file: Path, text: str, reason: str, advice: str) -> None:
        """One clear error names the file, the key, what is allowed and what was meant perhaps."""
        file.write_text(text)
        told = refusal({}, {}, file=str(file))
        assert told.startswith(str(file))
        assert reason in told
        assert advice in told

    def test_files_that_are_none(self, tmp_path: Path) -> None:
        """A file that is missing, a folder, no UTF-8 or far too long is told as such."""
        assert "there is no configuration file" in refusal({}, {}, file=str(tmp_path / "missing"))
        assert "cannot be read (Is a directory)" in refusal({}, {}, file=str(tmp_path))
        (tmp_path / "latin").write_bytes(b"host = '\xe4'")
        assert "it is not in UTF-8" in refusal({}, {}, file=str(tmp_path / "latin"))
        (tmp_path / "long").write_bytes(b"#" * (2 << 20))
        assert "is too large for a configuration" in refusal({}, {}, file=str(tmp_path / "long"))

    def test_errors_keep_secrets(self) -> None:
        """A bad value that may hold a password is shown without it."""
        told = refusal({}, {"KNIT_DATABASE_URL": "postgresql://a:secret@b/c\n"})
        assert told.startswith("KNIT_DATABASE_URL: ")
        assert "secret" not in told

    def test_flags_that_do_not_go_together(self) -> None:
        """The error knows that it is about the command line, and is told in its words."""
        with pytest.raises(Mismatch, match=r"^--keyfile needs --certfile$") as caught:
            resolve({"keyfile": "a"}, {})
        assert caught.value.source is Source.GIVEN


class TestShown:
    def test_round_trip_of_everything(self, file: Path) -> None:
        """What is shown, saved and read, gives every setting the value it had; and is then shown alike."""
        environ = {BY_KEY[key].variable: first for key, (first, _) in OTHER.items()}
        found = resolve({}, environ)
        file.write_text(shown(found))
        again = resolve({}, {}, file=str(file))
        assert again.values == found.values
        assert {each.source for each in again.origins.values()} == {Source.FILE}
        file.write_text(shown(again))
        assert resolve({}, {}, file=str(file)).values == found.values

    def test_round_trip_of_defaults(self, file: Path) -> None:
        """So do the defaults, of which none is left out."""
        file.write_text(shown(resolve({}, {})))
        assert resolve({}, {}, file=str(file)).values == resolve({}, {}).values

    def test_secrets_are_masked(self, file: Path) -> None:
        """No secret is shown; the saved file works where the environment has the secret, and says so where not."""
        environ = {
            "KNIT_DATABASE_URL": "postgresql://knit:tomato@db/knit",
            "KNIT_HOOKS_BEFORE": "http://me:tomato@a/ http://b/?token=tomato",
        }
        text = shown(resolve({}, environ))
        assert "tomato" not in text
        assert re.search(r"^database_url = .*knit:\*\*\*@db.*# KNIT_DATABASE_URL; masked: write it in", text, re.M)
        file.write_text(text)
        assert resolve({}, environ, file=str(file)).values == resolve({}, environ).values
        assert "the secret in it is masked" in refusal({}, {}, file=str(file))

    def test_says_where_from(self, file: Path, tmp_path: Path) -> None:
        """Each line has the source of its value."""
        file.write_text("host = 'localhost'\n")
        text = shown(resolve({"port": "1"}, {"KNIT_MAX_CPU": "2"}, file=str(file)))
        lines = {line.split(" = ")[0]: line.split("  # ")[-1] for line in text.splitlines() if " = " in line}
        assert lines["port"] == "--port"
        assert lines["max_cpu"] == "KNIT_MAX_CPU"
        assert lines["host"] == "the file"
        assert lines["sandbox"] == "default"
        assert f"# The file that was read: {file}" in text


class TestTable:
    def test_defaults_are_those_of_the_engine(self) -> None:
        """The table's defaults are what the engine does when it is told nothing."""
        found = resolve({}, {})
        assert engine_settings(found) == Settings(home=found["home"])
        assert BY_KEY["home"].default == DEFAULT

    def test_every_limit_can_be_set(self) -> None:
        """A field of Limits or HookSettings without a row in knit_server/config/table.py could not be set."""
        rows = {each.name for each in SETTINGS if each.section in ("limits", "retention")}
        assert rows == {each.name for each in dataclasses.fields(Limits)}
        hooks = {each.name for each in SETTINGS if each.section == "hooks"}
        assert hooks == {each.name for each in dataclasses.fields(HookSettings)}

    def test_names_are_their_own(self) -> None:
        """No two settings share a variable, a flag or a place, and no variable is one that Knit uses otherwise."""
        for names in ([each.variable for each in SETTINGS], [each.flag for each in SETTINGS if each.flag]):
            assert len(names) == len(set(names))
        taken = {"KNIT_PROFILE", "KNIT_PROFILE_STORE", "KNIT_ENV", "KNIT_CONFIG", "KNIT_RUN_ID", "KNIT_ATTEMPT"}
        assert taken.isdisjoint(each.variable for each in SETTINGS)

    def test_other_values_are_complete(self) -> None:
        """The tests above know values for every setting."""
        assert list(OTHER) == [each.key for each in SETTINGS]

    def test_engine_gets_them(self) -> None:
        """Limits, retention and hooks arrive in the units that the engine has."""
        environ = {BY_KEY[key].variable: first for key, (first, _) in OTHER.items()}
        settings = engine_settings(resolve({}, environ))
        assert settings.limits.lease == 30_000
        assert settings.limits.orphan_age == 2 * 3600_000
        assert settings.extra_apis == (ExtraApi("/a", "http://b"),)
        assert settings.hooks == HookSettings(before=("http://a/",), after=("http://a/",), timeout=1.0)
        assert (settings.max_cpu, settings.max_memory) == (0.5, 1 << 30)

    def test_traits(self) -> None:
        """The extension has a trait for every setting that is not Jupyter's own matter."""
        from knit_server.extension import KnitExtension

        has = set(KnitExtension.class_own_traits(config=True))
        assert {each.section or each.key for each in SETTINGS if each.in_jupyter} <= has
        assert has - {each.section or each.key for each in SETTINGS} == {"settings_file", "exclusive", "resolved"}
