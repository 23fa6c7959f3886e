"""The HTTP client of Knit, shared by the `knit` command, magics, widgets and scripts.

    from knit_server.client.api import KnitClient
    from knit_server.client.profiles import connect

    with connect() as knit:                     # the profile of the current directory
        knit.find_data(["type:raw"])

It speaks the API and moves bytes between it and the local disk; it never prints, and knows nothing of the server's
insides. Every failure is a `KnitError` with advice, a refused connection included. httpx and PyYAML are imported with
the first request or profile. Importing this package imports nothing.
"""
