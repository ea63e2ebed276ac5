"""The site: built without a warning, nothing loaded from elsewhere, every page in it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.github_markdown import for_the_site

ROOT = Path(__file__).resolve().parents[2]
LOADED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"([^\"]+)\"|<link\b[^>]*>")
CODE = re.compile(r"<(pre|code|h[1-6])\b.*?</\1>", re.DOTALL)
UNDRAWN = re.compile(r"^\s*(?:\||```|- \S|\d+\. \S|\*\*|#+ )", re.MULTILINE)
HREF = re.compile(r"href=\"([^\"]+)\"")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in strict mode: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True, env={"NO_MKDOCS_2_WARNING": "1"}, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder


def loaded_by(page: Path) -> list[str]:
    found = LOADED.finditer(page.read_text("utf-8"))
    return [each[1] or "".join(HREF.findall(each[0])) for each in found]


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 70
    foreign = [(page.name, each) for page in pages for each in loaded_by(page) if "//" in each]
    assert foreign == []


def test_no_style_loads_anything_from_elsewhere(site: Path) -> None:
    styles = [each.read_text("utf-8") for each in site.rglob("*.css")]
    assert styles
    assert [
        found for text in styles for found in re.findall(r"(?:url\(|@import )\W?//?\w", text)
    ] == []
    assert [found for text in styles for found in re.findall(r"url\(\W?https?://", text)] == []


def test_no_page_shows_markdown_that_was_not_drawn(site: Path) -> None:
    shown = {}
    for page in site.rglob("*.html"):
        article = page.read_text("utf-8").partition("<article")[2].partition("</article>")[0]
        words = re.sub(r"<[^>]+>", "", CODE.sub("", article))
        if found := UNDRAWN.findall(words):
            shown[page.name] = found
    assert shown == {}


@pytest.mark.parametrize("kind", ["tutorials", "how-to", "reference", "explanation", "decisions"])
def test_every_page_of_a_kind_is_in_the_contents(site: Path, kind: str) -> None:
    contents = HREF.findall((site / "index.html").read_text("utf-8"))
    pages = sorted((ROOT / "docs" / kind).glob("*.md"))
    assert pages
    names = ["index" if page.stem == "README" else page.stem for page in pages]
    assert [name for name in names if f"{kind}/{name}.html" not in contents] == []


@pytest.mark.parametrize("kind", ["tutorials", "how-to", "explanation"])
def test_the_first_page_leads_to_every_page_of_a_kind(kind: str) -> None:
    first = (ROOT / "docs" / "README.md").read_text("utf-8")
    pages = sorted((ROOT / "docs" / kind).glob("*.md"))
    assert [page.name for page in pages if f"({kind}/{page.name})" not in first] == []


@pytest.mark.parametrize("vendor", ["epic", "oracle-health", "hapi-fhir", "medplum"])
def test_a_vendors_page_says_that_it_was_not_tried_and_where_it_read(vendor: str) -> None:
    page = (ROOT / "docs" / "how-to" / f"connect-{vendor}.md").read_text("utf-8")
    assert "> **Not tried against the real system.**" in page
    assert page.partition("## Sources")[2].count("<https://") >= 2


@pytest.mark.parametrize(
    ("link", "leads_to"),
    [
        ("index.html", "source/index.html"),
        ("how-to/check-a-site.html", "../source/fhir_mapping/profiles/us_core.toml.txt.html"),
        ("source/index.html", "../how-to/train.html"),
        ("source/index.html", "DEVELOPERS.html"),
    ],
)
def test_a_link_out_of_the_pages_leads_to_the_file_in_the_site(
    site: Path, link: str, leads_to: str
) -> None:
    page = site / link
    assert leads_to in HREF.findall(page.read_text("utf-8"))
    assert (page.parent / leads_to).is_file()


@pytest.mark.parametrize(
    ("written", "built"),
    [
        ("Words:\n- a\n- b", "Words:\n\n- a\n- b"),
        ("Words:\n1. a\n   more\n2. b", "Words:\n\n1. a\n    more\n2. b"),
        ("Words:\n| a |\n|---|", "Words:\n\n| a |\n|---|"),
        ("> Words:\n> - a", "> Words:\n>\n> - a"),
        ("Words:\n```\n- a\nb\n- c\n```", "Words:\n\n```\n- a\nb\n- c\n```"),
        ("- a\n  - b", "- a\n    - b"),
        ("1. a\n\n    b\n2. c", "1. a\n\n    b\n\n2. c"),
        ("a\n\n- b", "a\n\n- b"),
        ("a - b\n2026 - c", "a - b\n2026 - c"),
    ],
)
def test_the_code_hosts_markdown_is_spelt_for_the_site(written: str, built: str) -> None:
    assert for_the_site(written) == built
