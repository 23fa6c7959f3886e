"""The widgets of a notebook: push form, Data browser, Plan editor, Run monitor, plan graph and lineage explorer.

State first, view second: what a widget knows and what a click does stands in plain objects that are tested without a
browser; the widget shows them. Nothing here speaks HTTP but through a session, and every error is shown where it
happened, with its advice.
"""
