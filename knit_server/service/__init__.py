"""Use cases: what handlers and the scheduler ask for, each with one transaction of its own.

Plain synchronous functions that take a `Context` first. They are never called on Jupyter's event loop. Rules are the
domain's; this package fetches what the rules need, applies them, and keeps what follows.
"""
