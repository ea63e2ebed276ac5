"""MIMIC rows into events: diagnoses, procedures, laboratory and ED values, drugs, payers.

The same words as fhir_mapping.events and drugs use for the FHIR export of the same rows.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from uuid import NAMESPACE_OID, uuid5

from fhir_mapping.drugs import plain_name
from fhir_mapping.events import Row as RowKind
from fhir_mapping.events import icd_features
from fhir_mapping.history import Event, IndexStay, Origin
from fhir_mapping.when import When, exactly
from training.readers.mimic_tables import Row
from training.readers.mimic_visits import SITE, Rows, timed, when

_LAB_SYSTEM = "http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-d-labitems"
_LAB_SPACE = uuid5(uuid5(NAMESPACE_OID, "MIMIC-IV"), "ObservationLabevents")
_PROCEDURE_SYSTEM = "http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-procedure-icd"
_VITALS = {
    "temperature": ("temperature", "[degF]"),
    "heartrate": ("heart_rate", "/min"),
    "resprate": ("respiratory_rate", "/min"),
    "o2sat": ("oxygen_saturation", "%"),
    "sbp": ("systolic", "mm[Hg]"),
    "dbp": ("diastolic", "mm[Hg]"),
}
"""Column -> measure and unit; the tables have no unit column, these are the documentation's."""
_WORDS = {"pain": "pain", "acuity": "acuity", "chiefcomplaint": "complaint"}
_PAYERS = {
    "medicare": "medicare",
    "medicaid": "medicaid",
    "private": "private",
    "other": "other",
    "no charge": "none",
}
"""`insurance` of v2 has Medicare, Medicaid and Other, in which private payers are; v3 has all."""
_COMPARATORS = (">=", "<=", ">", "<")


def lab_items() -> Mapping[str, str]:
    """itemid -> measure, for the items of the mimic profile."""
    return {code: name for (system, code), name in SITE.measures.items() if system == _LAB_SYSTEM}


def events_of(rows: Rows) -> Mapping[str, tuple[Event, ...]]:
    """Every event of a patient but the payers, grouped by kind."""
    arrivals = {row["stay_id"]: row for row in rows.get("ed.edstays", ())}
    found = chain(
        _diagnoses(rows),
        _procedures(rows),
        _labs(rows),
        _triage(rows, arrivals),
        _serial(rows),
        _ed_drugs(rows),
    )
    grouped: dict[str, list[Event]] = defaultdict(list)
    for event in found:
        grouped[event.kind].append(event)
    return {kind: tuple(events) for kind, events in grouped.items()}


def payer_event(admission: Row, stay: IndexStay) -> Event | None:
    """The payer of an admission, from its T0 on: `insurance` is stated for the whole of it."""
    payer = _PAYERS.get((admission["insurance"] or "").strip().lower())
    if payer is None:
        return None
    origin = Origin(f"Coverage/{admission['hadm_id']}")
    start, end = exactly(stay.t0), when(admission["dischtime"])
    return Event(kind="payer", origin=origin, time=start, ended=end, value=payer)


def _diagnoses(rows: Rows) -> Iterator[Event]:
    """Of hospital stays and ED visits: which of them count is the mapping's to say."""
    for table, visit in (("hosp.diagnoses_icd", "hadm_id"), ("ed.diagnosis", "stay_id")):
        for row in rows.get(table, ()):
            code = (row["icd_code"] or "").strip()
            features = _proven(f"icd{row['icd_version']}", code)
            if features:
                yield Event(
                    kind="diagnosis",
                    origin=_origin("Condition", row, visit, "seq_num"),
                    value=code,
                    features=features,
                    visit=row[visit] or "",
                )


@cache
def _proven(version: str, code: str) -> frozenset[str]:
    return icd_features(version, code)


def _procedures(rows: Rows) -> Iterator[Event]:
    for row in rows.get("hosp.procedures_icd", ()):
        code = (row["icd_code"] or "").strip()
        listed = SITE.is_procedure(f"{_PROCEDURE_SYSTEM}{row['icd_version']}", code)
        yield Event(
            kind="procedure",
            origin=_origin("Procedure", row, "hadm_id", "seq_num"),
            time=when(row["chartdate"]),
            value=code if listed else None,
            features=frozenset(("procedure_any",) if listed else ()),
            visit=row["hadm_id"] or "",
        )


def _labs(rows: Rows) -> Iterator[Event]:
    """Rows without a number have a comment for a value, which no feature can use."""
    items = lab_items()
    for row in rows.get("hosp.labevents", ()):
        time, number = when(row["charttime"]), row["valuenum"]
        if time and number:
            unit = row["valueuom"]
            yield Event(
                kind=items[row["itemid"] or ""],
                origin=_lab_origin(row["labevent_id"] or ""),
                time=time,
                issued=when(row["storetime"]),
                value=_number(number),
                unit=SITE.unit(unit) if unit else None,
                visit=row["hadm_id"] or "",
                comparator=_comparator(row["value"] or ""),
            )


def _lab_origin(labevent: str) -> Origin:
    """Under the id that the FHIR export gives it: of two values of one instant, the id decides."""
    return Origin(f"Observation/{uuid5(_LAB_SPACE, labevent)}")


def _comparator(value: str) -> str:
    plain = value.lstrip()
    return next((sign for sign in _COMPARATORS if plain.startswith(sign)), "")


def _triage(rows: Rows, arrivals: Mapping[str | None, Row]) -> Iterator[Event]:
    """Triage rows have no time of their own: they are the arrival's."""
    for row in rows.get("ed.triage", ()):
        arrival = arrivals.get(row["stay_id"])
        if arrival:
            time = timed(arrival, "intime", "ed.edstays")
            yield from _values(row, time, kind="triage", origin=_origin_of_row(row, "triage"))


def _serial(rows: Rows) -> Iterator[Event]:
    for row in rows.get("ed.vitalsign", ()):
        time = when(row["charttime"])
        if time:
            origin = _origin_of_row(row, row["charttime"] or "")
            yield from _values(row, time, kind="serial", origin=origin)


def _values(row: Row, time: When, *, kind: RowKind, origin: Origin) -> Iterator[Event]:
    visit = row["stay_id"] or ""
    for column, text in row.items():
        if text and column in _VITALS:
            measure, unit = _VITALS[column]
            value = _number(text)
            yield Event(
                kind=measure,
                origin=origin,
                time=time,
                value=value,
                unit=unit,
                visit=visit,
                row=kind,
            )
        elif text and column in _WORDS:
            yield Event(
                kind=_WORDS[column], origin=origin, time=time, value=text, visit=visit, row=kind
            )


def _ed_drugs(rows: Rows) -> Iterator[Event]:
    for kind, table, resource in (
        ("ed_drug", "ed.pyxis", "MedicationDispense"),
        ("home_list", "ed.medrecon", "MedicationStatement"),
    ):
        for row in rows.get(table, ()):
            name = plain_name(row["name"] or "")
            if name:
                yield Event(
                    kind=kind,
                    origin=_origin(resource, row, "stay_id", "charttime", "name"),
                    time=when(row["charttime"]),
                    name=name,
                    visit=row["stay_id"] or "",
                )


def _number(text: str) -> float | str:
    """Words in a column of numbers stay words: extract counts them as an issue."""
    try:
        return float(text)
    except ValueError:
        return text


def _origin(resource: str, row: Row, *columns: str) -> Origin:
    return Origin(f"{resource}/{'-'.join(row[column] or '' for column in columns)}")


def _origin_of_row(row: Row, moment: str) -> Origin:
    return Origin(f"Observation/{row['stay_id']}-{moment}")
