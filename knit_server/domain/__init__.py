"""The pure centre: Tags, Data, Plans, Runs, matching, lineage and graphs, as values and functions.

Nothing here does input or output, reads a clock or draws random numbers: the present time and new ids are arguments.
It imports the standard library only, so it can be read, tested and reused without anything else installed.
The rules are described for people in `docs/rules.md`; docstrings cite its headings.
"""
