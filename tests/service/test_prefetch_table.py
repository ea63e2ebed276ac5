"""What a value in `prefetch` says: the decision table in cds_service/records.py, row by row."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from cds_service.errors import DataMissingError, WrongPatientError
from cds_service.records import Gathered, gather
from fhir_mapping.extract import extract
from fhir_mapping.history import IndexStay
from fhir_mapping.prefetch import PREFETCH, VITALS, Template
from fhir_mapping.reading import history_of
from fhir_mapping.stay import index_stay
from tests.service.fhir_loopback import FhirFake, Loopback, asking, loopback, reading
from tests.service.patients import (
    FAILED,
    NOW,
    PATIENT,
    STAY,
    URL,
    Json,
    call,
    card_of,
    condition,
    encounter,
    facts,
    observation,
    open_stay,
    patient,
    searchset,
    serving,
    stay,
    subject,
    view,
    without,
)
from tests.service.requests import EXAMPLES, example

pytestmark = pytest.mark.sampled(12)

SEARCHES = [each for each in PREFETCH if each.count and each.key != VITALS]
NEXT = {"link": [{"relation": "self"}, {"relation": "next", "url": "https://ehr.example/page2"}]}
HEMOGLOBIN = observation("718-7", 10.2, "g/dL", "2026-11-15T06:00:00Z")


def gathered(request: Json, *, encounter_id: str | None = STAY) -> Gathered:
    prefetch = {key: msgspec.Raw(msgspec.json.encode(v)) for key, v in request["prefetch"].items()}
    return gather(prefetch, PATIENT, encounter_id=encounter_id)


def entry(resource: Json, mode: str) -> Json:
    return {"resource": resource, "search": {"mode": mode}}


def codes(found: Gathered) -> dict[str, int]:
    return {issue.code: issue.count for issue in found.issues}


def of_type(found: Gathered, name: str) -> list[str]:
    return [each.id for each in found.resources if each.type == name]


# key absent | null | Bundle without entry | OperationOutcome
STATES: dict[str, tuple[Callable[[Json, str], Any], str]] = {
    "absent": (lambda request, key: without(request, key), "not_read"),
    "null": (lambda request, key: request["prefetch"].update({key: None}), "read"),
    "no entry": (lambda r, key: r["prefetch"].update({key: {"resourceType": "Bundle"}}), "read"),
    "empty": (lambda r, key: r["prefetch"].update({key: searchset()}), "read"),
    "error": (lambda r, key: r["prefetch"].update({key: FAILED}), "not_read"),
    "more pages": (lambda r, key: r["prefetch"].update({key: searchset(**NEXT)}), "partial"),
    "more in total": (lambda r, key: r["prefetch"].update({key: searchset(total=7)}), "partial"),
}


@pytest.mark.parametrize("template", SEARCHES, ids=lambda each: each.key)
@pytest.mark.parametrize("way", STATES)
def test_what_a_search_says_of_its_type(way: str, template: Template) -> None:
    request = call()
    change, state = STATES[way]
    change(request, template.key)
    assert gathered(request).sources[template.resource_type] == state


@pytest.mark.parametrize("one_less", [False, True])
def test_a_full_page_is_partial(one_less: bool) -> None:
    count = next(t.count for t in PREFETCH if t.key == "conditions") or 0
    sent = [condition("I10", id=f"c{n}") for n in range(count - one_less)]
    found = gathered(call(conditions=searchset(*sent)))
    assert found.sources["Condition"] == ("read" if one_less else "partial")


def test_includes_do_not_fill_a_page() -> None:
    count = next(t.count for t in PREFETCH if t.key == "medication_requests") or 0
    included = [
        entry({"resourceType": "Medication", "id": f"m{n}"}, "include") for n in range(count)
    ]
    found = gathered(call(medication_requests=searchset() | {"entry": included}))
    assert found.sources["MedicationRequest"] == "read"
    assert len(of_type(found, "Medication")) == count


# required keys: the same four ways
@pytest.mark.parametrize("way", ["absent", "error"])
@pytest.mark.parametrize("key", ["patient", "encounter"])
def test_a_required_resource_that_was_not_read_is_missing_data(key: str, way: str) -> None:
    request = call(encounters=None)
    STATES[way][0](request, key)
    with pytest.raises(DataMissingError, match=rf"^prefetch\.{key}: "):
        gathered(request)


@pytest.mark.parametrize("way", ["null", "no entry", "empty"])
@pytest.mark.parametrize(
    ("key", "reason"), [("patient", "patient_unknown"), ("encounter", "encounter_unknown")]
)
async def test_a_required_resource_known_to_be_empty_is_not_scored(
    key: str, reason: str, way: str, tmp_path: Path
) -> None:
    request = call(encounters=None)
    STATES[way][0](request, key)
    async with serving(tmp_path) as http:
        card = await card_of(http, request)
    assert (facts(card)["reason"], card["indicator"]) == (reason, "info")


@pytest.mark.parametrize("way", ["absent", "error", "null"])
def test_the_stay_may_come_among_the_encounters(way: str) -> None:
    request = call()
    STATES[way][0](request, "encounter")
    assert gathered(request).has("Encounter", STAY)


def test_one_encounter_read_by_id_is_no_look_back() -> None:
    assert gathered(without(call(), "encounters")).sources["Encounter"] == "not_read"


def test_no_prefetch_at_all_is_every_key_absent() -> None:
    with pytest.raises(DataMissingError, match=r"^prefetch\.patient: "):
        gather({}, PATIENT, encounter_id=STAY)


def test_without_an_encounter_id_the_encounters_are_required() -> None:
    with pytest.raises(DataMissingError, match=r"^prefetch\.encounters: "):
        gathered(without(call(), "encounter", "encounters"), encounter_id=None)


# search modes
@pytest.mark.parametrize(
    ("severity", "code", "state"),
    [
        ("error", "processing", "partial"),
        ("warning", "incomplete", "partial"),
        ("information", "suppressed", "partial"),
        ("warning", "not-supported", "read"),
    ],
)
def test_an_outcome_entry_is_no_match(severity: str, code: str, state: str) -> None:
    outcome = FAILED | {"issue": [{"severity": severity, "code": code}]}
    mixed = searchset(HEMOGLOBIN)
    mixed["entry"].append(entry(outcome, "outcome"))
    found = gathered(call(observations=mixed))
    assert found.sources["Observation"] == state
    assert codes(found) == {"search_outcome": 1}
    assert len(of_type(found, "Observation")) == 1


def test_an_included_resource_is_support_and_never_a_match() -> None:
    location = {"resourceType": "Location", "id": "icu"}
    kept = searchset() | {"entry": [entry(HEMOGLOBIN, "include"), entry(location, "include")]}
    found = gathered(call(observations=kept))
    assert of_type(found, "Observation") == []
    assert of_type(found, "Location") == ["icu"]
    assert codes(found) == {"unexpected_resource": 1}
    assert found.sources["Observation"] == "read"  # what was asked for is all here


def test_an_entry_of_another_type_is_dropped_and_counted() -> None:
    found = gathered(call(conditions=searchset(condition("I10"), HEMOGLOBIN)))
    assert of_type(found, "Condition") == ["cond-I10"]
    assert codes(found) == {"unexpected_resource": 1}


# wrong values
WRONG: dict[str, Any] = {
    "HTML": "<html><h1>HTTP Status 500</h1></html>",
    "text": "p1",
    "number": 10**30,
    "true": True,
    "list": [HEMOGLOBIN],
    "object without type": {"id": "p1"},
    "type a number": {"resourceType": 7},
    "another resource": {"resourceType": "Practitioner", "id": "d1"},
    "Bundle with entry an object": {"resourceType": "Bundle", "entry": {}},
    "Bundle with entries of text": {"resourceType": "Bundle", "entry": ["<html>"]},
    "Bundle with total a string": {"resourceType": "Bundle", "total": "many"},
}


@pytest.mark.parametrize("template", PREFETCH, ids=lambda each: each.key)
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_is_refused_at_its_key_and_not_quoted(case: str, template: Template) -> None:
    with pytest.raises(DataMissingError, match=rf"^prefetch\.{template.key}: ") as refused:
        gathered(call(**{template.key: WRONG[case]}))
    assert "HTTP Status" not in str(refused.value)
    assert "many" not in str(refused.value)


def test_a_search_answered_with_a_single_resource_is_refused() -> None:
    with pytest.raises(DataMissingError, match=r"^prefetch\.observations: "):
        gathered(call(observations=HEMOGLOBIN))


@pytest.mark.parametrize("key", ["patient", "encounter"])
def test_a_read_answered_with_a_filled_bundle_is_refused(key: str) -> None:
    with pytest.raises(DataMissingError, match=rf"^prefetch\.{key}: "):
        gathered(call(**{key: searchset(patient(), stay())}))


def test_another_encounter_at_the_key_of_the_stay_is_refused() -> None:
    with pytest.raises(DataMissingError, match=r"^prefetch\.encounter: another Encounter"):
        gathered(call(encounter=encounter("e9", "2026-11-10", None)))


# whose resources
@pytest.mark.parametrize("mode", ["match", "include"])
@pytest.mark.parametrize("key", [*(template.key for template in SEARCHES), VITALS])
def test_another_patient_anywhere_is_a_hard_stop(key: str, mode: str) -> None:
    foreign = observation("718-7", 9, "g/dL", "2026-11-15", subject=subject("stranger"))
    with pytest.raises(WrongPatientError, match=rf"^prefetch\.{key}\.entry\[0\]\.resource: "):
        gathered(call(**{key: searchset() | {"entry": [entry(foreign, mode)]}}))


@pytest.mark.parametrize(
    "reference", [f"Patient/{PATIENT}", f"https://ehr.example/fhir/Patient/{PATIENT}/_history/2"]
)
def test_the_patient_may_be_named_in_each_way_of_fhir(reference: str) -> None:
    same = observation("718-7", 9, "g/dL", "2026-11-15", subject={"reference": reference})
    assert len(of_type(gathered(call(observations=searchset(same))), "Observation")) == 1


def test_a_resource_that_is_nobodys_is_dropped_and_counted() -> None:
    orphan = observation("718-7", 9, "g/dL", "2026-11-15", subject={"display": "a name"})
    found = gathered(call(observations=searchset(HEMOGLOBIN, orphan)))
    assert len(of_type(found, "Observation")) == 1
    assert codes(found) == {"subject_missing": 1}


def test_a_malformed_entry_costs_itself_only() -> None:
    broken = condition("I10", id=7)
    found = gathered(call(conditions=searchset(condition("I50.9"), broken)))
    assert of_type(found, "Condition") == ["cond-I50.9"]
    assert codes(found) == {"malformed_resource": 1}


# the same rows, where the request's FHIR server may be read and where it may not
@dataclass(frozen=True)
class Row:
    """What is sent as `conditions`, and what is known without and with the server; `asked`: by
    which query, if any. The server has I50.9, I10 and E11.9."""

    sent: Callable[[FhirFake], Any]
    alone: str
    with_server: str
    asked: str = ""


ASKED_AGAIN, GOES_ON = "conditions", "second"
FIRST = (condition("I50.9"),)
REST = (condition("I10"), condition("E11.9"))
WARD = {"resourceType": "Location", "id": "ward-3"}
ABSENT = object()


def linked(fake: FhirFake) -> Json:
    url = f"{fake.base}/Condition?key={GOES_ON}"
    return searchset(*FIRST, total=3, link=[{"relation": "next", "url": url}])


def full_page(_: FhirFake) -> Json:
    count = next(t.count for t in PREFETCH if t.key == "conditions") or 0
    return searchset(*(condition("I50.9", id=f"c{n}") for n in range(count)))


def with_an_error(_: FhirFake) -> Json:
    found = searchset(*FIRST)
    found["entry"].append(entry(FAILED, "outcome"))
    return found


ROWS = {
    "key absent": Row(lambda _: ABSENT, "not_read", "read", ASKED_AGAIN),
    "null": Row(lambda _: None, "read", "read"),
    "Bundle without entry": Row(lambda _: searchset(), "read", "read"),
    "OperationOutcome": Row(lambda _: FAILED, "not_read", "not_read"),
    "next link": Row(linked, "partial", "read", GOES_ON),
    "full page": Row(full_page, "partial", "read", ASKED_AGAIN),
    "larger total": Row(lambda _: searchset(*FIRST, total=3), "partial", "read", ASKED_AGAIN),
    "outcome entry": Row(with_an_error, "partial", "partial"),
    "included entry": Row(
        lambda _: searchset() | {"entry": [entry(WARD, "include")]}, "read", "read"
    ),
    "wrong type": Row(lambda _: "<html>", "required", "required"),
    "wrong patient": Row(
        lambda _: searchset(condition("I10", subject=subject("stranger"))), "conflict", "conflict"
    ),
}


@pytest.fixture(scope="module")
def port() -> Iterator[Loopback]:
    with loopback() as served:
        yield served


@pytest.mark.parametrize("available", [False, True], ids=["alone", "with the server"])
@pytest.mark.parametrize("case", ROWS)
async def test_each_row_of_the_table(
    case: str, available: bool, port: Loopback, tmp_path: Path
) -> None:
    row, fake = ROWS[case], port.serve()
    fake.record |= {"conditions": searchset(*FIRST, *REST), GOES_ON: searchset(*REST)}
    sent = call()["prefetch"] | {"conditions": row.sent(fake)}
    request = asking(fake, token="t", **{k: v for k, v in sent.items() if v is not ABSENT})
    async with reading(tmp_path, *([fake.base] if available else [])) as http:
        answer = await http.post(URL, json=request)
    assert state_of(answer) == (row.with_server if available else row.alone)
    assert [each.key for each in fake.asked] == ([row.asked] if row.asked and available else [])


def state_of(answer: httpx.Response) -> str:
    """How Condition was read, or as what the request was refused."""
    if answer.status_code == 412:
        return str(answer.json()["issue"][0]["code"])
    (card,) = answer.json()["cards"]
    return str(facts(card)["sources"]["Condition"])


@pytest.mark.parametrize("available", [False, True], ids=["alone", "with the server"])
async def test_no_prefetch_at_all(available: bool, port: Loopback, tmp_path: Path) -> None:
    fake = port.serve()
    request = asking(fake, token="t")
    del request["prefetch"]
    async with reading(tmp_path, *([fake.base] if available else [])) as http:
        answer = await http.post(URL, json=request)
    assert answer.status_code == (200 if available else 412)
    assert state_of(answer) == ("read" if available else "required")


@pytest.mark.parametrize("way", ["absent", "error"])
@pytest.mark.parametrize("key", ["patient", "encounter"])
async def test_a_required_key_is_fetched_unless_the_client_tried_and_failed(
    key: str, way: str, port: Loopback, tmp_path: Path
) -> None:
    fake, request = port.serve(), call(encounters=None)
    STATES[way][0](request, key)
    request = asking(fake, token="t", **request["prefetch"])
    async with reading(tmp_path, fake.base) as http:
        answer = await http.post(URL, json=request)
    assert answer.status_code == (200 if way == "absent" else 412)
    assert [each.key for each in fake.asked] == ([key] if way == "absent" else [])


@pytest.mark.parametrize("way", ["absent", "more pages", "more in total"])
async def test_observations_that_are_not_whole_are_asked_by_date(
    way: str, port: Loopback, tmp_path: Path
) -> None:
    fake, request = port.serve(), call()
    STATES[way][0](request, "observations")
    async with reading(tmp_path, fake.base) as http:
        card = await card_of(http, asking(fake, token="t", **request["prefetch"]))
    (asked,) = fake.asked
    assert (asked.key, asked.query["date"]) == ("observations", ["ge2026-11-09"])
    assert facts(card)["sources"]["Observation"] == "read"


async def test_the_stay_is_found_at_the_server_where_the_hook_names_none(
    port: Loopback, tmp_path: Path
) -> None:
    fake = port.serve(view(open_stay())["prefetch"])
    request = view() | {"prefetch": {}, "fhirServer": fake.base}
    async with reading(tmp_path, fake.base) as http:
        card = await card_of(http, request)
    assert facts(card)["outcome"] == "scored"
    assert fake.of("encounter") == []


# full prefetch, none, or any part of it: one vector
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.json")))
async def test_it_makes_no_difference_by_which_way_a_record_comes(
    name: str, port: Loopback, tmp_path: Path
) -> None:
    request = example(name)
    sent = request["prefetch"]
    fake = port.serve(sent)
    request["fhirServer"] = fake.base
    half = {key: sent[key] for number, key in enumerate(sent) if number % 2}
    async with reading(tmp_path, fake.base) as http:
        whole, none, some = [
            facts(await card_of(http, request | {"prefetch": each})) for each in (sent, {}, half)
        ]
    if whole["outcome"] == "scored":
        assert whole["vector_digest"] == none["vector_digest"] == some["vector_digest"]
    assert (whole.get("reason"), whole["outcome"]) == (none.get("reason"), none["outcome"])


# the stay's own vital signs, where the observations are not whole
EARLY = observation(
    "8867-4", 91, "/min", "2026-11-10T09:00:00Z", encounter={"reference": f"Encounter/{STAY}"}
)
LATE = observation(
    "8867-4", 70, "/min", "2026-11-15T06:00:00Z", encounter={"reference": f"Encounter/{STAY}"}
)


@pytest.mark.parametrize(
    ("observations", "vitals", "state", "first"),
    [
        (searchset(EARLY, LATE), None, "read", 91.0),
        (searchset(LATE, **NEXT), None, "partial", None),
        (searchset(LATE, **NEXT), searchset(EARLY, LATE), "partial", 91.0),
        (searchset(LATE, **NEXT), searchset(EARLY, **NEXT), "partial", None),
        (FAILED, searchset(EARLY, LATE), "partial", 91.0),
        (FAILED, searchset(EARLY, **NEXT), "not_read", None),
        (FAILED, None, "not_read", None),
    ],
)
def test_the_vital_signs_of_the_stay_count_only_as_a_whole(
    observations: Any, vitals: Any, state: str, first: float | None
) -> None:
    found = gathered(call(observations=observations, vitals=vitals))
    assert found.sources["Observation"] == state
    history = history_of(found.resources)
    stay_found = index_stay(history, STAY, NOW)
    assert isinstance(stay_found, IndexStay)
    assert extract(history, stay_found, found.sources)["triage_heartrate"] == first
