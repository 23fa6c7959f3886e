"""Lets the tests of the domain import `domain_world`, a Knit without a database, clock or programs."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
