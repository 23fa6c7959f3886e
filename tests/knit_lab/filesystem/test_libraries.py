"""What the libraries of data scientists read through `knit://`."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import duckdb
import fsspec
import pandas as pd
import polars as pl
import pyarrow.dataset
import pyarrow.parquet
import pytest

from knit_lab.filesystem import KnitFileSystem
from knit_lab.session import Session

TABLE = pd.DataFrame({"n": range(1000), "word": [f"w{number % 7}" for number in range(1000)]})


@pytest.fixture
def root(here: Session, case: str) -> str:
    """The address of a Data of tables; the tag has all that must be encoded."""
    text = TABLE.to_csv(index=False)
    files = {
        "table.csv": text, "table.csv.gz": gzip.compress(text.encode()), "table.parquet": TABLE,
        "parts/one.parquet": TABLE[:400], "parts/two.parquet": TABLE[400:], "table.json": TABLE, "table.feather": TABLE,
    }  # fmt: skip
    here.push(files, [case, "where:a/b, c%d"], progress=False)
    return f"knit://where:a%2Fb%2C%20c%25d,{case}"


@pytest.fixture
def plain(root: str) -> str:
    """The same without the scheme, as pyarrow wants it beside a file system."""
    return root.removeprefix("knit://")


def test_pandas(root: str) -> None:
    """Every format by its address alone, and what is written is refused."""
    for read in (
        pd.read_csv(f"{root}/table.csv"), pd.read_csv(f"{root}/table.csv.gz"), pd.read_parquet(f"{root}/table.parquet"),
        pd.read_json(f"{root}/table.json", lines=True), pd.read_feather(f"{root}/table.feather"),
        pd.read_parquet(f"{root}/parts").sort_values("n", ignore_index=True),
        pd.concat(pd.read_csv(f"{root}/table.csv", chunksize=100)),
    ):  # fmt: skip
        assert read[["n", "word"]].astype({"word": object}).values.tolist() == TABLE.values.tolist()
    assert list(pd.read_parquet(f"{root}/table.parquet", columns=["word"])) == ["word"]
    for write in (TABLE.to_csv, TABLE.to_parquet):
        with pytest.raises(OSError, match="a Data never changes"):
            write(f"{root}/new")


def test_polars(fs: KnitFileSystem, root: str, plain: str) -> None:
    """Open files are read as they are, and lazily through pyarrow; an open file may be scanned, too."""
    with fs.open(f"{root}/table.csv") as file:
        assert pl.read_csv(file).shape == (1000, 2)
    with fs.open(f"{root}/table.parquet") as file:
        assert pl.scan_parquet(file).select(pl.col("n").sum()).collect().item() == 499_500
    lazy = pl.scan_pyarrow_dataset(pyarrow.dataset.dataset(f"{plain}/parts", filesystem=fs))
    assert lazy.filter(pl.col("n") < 500).select(pl.len()).collect().item() == 500


@pytest.fixture
def connection(fs: KnitFileSystem) -> Iterator[Any]:
    """DuckDB that knows the file system."""
    with duckdb.connect() as connection:
        connection.register_filesystem(fs)
        yield connection


def test_duckdb(connection: Any, root: str) -> None:
    """Tables by their address in SQL, also several at once."""
    assert connection.sql(f"select sum(n) from '{root}/table.parquet'").fetchall() == [(499_500,)]
    assert connection.sql(f"select count(*) from read_csv('{root}/table.csv')").fetchall() == [(1000,)]
    assert connection.sql(f"select count(*) from '{root}/parts/*.parquet'").fetchall() == [(1000,)]
    with pytest.raises(duckdb.IOException, match="No files found"):
        connection.sql(f"select * from '{root}/nope.parquet'")


def test_pyarrow(fs: KnitFileSystem, root: str, plain: str) -> None:
    """Tables, files and datasets; for directories, the address goes without its scheme."""
    assert pyarrow.parquet.read_table(f"{plain}/table.parquet", filesystem=fs).num_rows == 1000
    dataset = pyarrow.dataset.dataset(f"{plain}/parts", filesystem=fs)
    assert [name.rpartition("/")[2] for name in dataset.files] == ["one.parquet", "two.parquet"]
    assert dataset.count_rows(filter=pyarrow.dataset.field("n") < 500) == 500
    with fs.open(f"{root}/table.parquet") as file:
        assert pyarrow.parquet.ParquetFile(file).metadata.num_rows == 1000


def test_fsspec_chains(root: str, tmp_path: Any) -> None:
    """Caches of fsspec on top of it."""
    for cache in ("simplecache", "filecache"):
        options = {cache: {"cache_storage": str(tmp_path / cache)}}
        with fsspec.open(f"{cache}::{root}/table.csv", **options) as file:
            assert file.readline() == b"n,word\n"
    assert sorted(fsspec.get_mapper(f"{root}/parts")) == ["one.parquet", "two.parquet"]
