"""What a notebook holds in its hands: Data, Plans, Runs, lists of them, and drafts of Plans.

Each is a thin handle: an id, what the server said when it was asked last, and methods that ask it for more. None of
them knows widgets; each shows itself as text and as HTML (`knit_lab.display`).
"""
