"""Scopes: what each allows, at which level, of which patient."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from cds_service.api.access import Access, access_of
from cds_service.api.refusals import DENIED, UNTRUSTED, Denied, Untrusted
from tests.api.hospitals import Hospital, reading
from tests.security.logs import answered
from tests.service.patients import Json
from tests.service.stored import add

pytestmark = pytest.mark.sampled(6)

SEARCHES = ("/assessments", "/fhir/RiskAssessment")
# scope, patient claim -> may search p, may search q, may read one of p, may read one of q
CASES: dict[str, tuple[str, str | None, tuple[int, int, int, int]]] = {
    "system": ("system/RiskAssessment.rs", None, (200, 200, 200, 200)),
    "user": ("user/RiskAssessment.rs", None, (200, 200, 200, 200)),
    "user with a patient": ("user/RiskAssessment.rs", "p", (200, 200, 200, 200)),
    "patient": ("patient/RiskAssessment.rs", "p", (200, 403, 200, 404)),
    "patient as a reference": ("patient/RiskAssessment.rs", "Patient/p", (200, 403, 200, 404)),
    "patient without one": ("patient/RiskAssessment.rs", None, (403, 403, 403, 403)),
    "v1": ("system/RiskAssessment.read", None, (200, 200, 200, 200)),
    "v1 of a patient": ("patient/RiskAssessment.read", "p", (200, 403, 200, 404)),
    "v1 everything": ("user/*.*", None, (200, 200, 200, 200)),
    "any type": ("system/*.rs", None, (200, 200, 200, 200)),
    "all": ("system/RiskAssessment.cruds", None, (200, 200, 200, 200)),
    "search only": ("system/RiskAssessment.s", None, (200, 200, 403, 403)),
    "read only": ("system/RiskAssessment.r", None, (403, 403, 200, 200)),
    "write only": ("system/RiskAssessment.cud", None, (403, 403, 403, 403)),
    "v1 write": ("system/RiskAssessment.write", None, (403, 403, 403, 403)),
    "narrowed": ("system/RiskAssessment.rs?status=final", None, (403, 403, 403, 403)),
    "another type": ("system/Observation.rs", None, (403, 403, 403, 403)),
    "wrong order": ("system/RiskAssessment.sr", None, (403, 403, 403, 403)),
    "no level": ("RiskAssessment.rs", None, (403, 403, 403, 403)),
    "nothing": ("", "p", (403, 403, 403, 403)),
    "among others": ("openid launch patient/RiskAssessment.rs", "p", (200, 403, 200, 404)),
    "the widest counts": (
        "patient/RiskAssessment.rs user/RiskAssessment.rs", "p", (200, 200, 200, 200),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_each_scope_allows_what_it_says(case: str, north: Hospital, tmp_path: Path) -> None:
    scope, patient, expected = CASES[case]
    async with reading(tmp_path, north) as service:
        rows = [await add(service.store, patient_id=name) for name in ("p", "q")]
        sent = north.bearer(scope, patient=patient)
        for path in SEARCHES:
            found = [await service.get(path, sent, patient=name) for name in ("p", "q")]
            found += [await service.get(f"{path}/{row['uuid']}", sent) for row in rows]
            assert tuple(each.status_code for each in found) == expected


async def test_a_refusal_says_nothing_and_the_log_says_why(
    north: Hospital, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    async with reading(tmp_path, north) as service:
        for scope, patient in (("", None), ("patient/*.rs", None), ("patient/*.rs", "p")):
            sent = north.bearer(scope, patient=patient)
            answer = await service.get("/assessments", sent, patient="q")
            said.append(answered(capsys.readouterr().err)["refused"])
            assert answer.status_code == 403
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
            (issue,) = answer.json()["issue"]
            assert issue["code"] == "forbidden"
            assert issue["diagnostics"].endswith("The log of the service says why.")
    assert said == ["scope_missing", "patient_claim_missing", "other_patient"]


TWO_SERVERS = ["https://fhir.north.example/r4", "https://clinic.north.example/r4"]


async def test_a_patients_token_reads_nobody_where_two_servers_may_mean_two_people(
    north: Hospital, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hospital = replace(north, choices={"fhir_servers": TWO_SERVERS})
    async with reading(tmp_path, hospital) as service:
        row = await add(service.store, patient_id="p", fhir_server=TWO_SERVERS[1])
        sent = hospital.bearer("patient/RiskAssessment.rs", patient="p")
        for path in SEARCHES:
            assert (await service.get(path, sent, patient="p")).status_code == 403
            assert (await service.get(f"{path}/{row['uuid']}", sent)).status_code == 403
            assert answered(capsys.readouterr().err)["refused"] == "patient_ambiguous"


async def test_two_hospitals_never_see_each_others_rows(
    north: Hospital, south: Hospital, tmp_path: Path
) -> None:
    async with reading(tmp_path, north, south) as service:
        rows = {name: await add(service.store, name, patient_id="p") for name in ("north", "south")}
        for one, other in ((north, south), (south, north)):
            sent = one.bearer()
            for path in SEARCHES:
                found = (await service.get(path, sent, patient="p")).text
                assert rows[one.name]["uuid"] in found
                assert rows[other.name]["uuid"] not in found
                mine, theirs = [
                    await service.get(f"{path}/{rows[each.name]['uuid']}", sent)
                    for each in (one, other)
                ]
                assert (mine.status_code, theirs.status_code) == (200, 404)


async def test_what_is_anothers_and_what_is_nobodys_look_the_same(
    north: Hospital, tmp_path: Path
) -> None:
    async with reading(tmp_path, north) as service:
        row = await add(service.store, patient_id="q")
        sent = north.bearer("patient/RiskAssessment.rs", patient="p")
        for path in SEARCHES:
            theirs, nobodys = [
                await service.get(f"{path}/{name}", sent) for name in (row["uuid"], "nothing")
            ]
            assert theirs.status_code == nobodys.status_code == 404
            assert theirs.content == nobodys.content


@pytest.mark.parametrize("silent", [True, False])
async def test_of_a_silent_site_no_score_leaves(
    silent: bool, north: Hospital, tmp_path: Path
) -> None:
    hospital = replace(north, choices={"silent": silent})
    async with reading(tmp_path, hospital) as service:
        row = await add(service.store, patient_id="p")
        for path in SEARCHES:
            for answer in (
                await service.get(path, hospital.bearer(), patient="p"),
                await service.get(f"{path}/{row['uuid']}", hospital.bearer()),
            ):
                assert answer.status_code == (403 if silent else 200)
                assert ("silently" in answer.text) is silent
                assert (row["uuid"] in answer.text) is not silent


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"scope": "a b"}, ("a", "b")),
        ({"scp": ["a", "b", 3]}, ("a", "b")),
        ({"scp": "a b"}, ("a", "b")),
        ({"scope": 7}, ()),
        ({"scope": None, "scp": ["a"]}, ()),
        ({}, ()),
    ],
)
def test_scopes_are_read_in_either_claim(claims: Json, expected: tuple[str, ...]) -> None:
    assert access_of(claims) == Access(expected, None)


@pytest.mark.parametrize("patient", ["", "Patient/", 7, ["p"], None])
def test_a_patient_that_is_none_is_none(patient: object) -> None:
    assert access_of({"patient": patient}).patient is None


def test_every_reason_has_words_and_can_occur() -> None:
    package = Path(__file__).resolve().parents[2] / "cds_service" / "api"
    code = "".join(p.read_text("utf-8") for p in package.glob("*.py") if p.name != "refusals.py")
    assert (set(UNTRUSTED), set(DENIED)) == (set(get_args(Untrusted)), set(get_args(Denied)))
    assert [each for each in (*UNTRUSTED, *DENIED) if f'"{each}"' not in code] == []
