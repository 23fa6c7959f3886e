"""What `knit serve` says where it cannot even begin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_without_the_server_s_libraries(tmp_path: Path) -> None:
    """Where only the laptop's part is installed, it is said what to install."""
    (tmp_path / "jupyter_server.py").write_text("raise ImportError('No module named jupyter_server')")
    done = subprocess.run(
        [sys.executable, "-m", "knit_cli.main", "serve", "--home", str(tmp_path / "home"), "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the server is not installed here: No module named jupyter_server" in done.stderr
    assert 'pip install "knit-platform[server]"' in done.stderr
