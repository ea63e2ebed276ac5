"""Encounters into visits: role, times, admission type, disposition, intensive care.

Which visit is the index stay is decided in stay.py; this only says what each one is.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from fhir_mapping.elements import Concept, EncounterLocation, Hospitalization, Identifier, Period
from fhir_mapping.history import Origin, Role, Segment, Visit
from fhir_mapping.profiles import Profile
from fhir_mapping.resources import Encounter, Location, Resource, id_of
from fhir_mapping.when import When

_UNIT_GAP = timedelta(hours=6)
"""ICU location segments closer than this are one ICU stay (features.csv, n_icu_*)."""

_NOT_THERE = frozenset(("planned", "reserved"))

Locations = Mapping[str, Location]


def visits_of(
    encounters: Iterable[Encounter], locations: Iterable[Location], profile: Profile
) -> tuple[Visit, ...]:
    """One Visit per Encounter; locations are found by id or by `system|value` identifier."""
    known = by_reference(locations)
    return tuple(_visit(encounter, known, profile) for encounter in encounters)


def origin_of(resource: Resource) -> Origin:
    """Reference, version and last update of a resource."""
    meta = resource.meta
    return Origin(
        resource.reference,
        (meta and meta.version_id) or "",
        (meta and meta.last_updated) or "",
    )


def _visit(encounter: Encounter, locations: Locations, profile: Profile) -> Visit:
    role = role_of(encounter, profile)
    start, end = _times(encounter.period, profile)
    segments, unresolved = _intensive_care(encounter, role, locations, profile)
    source, disposition = _source(encounter, profile), _disposition(encounter, profile)
    return Visit(
        id=encounter.id,
        role=role,
        origin=origin_of(encounter),
        status=encounter.status or "",
        start=start,
        end=end,
        part_of=id_of(encounter.part_of),
        admission_type=_admission_type(encounter, source, profile),
        arrival=_arrival(encounter, profile),
        disposition=disposition,
        oncology=_oncology(encounter.service_type, profile),
        acute=_class(encounter) not in profile.encounter["non_acute_classes"],
        disposition_uncoded=disposition == "unknown" and _states_disposition(encounter),
        newborn=source == "newborn",
        transferred_in=source == "transfer",
        hospice=_has_type(encounter, "hospice_types", profile),
        unresolved_locations=unresolved,
        reasons=_reasons(encounter),
        segments=segments,
    )


def role_of(encounter: Encounter, profile: Profile) -> Role:
    """What kind of visit an encounter is at the site."""
    by_identifier = profile.encounter["role_by_identifier"]
    for identifier in encounter.identifier or ():
        if identifier.system in by_identifier:
            role: Role = by_identifier[identifier.system]
            return role
    return profile.role_by_class.get(_class(encounter), "other")


def _class(encounter: Encounter) -> str:
    return (encounter.class_ and encounter.class_.code) or ""


def _times(period: Period | None, profile: Profile) -> tuple[When | None, When | None]:
    if period is None:
        return None, None
    return profile.when(period.start), profile.when(period.end)


def _admission_type(encounter: Encounter, source: str | None, profile: Profile) -> str:
    class_, priority = _class(encounter), _level(encounter.priority, "admission_type", profile)
    if class_ in profile.encounter["observation_classes"]:
        return "observation"
    if class_ in profile.encounter["same_day_surgery_classes"]:
        return "surgical_same_day"
    if priority:
        return priority
    if class_ in profile.encounter["routine_observation_classes"]:
        return "observation"
    return "emergency" if source == "emergency" else "unknown"


def _source(encounter: Encounter, profile: Profile) -> str | None:
    return _level(_hospital(encounter).admit_source, "admit_source", profile)


def _arrival(encounter: Encounter, profile: Profile) -> str:
    return _level(_hospital(encounter).admit_source, "arrival", profile) or "unknown"


def _disposition(encounter: Encounter, profile: Profile) -> str:
    return _level(_hospital(encounter).discharge_disposition, "disposition", profile) or "unknown"


def _states_disposition(encounter: Encounter) -> bool:
    """In words or codes, whether the profile knows them or not."""
    stated = _hospital(encounter).discharge_disposition
    return bool(stated and (stated.text or stated.codings))


def _hospital(encounter: Encounter) -> Hospitalization:
    return encounter.hospitalization or Hospitalization()


def _level(concept: Concept | None, table: str, profile: Profile) -> str | None:
    for coding in concept.codings if concept else ():
        level = profile.level(table, coding.system or "", coding.code or "")
        if level:
            return level
    return None


def _oncology(service: Concept | None, profile: Profile) -> bool | None:
    """None where no service is named: that says nothing about oncology."""
    if service is None or not (service.codings or service.text):
        return None
    tokens = {f"{coding.system}|{coding.code}" for coding in service.codings}
    if tokens & set(profile.encounter["oncology_codes"]):
        return True
    names = " ".join(filter(None, (service.text, *(c.display for c in service.codings)))).lower()
    return any(word in names for word in profile.encounter["oncology_words"])


def _has_type(encounter: Encounter, listed: str, profile: Profile) -> bool:
    wanted = set(profile.encounter[listed])
    return any(
        f"{coding.system}|{coding.code}" in wanted
        for concept in encounter.encounter_type or ()
        for coding in concept.codings
    )


def _reasons(encounter: Encounter) -> tuple[str, ...]:
    return tuple(
        text
        for concept in encounter.reason_code or ()
        for text in (concept.text, *(coding.display for coding in concept.codings))
        if text
    )


def _intensive_care(
    encounter: Encounter, role: Role, locations: Locations, profile: Profile
) -> tuple[tuple[Segment, ...], bool]:
    """The ICU segments of a visit, and whether some of its locations could not be told."""
    if role == "icu":
        segment = _segment(encounter.period, profile)
        return ((segment,) if segment else ()), segment is None
    if role != "hospital" or not profile.encounter["icu_from_locations"]:
        return (), False
    verdicts = [
        (entry.period, _is_icu(entry, locations, profile))
        for entry in encounter.location or ()
        if entry.status not in _NOT_THERE
    ]
    periods = [period for period, icu in verdicts if icu]
    periods += [encounter.period] if _has_type(encounter, "icu_types", profile) else []
    periods += [
        entry.period
        for entry in encounter.class_history or ()
        if entry.class_ and profile.icu_name.search(entry.class_.display or "")
    ]
    segments = [_segment(period, profile) for period in periods]
    unknown = any(icu is None for _, icu in verdicts) or None in segments
    return _joined([segment for segment in segments if segment]), unknown


def _is_icu(entry: EncounterLocation, locations: Locations, profile: Profile) -> bool | None:
    """None where neither the Location nor a name for it was read."""
    place = locations.get(id_of(entry.location))
    types = [
        coding.code for kind in (place and place.location_type) or () for coding in kind.codings
    ]
    if any(code in profile.encounter["icu_location_types"] for code in types):
        return True
    names = [place and place.name, entry.location and entry.location.display]
    if not types and not any(names):
        return None
    return any(profile.icu_name.search(name) for name in names if name)


def _segment(period: Period | None, profile: Profile) -> Segment | None:
    start, end = _times(period, profile)
    return Segment(start, end) if start else None


def _joined(segments: list[Segment]) -> tuple[Segment, ...]:
    joined: list[Segment] = []
    for segment in sorted(segments, key=lambda each: each.start.earliest):
        last = joined[-1] if joined else None
        if last and (last.end is None or segment.start.earliest < last.end.latest + _UNIT_GAP):
            joined[-1] = Segment(last.start, _later(last.end, segment.end))
        else:
            joined.append(segment)
    return tuple(joined)


def _later(first: When | None, second: When | None) -> When | None:
    if first is None or second is None:
        return None
    return max(first, second, key=lambda when: when.latest)


def by_reference(locations: Iterable[Location]) -> Locations:
    """Each Location under every name that a reference may give it: its id, `system|value`."""
    known: dict[str, Location] = {}
    for place in locations:
        known[place.id] = place
        known |= {_token(identifier): place for identifier in place.identifier or ()}
    return known


def _token(identifier: Identifier) -> str:
    return f"{identifier.system}|{identifier.value}"
