"""The FHIR R4 elements that the resources are made of: only the fields the features need."""

import msgspec


class Element(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A FHIR element; every field may be absent or null."""


class Coding(Element, frozen=True):
    system: str | None = None
    code: str | None = None
    display: str | None = None


class Concept(Element, frozen=True):
    """CodeableConcept."""

    coding: tuple[Coding, ...] | None = None
    text: str | None = None

    @property
    def codings(self) -> tuple[Coding, ...]:
        return self.coding or ()


class Quantity(Element, frozen=True):
    value: float | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Period(Element, frozen=True):
    start: str | None = None
    end: str | None = None


class Reference(Element, frozen=True):
    reference: str | None = None
    display: str | None = None


class Identifier(Element, frozen=True):
    system: str | None = None
    value: str | None = None


class Meta(Element, frozen=True):
    version_id: str | None = None
    last_updated: str | None = None
    profile: tuple[str, ...] | None = None


class Extension(Element, frozen=True):
    url: str | None = None
    extension: "tuple[Extension, ...] | None" = None
    value_coding: Coding | None = None
    value_code: str | None = None


class ClassHistory(Element, frozen=True):
    class_: Coding | None = msgspec.field(default=None, name="class")
    period: Period | None = None


class EncounterLocation(Element, frozen=True):
    location: Reference | None = None
    status: str | None = None
    period: Period | None = None


class Hospitalization(Element, frozen=True):
    admit_source: Concept | None = None
    discharge_disposition: Concept | None = None


class Component(Element, frozen=True):
    code: Concept | None = None
    value_quantity: Quantity | None = None
    value_integer: float | None = None


class Ingredient(Element, frozen=True):
    item_codeable_concept: Concept | None = None
    item_reference: Reference | None = None


def starts(period: Period | None) -> str | None:
    """The start of a period that may be absent."""
    return period.start if period else None


def ends(period: Period | None) -> str | None:
    """The end of a period that may be absent."""
    return period.end if period else None
