"""Documentation that is generated, or that the code refers to."""

import re
from pathlib import Path

import pytest

from edgekd.recipe_reference import reference

ROOT = Path(__file__).parents[2]


def test_the_recipe_reference_is_up_to_date():
    hint = "run: python -m edgekd.recipe_reference > docs/recipe.md"
    assert (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8") == reference(), hint


def test_every_key_is_explained():
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert [row for row in rows if row.split("|")[4].strip() == ""] == []


def test_every_dependency_has_a_reason():
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    declared = re.findall(r'^  "([A-Za-z0-9-]+)[>=]', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert len(declared) > 15
    assert [name for name in declared if f"`{name}`" not in text] == []


PAGES = ["README.md", "reports/README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_of_the_repository_work(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text)
    assert links or page.startswith("docs/")
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []
