"""The drawings of the tutorial's sample media: pure functions from a moment in time to a picture.

Nothing here reads a file, a clock or a random source; equal library versions draw equal bytes.
"""
