"""Cases of measured values: units as systems write them, comparators, duplicates, panels."""

from collections.abc import Iterator
from typing import Any

from tests.corpus.case import Case, Json, scored
from tests.service.patients import call, concept, encounter, observation, searchset

_WHEN = "2026-11-15T06:00:00Z"
_LOST = {"lace": 10}
_UNITS = "https://github.com/National-COVID-Cohort-Collaborative/Data-Ingestion-and-Harmonization/issues/105"
_UCUM = "http://unitsofmeasure.org"


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _units()
    yield from _unusable()
    yield from _repeated()
    yield from _codes()
    yield from _vitals()


def _blood(value: Any = 10.2, unit: str = "g/dL", **members: Any) -> Json:
    return observation("718-7", value, unit, _WHEN) | members


def _salt() -> Json:
    return observation("2951-2", 131, "mmol/L", _WHEN)


def _with(*values: Json) -> Json:
    return call(observations=searchset(*values, _salt()))


def _quantity(**members: Any) -> Json:
    return _with(_blood(valueQuantity=members))


def _units() -> Iterator[Case]:
    yield scored(
        "unit-gm-per-dl",
        "gm/dL is frequent and no UCUM: as text alone it is not guessed.",
        _quantity(value=10.2, unit="gm/dL"),
        points=_LOST,
        noticed=["unit_unknown"],
        source=_UNITS,
    )
    yield scored(
        "unit-gm-per-dl-with-code",
        "The same with UCUM's code beside it.",
        _quantity(value=10.2, unit="gm/dL", system=_UCUM, code="g/dL"),
    )
    yield scored("unit-g-per-l", "Haemoglobin as in Europe.", _with(_blood(102, "g/L")))
    yield scored(
        "unit-mmol-per-l", "Haemoglobin by amount of substance.", _with(_blood(6.33, "mmol/L"))
    )
    yield scored(
        "unit-code-wins",
        "The code is in UCUM, the unit is for people.",
        _quantity(value=102, unit="grams per litre", system=_UCUM, code="g/L"),
    )
    yield scored(
        "unit-missing",
        "A number without its unit is discarded, never guessed.",
        _quantity(value=10.2),
        points=_LOST,
        noticed=["unit_missing"],
        source="https://github.com/OHDSI/Usagi/issues/154",
    )
    yield scored(
        "unit-unknown",
        "A unit of the laboratory's own.",
        _quantity(value=10.2, unit="arb. units"),
        points=_LOST,
        noticed=["unit_unknown"],
    )
    yield scored(
        "unit-of-another-kind",
        "A unit that is known and cannot be one of haemoglobin.",
        _with(_blood(10.2, "mm[Hg]")),
        points=_LOST,
        noticed=["unit_unknown"],
    )


def _unusable() -> Iterator[Case]:
    for name, why, members, issue in (
        ("comparator", "Below a limit of detection: no number to compute with.",
         {"valueQuantity": {"value": 10.2, "comparator": "<", "unit": "g/dL"}}, "comparator"),
        ("in-words", "A comment in place of the value.",
         {"valueQuantity": None, "valueString": "haemolysed, please repeat"}, "value_not_numeric"),
        ("implausible", "A slipped decimal point.",
         {"valueQuantity": {"value": 1020, "unit": "g/dL"}}, "implausible"),
        ("entered-in-error", "The laboratory withdrew it.", {"status": "entered-in-error"}, "status_not_usable"),
        ("cancelled", "The sample was lost.", {"status": "cancelled"}, "status_not_usable"),
    ):  # fmt: skip
        yield scored(f"value-{name}", why, _with(_blood(**members)), points=_LOST, noticed=[issue])
    yield scored(
        "value-absent",
        "dataAbsentReason says why there is no value.",
        _with(_blood(valueQuantity=None, dataAbsentReason={"text": "not performed"})),
        points=_LOST,
    )
    yield scored(
        "value-as-string",
        "Numbers as strings: decimals kept exact, against FHIR's JSON.",
        _quantity(value="10.2", unit="g/dL"),
        points=_LOST,
        noticed=["malformed_resource"],
        source="https://hl7.org/fhir/R4/json.html#primitive",
        Observation="partial",
    )


