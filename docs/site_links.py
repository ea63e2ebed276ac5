"""What the site's builder calls (`hooks` in mkdocs.yml): links that leave docs/ work in the site too.

A page may link to any text file of the repository, as the code host shows it. The site gets a page
of its own for each such file, under `source/`, and the link leads there.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

from docs.github_markdown import for_the_site

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(#[^)\s]*)?(?=\))")
_NO_PAGE = (".py", ".toml")  # of docs/, as `exclude_docs` in mkdocs.yml has it
_NOT_FOUND_BY_SEARCH = "---\nsearch:\n  exclude: true\n---\n"


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each file of the repository that a page links to, directly or in turn."""
    open_, done = [_in_repository(file.src_uri) for file in files.documentation_pages()], set()
    while open_:
        page = open_.pop()
        for target in sorted(_sources_linked(page) - done):
            done.add(target)
            files.append(_as_page(target, config))
            open_.append(target)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Spell links and blocks as the site needs them."""
    here = page.file.src_uri
    return for_the_site(_LINK.sub(lambda found: _relinked(found, here), markdown))


def _sources_linked(page: str) -> set[str]:
    return set(_linked_from(page)) if page.endswith(".md") else set()


def _linked_from(page: str) -> Iterator[str]:
    for found in _LINK.finditer((ROOT / page).read_text("utf-8")):
        target = _target(found[1], page)
        if _needs_page(target):
            yield target


def _needs_page(target: str) -> bool:
    inside = target.startswith("docs/") and not target.endswith(_NO_PAGE)
    return not inside and (ROOT / target).is_file()


def _relinked(found: re.Match[str], here: str) -> str:
    """A link as the page of the site has it; what leads nowhere stays and fails the build."""
    target = _target(found[1], _in_repository(here))
    if _needs_page(target):
        fragment = (found[2] or "") if target.endswith(".md") else ""
        return posixpath.relpath(_in_site(target), posixpath.dirname(here) or ".") + fragment
    if here.startswith("source/") and target.startswith("docs/"):
        up = posixpath.relpath(target.removeprefix("docs/"), posixpath.dirname(here))
        return up + (found[2] or "")
    return found[0]


def _target(link: str, page: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def _in_repository(src_uri: str) -> str:
    """Which file of the repository a page of the site shows."""
    source = src_uri.removeprefix("source/")
    if source == src_uri:
        return f"docs/{src_uri}"
    return source.removesuffix(".txt.md") if source.endswith(".txt.md") else source


def _in_site(path: str) -> str:
    return f"source/{path}" if path.endswith(".md") else f"source/{path}.txt.md"


def _as_page(path: str, config: Any) -> File:
    text = (ROOT / path).read_text("utf-8")
    if not path.endswith(".md"):
        kind = Path(path).suffix.removeprefix(".") or "text"
        text = f"{_NOT_FOUND_BY_SEARCH}# `{path}`\n\n~~~~{kind}\n{text.rstrip()}\n~~~~\n"
    return File.generated(config, _in_site(path), content=text, inclusion=InclusionLevel.NOT_IN_NAV)
