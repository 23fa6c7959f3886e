"""How things look without a kernel: text, HTML and SVG that a saved notebook keeps.

Pure: values in, markup out. Every text of a user is escaped here and nowhere else; nothing in it needs a script, so it
reads the same on a code-hosting site, in nbconvert and in print.
"""
