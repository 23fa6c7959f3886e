"""Running a Knit: `knit serve` and what else operators need. The CLI reaches it by a table, when it is called.

The only part of the server that may use click. It builds and starts what others have made; it decides nothing.
"""