def _repeated() -> Iterator[Case]:
    newer = _blood(13.1, meta={"versionId": "2", "lastUpdated": "2026-11-15T09:00:00Z"})
    older = _blood(10.2, meta={"versionId": "1", "lastUpdated": "2026-11-15T07:00:00Z"})
    yield scored(
        "repeated", "Pages that overlap bring a resource twice.", _with(_blood(), _blood())
    )
    for name, pair in (("newest-first", (newer, older)), ("oldest-first", (older, newer))):
        yield scored(
            f"versions-{name}",
            "A corrected value beside the one it corrects: the newest version counts.",
            _with(*pair),
            points={"lace": 10, "hospital": 4},
        )
    yield scored(
        "last-wins",
        "Of two values of the stay the later one is the last.",
        _with(
            _blood(), _blood(13.0) | {"id": "first", "effectiveDateTime": "2026-11-12T06:00:00Z"}
        ),
    )


def _codes() -> Iterator[Case]:
    local = {"system": "http://lab.example/codes", "code": "HGB"}
    loinc = {"system": "http://loinc.org", "code": "718-7"}
    yield scored(
        "code-second-coding",
        "The laboratory's own code comes first, LOINC second.",
        _with(_blood(code={"coding": [local, loinc]})),
    )
    for name, why, code in (
        ("local-only", "A local code that nobody has mapped yet.", {"coding": [local]}),
        ("text-only", "A name and no code.", {"text": "Haemoglobin"}),
        (
            "without-system",
            "A code that does not say whose it is.",
            {"coding": [{"code": "718-7"}]},
        ),
    ):
        yield scored(
            f"code-{name}", f"{why} It is not guessed.", _with(_blood(code=code)), points=_LOST
        )


def _in_ed(code: str, **members: Any) -> Json:
    """The usual request with an ED visit that led into the stay, and one vital sign taken there."""
    there = encounter("ed-1", "2026-11-10T02:00:00Z", "2026-11-10T08:00:00Z", kind="EMER")
    sign = observation(
        code, 0, "", "2026-11-10T03:00:00Z", encounter={"reference": "Encounter/ed-1"}
    )
    request = _with(_blood(), {key: value for key, value in (sign | members).items() if value})
    request["prefetch"]["encounters"]["entry"] += searchset(there)["entry"]
    return request


def _vitals() -> Iterator[Case]:
    """They add no points; understood means that nothing is noticed."""
    for name, why, code, value, unit in (
        ("pressure-in-mm-hg", "mm Hg with a blank, as people write it.", "8480-6", 142, "mm Hg"),
        ("temperature-in-fahrenheit", "Fahrenheit without brackets.", "8310-5", 98.6, "degF"),
        ("rate-in-bpm", "Beats per minute as monitors write them.", "8867-4", 88, "bpm"),
    ):
        yield scored(name, why, _in_ed(code, valueQuantity={"value": value, "unit": unit}))
    components = [
        {
            "code": concept("http://loinc.org", code),
            "valueQuantity": {"value": value, "unit": "mmHg"},
        }
        for code, value in (("8480-6", 142), ("8462-4", 81))
    ]
    yield scored(
        "pressure-panel",
        "Blood pressure as a panel: the values are in the components, the panel has none.",
        _in_ed("85354-9", component=components, valueQuantity=None),
    )
    yield scored(
        "temperature-celsius-called-fahrenheit",
        "37 labelled Fahrenheit is a body in Celsius.",
        _in_ed("8310-5", valueQuantity={"value": 37.0, "unit": "degF"}),
        noticed=["celsius_labelled_fahrenheit"],
    )
    yield scored(
        "saturation-as-fraction",
        "0.97 labelled percent is a fraction.",
        _in_ed("59408-5", valueQuantity={"value": 0.97, "unit": "%"}),
        noticed=["fraction_labelled_percent"],
    )
    yield scored(
        "pressure-without-unit",
        "Vital signs exported without units are common, and not guessed.",
        _in_ed("8480-6", valueQuantity={"value": 142}),
        noticed=["unit_missing"],
        source="https://github.com/YosemiteCrew/Yosemite-Crew/issues/2465",
    )
