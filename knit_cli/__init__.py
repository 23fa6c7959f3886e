"""The `knit` command: click definitions and printing, nothing else.

Every command calls the shared client (`knit_server.client`); heavy libraries load only in the command that needs them.
"""
