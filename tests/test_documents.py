"""What the documents say of the tree is so: links lead somewhere, and the README's map has every room."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", ".github/*.md", "adapters/**/*.md", "conf/**/*.md", "harness/**/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
)
# `tests/adapters/test_contract.py`, but no patterns, and nothing that a recipe is about to make.
FILE = re.compile(r"`((?:adapters|conf|harness|tests)/[\w/.]+\.(?:py|yaml|md))`")


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / document).read_text()):
        if not link.startswith("http"):
            file, _, anchor = link.partition("#")
            target = (ROOT / document).parent / file if file else ROOT / document
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if d.name != "CHANGELOG.md"], ids=str)
def test_every_file_that_is_named_exists(document: Path) -> None:
    for name in FILE.findall((ROOT / document).read_text()):
        assert (ROOT / name).exists(), name


def test_the_map_has_every_room() -> None:
    readme = (ROOT / "README.md").read_text()
    map_of_the_tree = readme[readme.index("## The tree") : readme.index("## Glossary")]
    rooms = {path.parent.name for path in (ROOT / "harness").glob("*/__init__.py")} | {"plugins"}
    assert {room for room in rooms if f" {room}/" not in map_of_the_tree} == set()
