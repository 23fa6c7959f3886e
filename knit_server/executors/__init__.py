"""Executors run attempts: they start, observe and stop programs, and report truthfully what they enforce.

Executors observe, the scheduler decides. No executor sees the database or the store, and no executor knows another.
"""
