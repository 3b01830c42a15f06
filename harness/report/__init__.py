"""The page of a sweep: one HTML file that needs no network, and the same as Markdown and CSV for papers.

`page.py` assembles it. A section is one file with a function `section` that takes the findings of the sweep and returns
what the page says of one question, or None if the sweep has nothing on it. Records are the only input.
"""
