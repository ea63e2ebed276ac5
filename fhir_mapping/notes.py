"""The discharge summary of a stay, as text: which document it is, and how it reads.

For training alone; nothing is extracted from it. No text of a note ever reaches a log or an error.
"""

import base64
import binascii
import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from html.parser import HTMLParser

from fhir_mapping.documents import Attachment, Document, DocumentReference, Section
from fhir_mapping.elements import Concept
from fhir_mapping.history import Visit
from fhir_mapping.profiles import Profile
from fhir_mapping.resources import id_of, latest_versions
from fhir_mapping.stay import happened
from fhir_mapping.when import When, sortable

_WRITTEN_WITHIN = timedelta(days=7)
"""A summary without an encounter belongs to the stay that ended so long before it (our choice)."""
_BLOCK = re.compile(
    "article|blockquote|br|caption|d[dlt]|div|footer|h[1-6]|header|hr|li|[ou]l|p|pre|section|"
    "t(?:able|body|d|foot|h|head|r)"
)
_UNSEEN = frozenset(("script", "style", "head"))
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)


def discharge_summaries(
    documents: Iterable[Document], visits: Iterable[Visit], profile: Profile
) -> Mapping[str, str]:
    """Visit id -> text of its discharge summary, for the hospital stays that have one.

    A document belongs to the stay it names, directly or by a part of it; one that names no
    encounter to the stay that its date lies in, else to the last that ended at most 7 days before.
    Of several the latest counts: final or amended and current ones only.
    """
    stays = {each.id: each for each in visits if each.role == "hospital" and happened(each)}
    parts = {each.id: each.part_of for each in visits if each.part_of in stays}
    found: dict[str, tuple[tuple[str, str, str], str]] = {}
    for document in latest_versions(documents):
        stay = _stay_of(document, stays, parts, profile)
        text = text_of(document) if stay and is_discharge_summary(document, profile) else ""
        if stay and text:
            found[stay] = max(found.get(stay, (("", "", ""), "")), (_age(document, profile), text))
    return {stay: text for stay, (_, text) in sorted(found.items())}


def is_discharge_summary(document: Document, profile: Profile) -> bool:
    """True for a usable document of one of the types that the profile calls a summary."""
    return document.usable and bool(_tokens(document.document_type) & profile.summary_types)


def text_of(document: Document) -> str:
    """The words of a document, empty where it holds none that can be read.

    Attachments: plain text before HTML; a link without data is not followed. Sections: title and
    text, in their order.
    """
    if isinstance(document, DocumentReference):
        attachments = [each.attachment for each in document.content or () if each.attachment]
        plain = [_decoded(each) for each in attachments if _is(each, "text/plain")]
        rich = (plain_text(_decoded(each)) for each in attachments if _is(each, "text/html"))
        return next(filter(None, (*plain, *rich)), "").strip()
    return "\n\n".join(_sections(document.section or ())).strip()


def plain_text(markup: str) -> str:
    """HTML or XHTML as text: blocks on lines of their own, no scripts, blanks reduced."""
    reader = _Words()
    reader.feed(markup)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.words).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._unseen += tag in _UNSEEN
        self.words += "\n" if _BLOCK.fullmatch(tag) else ""

    def handle_endtag(self, tag: str) -> None:
        self._unseen = max(0, self._unseen - (tag in _UNSEEN))
        self.words += "\n" if _BLOCK.fullmatch(tag) else ""

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.words += "\n" if _BLOCK.fullmatch(tag) else ""

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.words.append(data)


def _sections(sections: Iterable[Section]) -> Iterator[str]:
    for each in sections:
        body = plain_text((each.text and each.text.div) or "")
        title = (each.title or (each.code and each.code.text) or "").strip()
        if body:
            yield f"{title}:\n{body}" if title else body
        yield from _sections(each.section or ())


def _is(attachment: Attachment, media_type: str) -> bool:
    stated = (attachment.content_type or "").partition(";")[0].strip().lower()
    return stated in (media_type, media_type.replace("html", "xhtml"))


def _decoded(attachment: Attachment) -> str:
    named = _CHARSET.search(attachment.content_type or "")
    try:
        charset = codecs.lookup(named[1]).name if named else "utf-8"
        content = base64.b64decode(attachment.data or "")
    except (LookupError, binascii.Error, ValueError):
        return ""
    return content.decode(charset, errors="replace").replace("\r\n", "\n")


def _tokens(kind: Concept | None) -> frozenset[str]:
    return frozenset(f"{each.system}|{each.code}" for each in (kind.codings if kind else ()))


def _age(document: Document, profile: Profile) -> tuple[str, str, str]:
    written = _written(document, profile)
    updated = sortable((document.meta and document.meta.last_updated) or "")
    return (written.latest.isoformat() if written else "", updated, document.reference)


def _written(document: Document, profile: Profile) -> When | None:
    return next(filter(None, map(profile.when, document.dates)), None)


def _stay_of(
    document: Document, stays: Mapping[str, Visit], parts: Mapping[str, str], profile: Profile
) -> str | None:
    if document.encounters:
        named = [id_of(each) for each in document.encounters]
        named = [id_ if id_ in stays else parts.get(id_, "") for id_ in named]
        return next(filter(None, named), None)
    written = _written(document, profile)
    return _stay_at(written, stays.values()) if written else None


def _stay_at(written: When, stays: Iterable[Visit]) -> str | None:
    """The latest stay begun by then, if it lasts still or has not been over for long."""
    begun = [(_start(each), each.id, each) for each in stays if written.since(_start(each))]
    if not begun:
        return None
    _, id_, stay = max(begun, key=lambda each: each[:2])
    over = stay.end is not None and not written.by(stay.end.latest + _WRITTEN_WITHIN)
    return None if over else id_


def _start(visit: Visit) -> datetime:
    assert visit.start is not None  # noqa: S101 - happened() holds for every stay
    return visit.start.earliest
