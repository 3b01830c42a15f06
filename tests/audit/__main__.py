"""`make audit`: what the usual tools say of the backward pass of one MLP, beside the multiplies that run.

`python -m tests.audit [--write FILE]` prints the page, or writes it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .page import markdown
from .tools import answers


def main() -> None:
    """Ask each tool, and print or write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.audit")
    parser.add_argument("--write", type=Path, help="write the page to this file")
    path = parser.parse_args().write
    page = markdown(answers())
    if path:
        path.write_text(page)
    else:
        print(page, end="")


if __name__ == "__main__":
    main()
