"""What crosses HTTP, used by both ends: shapes, codecs, the endpoint table, plan files, DOT and text of graphs.

Nothing here opens a connection, a database or a process; values go in, JSON-ready values or text come out. Server and
client share it, so neither can drift from the other. PyYAML is imported when a plan file is read.
"""
