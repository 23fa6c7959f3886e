"""Knit in notebooks: the Python API, magics and widgets are built here on the shared client.

This package never imports the server's insides; it speaks to a Knit server through `knit_server.client`.
"""
