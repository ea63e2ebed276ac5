"""Prefetch templates, derived from the catalogue: what a CDS client is asked to send.

CDS Hooks 2.0, Prefetch Template. One key for each resource type the features read; 2.0 has no
date arithmetic, so the newest `_count` are asked for, and a full page counts as `partial`. For the
stay's first values there is `vitals` beside `observations`: the vital signs of its own encounter.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

from fhir_mapping.catalogue import CATALOGUE, Feature
from fhir_mapping.derived import INPUTS
from fhir_mapping.profiles import Profile, load_profile

_PANEL = "blood_pressure_panel"
_PATIENT = "patient={{context.patientId}}"
_ENCOUNTER = "{{context.encounterId}}"
_SORT = {
    "Encounter": "&_sort=-date",
    "Observation": "&_sort=-date",
    "Condition": "&_sort=-recorded-date",
    "Procedure": "&_sort=-date",
    "MedicationRequest": "&_sort=-authoredon",
}
_COUNT = {"Observation": 2000, "Encounter": 500, "MedicationAdministration": 2000}
_USUAL_COUNT = 1000
OBSERVATIONS, VITALS = "observations", "vitals"
"""Two keys for one type: the newest of the patient, and the vital signs of the stay's encounter."""
_KEYS = {
    "Encounter": "encounters",
    "Location": "locations",
    "Condition": "conditions",
    "Observation": OBSERVATIONS,
    "Procedure": "procedures",
    "Coverage": "coverages",
    "MedicationRequest": "medication_requests",
    "MedicationStatement": "medication_statements",
    "MedicationAdministration": "medication_administrations",
    "MedicationDispense": "medication_dispenses",
}


@dataclass(frozen=True)
class Template:
    """One prefetch key. `count` is the page size asked for; None for a read by id."""

    key: str
    resource_type: str
    query: str
    required: bool = False
    count: int | None = None

    def filled(self, context: Mapping[str, str]) -> str:
        """The query with its tokens replaced; `context` by their names in the hook's context."""
        query = self.query
        for name, value in context.items():
            query = query.replace(f"{{{{context.{name}}}}}", quote(value, safe=""))
        return query


def templates(profile: Profile, names: Collection[str] = CATALOGUE.names) -> tuple[Template, ...]:
    """What the features of these names read, in the order it is asked for; the codes are LOINC's
    and the site's own. Patient and encounters are always asked for: without them there is no stay.
    """
    patient = Template("patient", "Patient", "Patient/{{context.patientId}}", required=True)
    index = Template("encounter", "Encounter", f"Encounter/{_ENCOUNTER}", required=True)
    needed = frozenset[str]().union(*map(_read_for, names))
    features = [feature for feature in CATALOGUE if feature.name in needed]
    read = {source for feature in features for source in feature.sources} | {"Encounter"}
    if profile.row_procedures and "Observation" in read:  # they tell triage values from serial ones
        read |= {"Procedure"}
    searches = (
        _search(kind, key, profile, features) for kind, key in _KEYS.items() if kind in read
    )
    return (patient, index, *searches, *_vitals(profile, features))


def since(query: str, day: date) -> str:
    """The query for what is of that day or later."""
    return f"{query}&date=ge{day.isoformat()}"


def _read_for(name: str) -> frozenset[str]:
    """The feature itself and, where it is derived, all that it is worked out from."""
    feature = CATALOGUE[name]
    inputs = INPUTS[feature.reduce] if feature.derived else ()
    return frozenset((name,)).union(*map(_read_for, inputs))


def _search(
    resource_type: str, key: str, profile: Profile, features: Iterable[Feature]
) -> Template:
    count = _COUNT.get(resource_type, _USUAL_COUNT)
    page = f"&_count={count}"
    if resource_type == "Location":
        query = f"Encounter?{_PATIENT}&_sort=-date&_include=Encounter:location{page}"
        return Template(key, resource_type, query, count=count)
    codes = _codes(profile, _measures(features)) if resource_type == "Observation" else ""
    query = f"{resource_type}?{_PATIENT}{codes}{_SORT.get(resource_type, '')}"
    if resource_type.startswith("Medication"):
        query += f"&_include={resource_type}:medication"
    return Template(key, resource_type, query + page, count=count)


def _vitals(profile: Profile, features: Iterable[Feature]) -> Iterator[Template]:
    """Where a feature reads a vital sign: those of the stay's own encounter, oldest first."""
    read = _measures(each for each in features if each.coverage_group == "vitals")
    if read:
        count = _COUNT["Observation"]
        of_stay = f"Observation?{_PATIENT}&encounter={_ENCOUNTER}"
        query = f"{of_stay}{_codes(profile, read)}&_sort=date&_count={count}"
        yield Template(VITALS, "Observation", query, count=count)


def _measures(features: Iterable[Feature]) -> frozenset[str]:
    return frozenset(measure for feature in features for measure in feature.reads)


def _codes(profile: Profile, measures: frozenset[str]) -> str:
    """Only the measures that a feature reads; a blood pressure may come as its panel."""
    read = measures | {_PANEL}
    tokens = [
        f"{system}|{code}" for (system, code), name in profile.measures.items() if name in read
    ]
    return "&code=" + ",".join(sorted(tokens))


PREFETCH = templates(load_profile("us_core"))


def prefetch_templates(hook: str, asked: Iterable[Template] = PREFETCH) -> dict[str, str]:
    """Key -> query for a hook. `patient-view` need not name an encounter that could be asked for."""
    return {
        template.key: template.query
        for template in asked
        if hook != "patient-view" or _ENCOUNTER not in template.query
    }
