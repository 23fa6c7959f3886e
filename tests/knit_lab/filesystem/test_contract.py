"""fsspec's own tests of a file system, those about reading; what they read is pushed."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import md5
from typing import Any

import pytest
from fsspec.tests import abstract

from knit_lab.filesystem import KnitFileSystem
from knit_lab.objects.data import Data
from knit_lab.session import Session

Pushed = Callable[..., Data]


class TestGet(abstract.AbstractFixtures, abstract.AbstractGetTests):  # type: ignore[misc] # fsspec has no types
    """Everything about `get`. The scenarios are those of fsspec; a Data is filled at once, and nothing is removed."""

    @pytest.fixture
    def fs(self, here: Session) -> KnitFileSystem:
        return KnitFileSystem()

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def fs_bulk_operations_scenario_0(self, pushed: Pushed) -> str:
        names = ("file1", "file2", "subdir/subfile1", "subdir/subfile2", "subdir/nesteddir/nestedfile")
        return self.source(pushed, dict.fromkeys(names, b""))

    @pytest.fixture
    def fs_glob_edge_cases_files(self, pushed: Pushed) -> str:
        below = ("subfile1", "subfile2", "nesteddir/nestedfile")
        names = ("file1", "file2", *(f"subdir{number}/{name}" for number in range(2) for name in below))
        return self.source(pushed, dict.fromkeys(names, b""))

    @pytest.fixture
    def fs_dir_and_file_with_same_name_prefix(self, pushed: Pushed) -> str:
        return self.source(pushed, {"subdir.txt": b"", "subdir/subfile.txt": b""})

    @pytest.fixture
    def fs_10_files_with_hashed_names(self, pushed: Pushed) -> str:
        names = [md5(str(number).encode(), usedforsecurity=False).hexdigest() for number in range(10)]
        return self.source(pushed, {f"{name}.txt": str(number) for number, name in enumerate(names)})

    def source(self, pushed: Pushed, files: dict[str, Any]) -> str:
        return f"{pushed({f'source/{name}': content for name, content in files.items()}).id}/source"

    def test_get_directory_recursive(  # type: ignore[override] # fsspec's makes its directory in the file system
        self, fs: KnitFileSystem, pushed: Pushed, local_fs: Any, local_join: Any, local_target: str
    ) -> None:
        """The same steps as fsspec's test, from a directory that is pushed."""
        source = f"{pushed({'src/file': b''}).id}/src"
        for slash in ("", "/"):
            for _ in range(2):
                fs.get(source + slash, local_target, recursive=True)
                assert local_fs.isdir(local_target)
                if slash:
                    assert local_fs.find(local_target) == [local_fs._strip_protocol(local_join(local_target, "file"))]
            if not slash:
                again = [local_join(local_target, "file"), local_join(local_target, "src", "file")]
                assert local_fs.find(local_target) == [local_fs._strip_protocol(each) for each in again]
            local_fs.rm(local_target, recursive=True)
