"""The bytes of Data, without any network: trees, chunks, packs, manifests, safe writing, and tar.gz at the edge.

Everything here works on directories, streams and `bytes`; nothing opens a connection, asks a database or knows where
packs rest. Client, storage and agent share it, so that a tree has the same ids wherever they are computed. blake3,
zstandard and isal are imported when first used: the `knit` command's start-up loads none of them.
The formats are described in `docs/storage-format.md`.
"""
