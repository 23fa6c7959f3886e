"""The one door to pandas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knit_server.domain.errors import InvalidInput, Unsupported

if TYPE_CHECKING:
    from pandas import DataFrame as DataFrame


def made(rows: Sequence[Sequence[object]], titles: Sequence[str]) -> DataFrame:
    """Return `rows` as a DataFrame with columns of these titles. Raises `Unsupported` where pandas is not installed."""
    try:
        from pandas import DataFrame
    except ImportError as err:
        raise Unsupported("a DataFrame needs pandas", advice="Install it: pip install pandas") from err
    return DataFrame(list(rows), columns=list(titles))


def is_frame(what: object) -> bool:
    """Whether `what` is a DataFrame of pandas or polars, without importing either."""
    return type(what).__name__ == "DataFrame" and type(what).__module__.split(".")[0] in ("pandas", "polars")


_WRITERS = {".parquet": "parquet", ".csv": "csv", ".json": "json", ".feather": "feather"}

_OPTIONS: dict[str, dict[str, Any]] = {"csv": {"index": False}, "json": {"orient": "records", "lines": True}}


def write(frame: Any, place: Path) -> None:
    """Write a DataFrame of pandas or polars in the format that the ending of `place` names.

    The index of pandas is kept in Parquet, and left out elsewhere. Raises `InvalidInput` for another ending and for
    values that the format cannot hold, `Unsupported` where a library is missing.
    """
    kind = _WRITERS.get(place.suffix)
    if kind is None:
        raise InvalidInput(f"no format is known for {place.name}", advice=f"End it with {', '.join(_WRITERS)}")
    try:
        if type(frame).__module__.split(".")[0] == "polars":
            getattr(frame, {"json": "write_ndjson", "feather": "write_ipc"}.get(kind, f"write_{kind}"))(place)
        else:
            getattr(frame, f"to_{kind}")(place, **_OPTIONS.get(kind, {}))
    except ImportError as err:
        raise Unsupported(f"writing {place.name} needs a library: {err}", advice="pip install pyarrow") from err
    except OSError:
        raise
    except Exception as err:  # each library has errors of its own for values that it cannot write
        raise InvalidInput(
            f"cannot write the DataFrame as {place.name}: {err}",
            advice="Convert the columns, or choose another format.",
        ) from err


def first_rows(place: Path, most: int) -> tuple[list[str], list[list[object]], int]:
    """Return the titles, the first rows, and the number of all rows of a Parquet or Feather file.

    Raises `InvalidInput` if it is none, `Unsupported` where a library is missing.
    """
    try:
        import pandas
    except ImportError as err:
        raise Unsupported(f"looking into {place.suffix} needs pandas", advice="pip install pandas pyarrow") from err
    try:
        found = pandas.read_feather(place) if place.suffix == ".feather" else pandas.read_parquet(place)
    except ImportError as err:
        raise Unsupported(f"reading {place.suffix} needs a library: {err}", advice="pip install pyarrow") from err
    except Exception as err:  # pyarrow's errors are ValueError, OSError and its own; what is in the file is not ours
        raise InvalidInput(
            f"this is no sound {place.suffix} file: {err}", advice="Look at how it was written."
        ) from err
    first = found.head(most)
    return [str(each) for each in first.columns], [list(row) for row in first.itertuples(index=False)], len(found)
