"""Clinical documents of FHIR R4 as typed resources: DocumentReference and Composition.

Apart from resources.py because no feature reads them: the hook neither asks for nor decodes them.
"""

import msgspec

from fhir_mapping.elements import Concept, Element, Period, Reference, ends, starts
from fhir_mapping.history import DataIssue
from fhir_mapping.resources import BROKEN, Resource, type_of

DOCUMENT_TYPES = frozenset(("DocumentReference", "Composition"))


class Attachment(Element, frozen=True):
    content_type: str | None = None
    data: str | None = None


class Content(Element, frozen=True):
    attachment: Attachment | None = None


class DocumentContext(Element, frozen=True):
    encounter: tuple[Reference, ...] | None = None
    period: Period | None = None


class Narrative(Element, frozen=True):
    div: str | None = None


class Section(Element, frozen=True):
    title: str | None = None
    code: Concept | None = None
    text: Narrative | None = None
    section: "tuple[Section, ...] | None" = None


class DocumentReference(Resource, frozen=True, tag="DocumentReference"):
    """A document by its attachments."""

    status: str | None = None
    doc_status: str | None = None
    document_type: Concept | None = msgspec.field(default=None, name="type")
    subject: Reference | None = None
    date: str | None = None
    content: tuple[Content, ...] | None = None
    context: DocumentContext | None = None

    @property
    def usable(self) -> bool:
        """Current, and its document not a draft, withdrawn or in error."""
        return self.status == "current" and self.doc_status in (None, "final", "amended")

    @property
    def encounters(self) -> tuple[Reference, ...]:
        return (self.context and self.context.encounter) or ()

    @property
    def dates(self) -> tuple[str, ...]:
        """When it was written, or what it speaks of: the first that can be read counts."""
        period = self.context.period if self.context else None
        return tuple(filter(None, (self.date, ends(period), starts(period))))


class Composition(Resource, frozen=True, tag="Composition"):
    """A document by its sections."""

    status: str | None = None
    document_type: Concept | None = msgspec.field(default=None, name="type")
    subject: Reference | None = None
    encounter: Reference | None = None
    date: str | None = None
    section: tuple[Section, ...] | None = None

    @property
    def usable(self) -> bool:
        """Final or amended: neither a draft nor in error."""
        return self.status in ("final", "amended")

    @property
    def encounters(self) -> tuple[Reference, ...]:
        return (self.encounter,) if self.encounter else ()

    @property
    def dates(self) -> tuple[str, ...]:
        return (self.date,) if self.date else ()


Document = DocumentReference | Composition
_decoder = msgspec.json.Decoder(Document)


def decode_document(raw: bytes | msgspec.Raw) -> Document | DataIssue | None:
    """Decode one document: None where it is of another type, a DataIssue where it is malformed."""
    try:
        document: Document = _decoder.decode(raw)
    except BROKEN:
        kind = type_of(raw)
        return DataIssue("malformed_resource", kind) if kind in DOCUMENT_TYPES else None
    return document
