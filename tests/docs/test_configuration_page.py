"""The commands on the page about the configuration do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def commands() -> str:
    """What the page tells to type to save the configuration."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (block,) = (each for each in blocks if "--show-config" in each)
    return "\n".join(line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ "))


def test_saving_what_counts(tmp_path: Path) -> None:
    """It works where there is no home folder yet, and given again it keeps what was set in the file meanwhile."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": path, "HOME": str(tmp_path)}
    saved = tmp_path / ".local" / "share" / "knit" / "knit.toml"
    for _ in range(2):
        subprocess.run(["/bin/sh", "-ec", commands()], env=environ, check=True, timeout=60)
        text = saved.read_text()
        assert tomllib.loads(text)["max_memory"] in ("8Gi", 8 << 30)
        saved.write_text(text.replace("port = 8787 ", "port = 9123 ") if "9123" not in text else text)
        assert tomllib.loads(saved.read_text())
    assert "9123" in text
