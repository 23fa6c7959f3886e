"""Lineage and plan graphs as a notebook shows them: elements, what is expanded, where things lie, and a picture.

Pure but for `views`: no widget and no HTTP. `components` draws the same elements on a canvas.
"""
