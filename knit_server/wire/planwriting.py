"""Plan files from JSON: the way back from what `planfile.read` returns."""

from __future__ import annotations

from collections.abc import Mapping

from knit_server.wire import planschema


def text(spec: Mapping[str, object]) -> str:
    """Write `spec` as a plan file, keys in their usual order; what is None is left out."""
    import yaml

    order = [key.name for key in planschema.PLAN]
    names = [*(name for name in order if name in spec), *(name for name in spec if name not in order)]
    plain = {name: spec[name] for name in names if spec[name] is not None}
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, default_flow_style=False, width=100)
