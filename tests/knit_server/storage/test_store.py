"""The contract of a store, run on every kind of store."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from knit_server.content import tarball
from knit_server.content.packs import PACK_SIZE, Location
from knit_server.content.tree import CHUNK_SIZE, ChunkId, Entry
from knit_server.domain.errors import Conflict, Damaged, InvalidInput, NotFound, Unavailable
from knit_server.storage import Snapshot, Store


def put(store: Store, files: Mapping[str, bytes]) -> Snapshot:
    with store.writer() as writer:
        return writer.add_files((Entry(path, "file"), [data]) for path, data in files.items())


def key(snapshot: Snapshot) -> str:
    assert snapshot.manifest_key is not None
    return snapshot.manifest_key


class StoreContract:
    """What every store promises. A subclass gives the fixture `store`: an empty one."""

    def test_what_goes_in_comes_out(self, store: Store, tmp_path: Path) -> None:
        """Files are read back whole, from a manifest read anew."""
        stored = put(store, {"a/b": b"one", "c": b"", "d": bytes(1000)})
        manifest = store.manifest(key(stored))
        assert store.read(manifest, "a/b") == b"one"
        assert store.read(manifest, "c") == b""
        assert store.read(manifest, "d") == bytes(1000)
        assert (stored.files, stored.size) == (3, 1003)
        store.materialise(manifest, tmp_path)
        assert (tmp_path / "a" / "b").read_bytes() == b"one"

    def test_an_empty_tree_costs_one_object(self, store: Store) -> None:
        """No bytes, no pack: only the manifest is written, and `known` is not asked."""
        with store.writer(lambda chunks: pytest.fail("asked for chunks of an empty tree")) as writer:
            stored = writer.add_files([])
        assert list(store.packs()) == []
        assert [name for name, _ in store.manifests()] == [stored.manifest_key]
        assert stored.packs == frozenset()

    def test_trees_of_one_writer_share_a_pack(self, store: Store) -> None:
        """A Run's outputs and its log make one pack; equal trees make one manifest."""
        with store.writer() as writer:
            first = writer.add_files([(Entry("a", "file"), [b"one"])])
            log = writer.add_files([(Entry("log", "file"), [b"two"])])
            twin = writer.add_files([(Entry("a", "file"), [b"one"])])
        assert len(list(store.packs())) == 1
        assert len(list(store.manifests())) == 2
        assert first.packs == log.packs == twin.packs == frozenset(writer.new_packs)
        assert first.manifest_key == twin.manifest_key

    def test_known_chunks_are_not_stored_again(self, store: Store) -> None:
        """Chunks that the caller knows are shared; `known` is asked once for all of them."""
        first = put(store, {"a": b"one" * 100, "b": b"two" * 100})
        asked: list[list[ChunkId]] = []

        def known(chunks: Sequence[ChunkId]) -> Mapping[ChunkId, Location]:
            asked.append(list(chunks))
            return {chunk: first.locations[chunk] for chunk in chunks if chunk in first.locations}

        with store.writer(known) as writer:
            second = writer.add_files([(Entry("x", "file"), [b"one" * 100]), (Entry("y", "file"), [b"new"])])
        assert [len(chunks) for chunks in asked] == [2]
        assert len(second.new_chunks) == 1
        assert store.read(store.manifest(key(second)), "x") == b"one" * 100
        assert second.packs == first.packs | writer.new_packs.keys()

    def test_known_content_writes_nothing(self, store: Store) -> None:
        """A tree that is stored already, of known chunks, writes neither pack nor manifest."""
        first = put(store, {"a": b"one"})
        before = list(store.manifests())
        writer = store.writer(lambda chunks: first.locations, has_content=lambda content: content == first.content_id)
        with writer:
            again = writer.add_files([(Entry("a", "file"), [b"one"])])
        assert again.manifest_key is None
        assert again.new_chunks == {}
        assert writer.new_packs == {}
        assert list(store.manifests()) == before

    def test_readers_of_parts_share_chunks(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """A part costs the stored chunks that hold it, and what one reader has fetched the next one need not."""
        data = os.urandom(CHUNK_SIZE + 500)
        manifest = store.recent_manifest(key(put(store, {"big": data})))
        fetched: list[tuple[int, int | None]] = []
        get = store._objects.get

        def counted(name: str, start: int = 0, length: int | None = None) -> bytes | None:
            fetched.append((start, length))
            return get(name, start, length)

        monkeypatch.setattr(store._objects, "get", counted)
        for at, length in ((CHUNK_SIZE + 10, 20), (CHUNK_SIZE, 500), (100, 10), (CHUNK_SIZE - 5, 10)):
            with store.open_part(manifest, "big") as file:
                file.seek(at)
                found = file.read(length) or b""
                assert found + (file.read(length - len(found)) or b"") == data[at : at + length]
        assert fetched == [(CHUNK_SIZE, 500), (0, CHUNK_SIZE)]
        assert store.recent_manifest(next(name for name, _ in store.manifests())) is manifest

    def test_packs_are_cut(self, store: Store) -> None:
        """A large file spreads over several packs of about the promised size and comes back equal."""
        data = [os.urandom(CHUNK_SIZE) for _ in range(5)]
        with store.writer() as writer:
            stored = writer.add_files([(Entry("big", "file"), [*data, b"end"])])
        assert all(size <= PACK_SIZE + CHUNK_SIZE for size in writer.new_packs.values())
        assert len(writer.new_packs) == 3
        manifest = store.manifest(key(stored))
        assert store.read(manifest, "big") == b"".join(data) + b"end"
        assert store.verify(manifest) == []

    def test_ranges(self, store: Store) -> None:
        """A file can be read from anywhere, also across the edges of chunks."""
        data = os.urandom(1000) * ((CHUNK_SIZE * 2 + 500) // 1000)
        manifest = store.manifest(key(put(store, {"f": data})))
        for offset in (0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, len(data) - 1, len(data), len(data) + 5):
            for length in (0, 1, 3, CHUNK_SIZE + 2):
                assert store.read(manifest, "f", offset, length) == data[offset : offset + length]
        with store.open(manifest, "f") as file:
            assert file.seek(-3, io.SEEK_END) == len(data) - 3
            assert file.readall() == data[-3:]
            file.seek(CHUNK_SIZE - 2)
            assert io.BufferedReader(file).read(4) == data[CHUNK_SIZE - 2 : CHUNK_SIZE + 2]

    def test_unknown_and_wrong_names(self, store: Store) -> None:
        """What is not there is NotFound; a directory is no file; positions before the start are refused."""
        manifest = store.manifest(key(put(store, {"a/b": b"x"})))
        with pytest.raises(NotFound):
            store.read(manifest, "a/c")
        with pytest.raises(InvalidInput, match="'a' is a dir, not a file"):
            store.read(manifest, "a")
        with pytest.raises(InvalidInput, match="a position before the file's start"):
            store.read(manifest, "a/b", -1)
        with pytest.raises(InvalidInput, match=r"'../../etc/passwd' is no name that a store gives"):
            store.manifest("../../etc/passwd")

    def test_listing_and_deleting(self, store: Store) -> None:
        """Packs are listed with size and age, and deleted; deleting twice is fine; what is missing is Damaged."""
        stored = put(store, {"a": b"x" * 10})
        manifest = store.manifest(key(stored))
        [(pack, seen)] = store.packs()
        assert {pack} == stored.packs
        assert seen.size == 10
        assert abs(seen.modified - time.time()) < 60
        for _ in range(2):
            store.delete_pack(pack)
        with pytest.raises(Damaged, match=pack):
            store.read(manifest, "a")
        assert [problem.path for problem in store.verify(manifest)] == ["a"]
        for _ in range(2):
            store.delete_manifest(key(stored))
        with pytest.raises(Damaged, match="missing"):
            store.manifest(key(stored))
        assert not [*store.packs(), *store.manifests(), *store.strays()]

    def test_looking_at_one(self, store: Store) -> None:
        """One pack or manifest is shown as the listing shows it, and not at all once it is deleted."""
        stored = put(store, {"a": b"x" * 10})
        [(pack, pack_seen)], [(manifest, manifest_seen)] = store.packs(), store.manifests()
        assert store.look_at_pack(pack) == pack_seen
        assert store.look_at_manifest(manifest) == manifest_seen
        assert manifest == key(stored)
        store.delete_pack(pack)
        assert store.look_at_pack(pack) is None
        assert store.look_at_manifest(manifest) == manifest_seen, "only what was named is gone"
        store.delete_manifest(manifest)
        assert store.look_at_manifest(manifest) is None

    def test_a_manifest_of_its_own(self, store: Store) -> None:
        """A tree that relied on another writer's manifest gets one that names the packs it knows itself."""
        first = put(store, {"a": b"one"})
        with store.writer(lambda chunks: first.locations, has_content=lambda content: True) as writer:
            second = writer.add_files([(Entry("a", "file"), [b"one"])])
        assert second.manifest_key is None
        store.delete_manifest(key(first))
        store.add_manifest(second)
        assert store.read(store.manifest(key(second)), "a") == b"one"
        assert (second.packs, second.new_chunks) == (first.packs, {})

    def test_storing_again_makes_young(self, store: Store) -> None:
        """A pack that is stored again is young for the sweeper, and heals if it was lost."""
        stored = put(store, {"a": b"x"})
        [(pack, first)] = store.packs()
        store.delete_pack(pack)
        put(store, {"a": b"x"})
        [(_, second)] = store.packs()
        assert second.modified >= first.modified
        assert store.read(store.manifest(key(stored)), "a") == b"x"

    def test_a_failed_writer_stores_no_manifest(self, store: Store) -> None:
        """Leaving the writer by an exception leaves nothing that could be used."""
        writer = store.writer()
        snapshot = writer.add_files([(Entry("a", "file"), [b"x"])])
        with pytest.raises(InvalidInput), writer:
            writer.add_tar(io.BytesIO(b"no archive"))
        assert list(store.manifests()) == []
        with pytest.raises(RuntimeError):
            _ = snapshot.manifest_key

    def test_keys_never_contain_each_other(self, store: Store) -> None:
        """No key is a prefix of another, as some stores could not hold both."""
        put(store, {"a": b"x", "b": os.urandom(100)})
        keys = [seen.key for _, seen in [*store.packs(), *store.manifests()]]
        assert not [(one, two) for one in keys for two in keys if one != two and two.startswith(one)]


class TestLocalFolder(StoreContract):
    """Files in a folder."""

    @pytest.fixture
    def store(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
        store = Store(f"file://{tmp_path_factory.mktemp('store')}")
        yield store
        store.close()


class TestMemory(StoreContract):
    """fsspec's memory file system."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        store = Store(f"memory://{os.urandom(8).hex()}/packs/here")  # a root that looks like a key
        yield store
        store.close()


class TestS3(StoreContract):
    """An S3-compatible store, where one is given: KNIT_TEST_S3=s3://BUCKET, credentials and endpoint as AWS's tools."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        url = os.environ.get("KNIT_TEST_S3")
        if url is None:
            pytest.skip("set KNIT_TEST_S3=s3://BUCKET (and AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, ...) to test S3")
        store = Store(f"{url}/{os.urandom(8).hex()}/packs/here")
        yield store
        store.close()


def test_unknown_stores_are_refused() -> None:
    """A URL that nothing can open says so; another machine's file too."""
    with pytest.raises(InvalidInput, match="the store 'nosuch://bucket' cannot be opened: "):
        Store("nosuch://bucket")
    with pytest.raises(InvalidInput, match="the store 'file://server/share' names another machine"):
        Store("file://server/share")


def test_unreachable_store_is_unavailable(tmp_path: Path) -> None:
    """A store whose folder cannot be made or read tells so, and nothing of Python's."""
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file" / "store")
    with pytest.raises((Unavailable, InvalidInput)):
        put(store, {"a": b"x"})


def test_unfinished_files_are_strays(tmp_path: Path) -> None:
    """What a crash leaves among packs is no pack, and can be swept."""
    store = Store(tmp_path)
    put(store, {"a": b"x"})
    [(_, seen)] = store.packs()
    left = (tmp_path / seen.key).with_name("0123-abcd.part")
    left.write_bytes(b"half")
    assert len(list(store.packs())) == 1
    [stray] = store.strays()
    store.delete_stray(stray)
    assert not left.exists()
    with pytest.raises(InvalidInput, match="is a pack or manifest"):
        store.delete_stray(seen)


def test_a_changing_directory_is_refused(tmp_path: Path) -> None:
    """A file that grows while it is read is a Conflict, not a mixture."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "big").write_bytes(bytes(CHUNK_SIZE + 1))

    def grow(done: int, path: str) -> None:
        with open(source / "big", "ab") as file:
            file.write(b"more")

    with pytest.raises(Conflict, match="changed"):
        list(tarball.pack_directory(source, progress=grow))
