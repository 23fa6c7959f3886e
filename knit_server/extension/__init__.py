"""Knit as a Jupyter server extension: settings in, engine and handlers built, started and stopped with the server.

It never keeps Jupyter from starting: if Knit cannot start, its API says why (503) and the rest of Jupyter works.
`headless` serves Knit alone, for `knit serve`. This package and the handlers are the only doors to Jupyter server.
"""

from knit_server.extension.app import KnitExtension

__all__ = ["KnitExtension"]
