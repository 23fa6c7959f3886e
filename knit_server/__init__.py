"""Knit's server side: the domain, its storage and scheduler, and the Jupyter server extension that hosts them.

Importing this package loads nothing heavy: Jupyter asks it only for the extension points.
"""

__version__ = "0.1.0"


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Tell Jupyter server where the extension is (called by jupyter_server at start-up)."""
    from knit_server.extension import KnitExtension

    return [{"module": "knit_server.extension", "app": KnitExtension}]
