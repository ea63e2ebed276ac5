"""What is read: the JSON, the searchset, pages, parameters; nothing of it in logs or metrics."""

import json
import logging
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from sqlalchemy import delete

from cds_service.observability import configure_logging
from cds_service.storage.tables import SEALED
from tests.api.hospitals import Hospital, Service, reading
from tests.security.clients import Clock
from tests.security.logs import answered, leaked
from tests.service.operating import filled
from tests.service.patients import Json, serving
from tests.service.stored import START, add
from tests.service.test_export_peers import fhirkit, pyrofile

pytestmark = pytest.mark.sampled(6)

FHIR = "/fhir/RiskAssessment"
FORM = {"content-type": "application/x-www-form-urlencoded"}


async def pages(service: Service, north: Hospital, path: str, **query: str) -> list[Json]:
    """Every page, following the links."""
    found, target, sent = [], path, north.bearer()
    answer = await service.get(target, sent, **query)
    while True:
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        links = {each["relation"]: each["url"] for each in found[-1].get("link", ())}
        following = found[-1].get("next") or links.get("next")
        if not following:
            return found
        assert "p-canary" not in following
        answer = await service.http.get(following, headers=sent)


async def test_json_pages_hold_every_assessment_once_newest_first(
    north: Hospital, tmp_path: Path
) -> None:
    async with reading(tmp_path, north) as service:
        made = [(await add(service.store, patient_id="p-canary"))["uuid"] for _ in range(5)]
        found = await pages(service, north, "/assessments", patient="p-canary", count="2")
    assert [len(each["assessments"]) for each in found] == [2, 2, 1]
    assert [one["id"] for each in found for one in each["assessments"]] == made[::-1]
    assert {each["total"] for each in found} == {5}


async def test_a_searchset_is_r4_and_its_pages_hold_every_assessment_once(
    north: Hospital, tmp_path: Path
) -> None:
    async with reading(tmp_path, north) as service:
        made = [(await add(service.store, patient_id="p-canary"))["uuid"] for _ in range(3)]
        found = await pages(service, north, FHIR, patient="Patient/p-canary", _count="2")
    for each in found:
        Bundle(**each)
        assert (each["type"], each["total"]) == ("searchset", 3)
    entries = [entry for each in found for entry in each["entry"]]
    assert [entry["resource"]["id"] for entry in entries] == made[::-1]
    for entry in entries:
        uuid = entry["resource"]["id"]
        assert entry["fullUrl"] == f"https://readmit.example/fhir/RiskAssessment/{uuid}"
        assert entry["resource"]["subject"]["reference"] == (
            "https://fhir.north.example/r4/Patient/p-canary"
        )
    query = parse_qs(urlsplit(found[0]["link"][0]["url"]).query)
    assert query == {"patient": ["Patient/p-canary"], "_count": ["2"]}


async def test_a_search_in_the_body_is_the_same(north: Hospital, tmp_path: Path) -> None:
    async with reading(tmp_path, north) as service:
        await add(service.store, patient_id="p")
        sent = north.bearer()
        by_get = await service.get(FHIR, sent, patient="p")
        path = f"{FHIR}/_search"
        by_post = await service.http.post(path, headers=sent, data={"patient": "p"})
        both = await service.http.post(f"{path}?_count=0", headers=sent, data={"patient": "p"})
        twice = await service.http.post(f"{path}?patient=p", headers=sent, data={"patient": "p"})
        as_json = await service.http.post(path, headers=sent, json={"patient": "p"})
        large = await service.http.post(path, headers=sent | FORM, content=b"a" * 20_000)
    assert by_post.json() == by_get.json()
    assert (both.json()["total"], "entry" in both.json()) == (1, False)
    statuses = [each.status_code for each in (twice, as_json, large)]
    assert statuses == [400, 400, 413]


async def test_the_patient_may_be_an_address_of_the_sites_own_server(
    north: Hospital, tmp_path: Path
) -> None:
    async with reading(tmp_path, north) as service:
        await add(service.store, patient_id="p")
        for said, status in (
            ("p", 200),
            ("Patient/p", 200),
            ("https://fhir.north.example/r4/Patient/p", 200),
            ("https://evil.example/r4/Patient/p", 400),
            ("Group/Patient/p", 400),
        ):
            for path in ("/assessments", FHIR):
                answer = await service.get(path, north.bearer(), patient=said)
                assert answer.status_code == status, said
                if status == 200:
                    assert answer.json()["total"] == 1


async def test_an_address_names_the_patient_of_that_server_alone(
    north: Hospital, tmp_path: Path
) -> None:
    servers = ["https://fhir.north.example/r4", "https://clinic.north.example/r4"]
    hospital = replace(north, choices={"fhir_servers": servers})
    async with reading(tmp_path, hospital) as service:
        for server in (*servers, servers[1], None):
            await add(service.store, patient_id="p", fhir_server=server)
        for server, total in zip(servers, (1, 2), strict=True):
            (found,) = await pages(service, hospital, FHIR, patient=f"{server}/Patient/p")
            assert found["total"] == total
            for each in found["entry"]:
                assert each["resource"]["subject"]["reference"] == f"{server}/Patient/p"
            (self_link,) = [each["url"] for each in found["link"]]
            assert parse_qs(urlsplit(self_link).query)["patient"] == [f"{server}/Patient/p"]
        assert len(await pages(service, hospital, "/assessments", patient="p", count="2")) == 2
        (page, *_) = await pages(
            service, hospital, "/assessments", patient=f"{servers[1]}/Patient/p", count="1"
        )
        assert page["total"] == 2


WRONG: dict[str, tuple[str, str]] = {
    "no patient": ("", "patient"),
    "empty": ("patient=", "patient"),
    "two": ("patient=a&patient=b", "patient"),
    "a list": ("patient=a,b", "patient"),
    "count": ("patient=a&{count}=many", "count"),
    "negative": ("patient=a&{count}=-1", "count"),
    "digits of another script": ("patient=a&{count}=%D9%A3", "count"),
    "page": ("page=abc", "page"),
    "page of another key": ("page=gAAAA.AAAA", "page"),
    "page that is not ascii": ("page=%C3%A4.%C3%A4", "page"),
    "too many": ("&".join(f"a{n}=1" for n in range(60)), "query"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_parameter_is_named_and_not_repeated(
    case: str, north: Hospital, tmp_path: Path
) -> None:
    query, where = WRONG[case]
    async with reading(tmp_path, north) as service:
        for path, count in (("/assessments", "count"), (FHIR, "_count")):
            target = f"{path}?{query.format(count=count)}"
            answer = await service.http.get(target, headers=north.bearer())
            assert answer.status_code == 400
            (issue,) = answer.json()["issue"]
            assert issue["code"] == "invalid"
            assert issue["diagnostics"].removeprefix("_").startswith(where)


@pytest.mark.parametrize(
    "since",
    ["yesterday", "2026-11-21", "2026-11-21T12:00:00", "9999-12-31T23:59:59-14:00"],
)
async def test_since_needs_a_time_with_its_zone(
    since: str, north: Hospital, tmp_path: Path
) -> None:
    async with reading(tmp_path, north) as service:
        sent = north.bearer()
        answer = await service.get("/assessments", sent, patient="p", since=since)
        unknown = await service.get("/assessments", sent, patient="p", until="x")
    assert (answer.status_code, unknown.status_code) == (400, 400)


@pytest.mark.parametrize("zone", ["Z", "+00:00", "%2B00:00"])
async def test_since_leaves_out_what_is_older_on_every_page(
    zone: str, north: Hospital, tmp_path: Path
) -> None:
    async with reading(tmp_path, north) as service:
        for days in (-1, 0, 1):
            await add(service.store, patient_id="p", created_at=START + timedelta(days=days))
        since = START.isoformat().replace("+00:00", "")
        path = f"/assessments?patient=p&count=1&since={since}{zone}"
        found = await pages(service, north, path)
    assert [each["total"] for each in found] == [2, 2]


async def test_what_we_do_not_know_is_left_out_unless_strictness_is_preferred(
    north: Hospital, tmp_path: Path
) -> None:
    async with reading(tmp_path, north) as service:
        sent = north.bearer()
        query = {"patient": "p", "probability": "gt50"}
        lenient = await service.get(FHIR, sent, **query)
        strict = await service.get(FHIR, sent | {"Prefer": "handling=strict"}, **query)
    assert "probability" not in lenient.json()["link"][0]["url"]
    assert strict.status_code == 400


async def test_a_page_is_its_hospitals_own_and_ends(
    north: Hospital, south: Hospital, tmp_path: Path
) -> None:
    clock = Clock()
    async with reading(tmp_path, north, south, clock=clock) as service:
        for _ in range(2):
            await add(service.store, patient_id="p")
        first = await service.get("/assessments", north.bearer(), patient="p", count="1")
        following = first.json()["next"]

        async def status(headers: dict[str, str]) -> int:
            return (await service.http.get(following, headers=headers)).status_code

        assert await status(north.bearer()) == 200
        assert await status(south.bearer()) == 400
        assert await status(north.bearer("patient/*.rs", patient="p")) == 200
        assert await status(north.bearer("patient/*.rs", patient="q")) == 403
        clock.move(minutes=59)
        assert await status(north.bearer(exp=int(clock().timestamp()) + 60)) == 200
        clock.move(minutes=2)
        assert await status(north.bearer(exp=int(clock().timestamp()) + 60)) == 400


async def test_one_assessment_has_all_that_was_kept(tmp_path: Path) -> None:
    await filled(tmp_path, "oncology", bundle=Path("bundles/demo"))
    key = ("c3RvcmFnZS1rZXktb2YtdGhlLXRlc3RzLTAxMjM0NTY=",)
    async with serving(tmp_path, storage_keys=key) as http:
        listed = (await http.get("/assessments?patient=oncology-patient-1")).json()
        (first,) = listed["assessments"]
        answer = await http.get(f"/assessments/{first['id']}")
        resource = (await http.get(f"{FHIR}/{first['id']}")).json()
    one = answer.json()
    assert {name: one[name] for name in first} == first
    assert one["kept"]
    assert len(one["contributions"]) > 5
    assert one["evidence"][0]["reference"] == "Patient/oncology-patient-1"
    prediction = resource["prediction"][0]
    assert prediction["probabilityDecimal"] == round(one["probability"] * 100, 2)
    assert len(resource["basis"]) == len({each["reference"] for each in resource["basis"]})


async def test_purged_contents_are_said_to_be_gone(north: Hospital, tmp_path: Path) -> None:
    async with reading(tmp_path, north) as service:
        row = await add(service.store)
        async with service.store.database.writing() as connection:
            await connection.execute(delete(SEALED))
        one = (await service.get(f"/assessments/{row['uuid']}", north.bearer())).json()
    assert (one["kept"], one["evidence"], one["probability"]) == (False, [], row["probability"])


async def test_answers_are_kept_by_nobody(north: Hospital, tmp_path: Path) -> None:
    async with reading(tmp_path, north) as service:
        row = await add(service.store, patient_id="p")
        for path, kind in (
            ("/assessments?patient=p", "application/json"),
            (f"/assessments/{row['uuid']}", "application/json"),
            (f"{FHIR}?patient=p", "application/fhir+json"),
            (f"{FHIR}/{row['uuid']}", "application/fhir+json"),
        ):
            answer = await service.http.get(path, headers=north.bearer())
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-type"] == kind


async def test_anybody_may_know_what_the_endpoint_can_do(north: Hospital, tmp_path: Path) -> None:
    async with reading(tmp_path, north) as service:
        answer = await service.http.get("/fhir/metadata")
    found = CapabilityStatement(**answer.json())
    assert found.fhirVersion == "4.0.1"
    assert answer.json()["implementation"]["url"] == "https://readmit.example/fhir"


async def test_nothing_that_was_searched_for_is_written_or_counted(
    north: Hospital,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    configure_logging("debug")
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the tests' own client
    async with reading(tmp_path, north, log_level="debug") as service:
        row = await add(service.store, patient_id="p-canary")
        sent = north.bearer()
        for path in ("/assessments", FHIR):
            await service.get(path, sent, patient="p-canary")
            await service.get(path, sent, patient="p-canary", count="x-canary", _count="x-canary")
            await service.get(f"{path}/{row['uuid']}", sent)
            await service.get(f"{path}/x-canary", sent)
        await service.http.post(f"{FHIR}/_search", headers=sent, data={"patient": "p-canary"})
        counted = (await service.http.get("/metrics")).text
    written = capsys.readouterr().err
    assert answered(written)["status"] == 200
    assert leaked(["p-canary", "x-canary", "patient="], written, caplog) == []
    assert "canary" not in counted
    assert f'route="{FHIR}/{{assessment_id}}"' in counted


@pytest.mark.slow
@pytest.mark.parametrize("validate", [fhirkit, pyrofile])
async def test_other_validators_accept_bundle_and_capabilities(
    validate: Callable[..., subprocess.CompletedProcess[str]],
    north: Hospital,
    tmp_path: Path,
    peers: Path,
) -> None:
    async with reading(tmp_path, north) as service:
        for _ in range(2):
            await add(service.store, patient_id="p")
        bundle = (await service.get(FHIR, north.bearer(), patient="p", _count="1")).json()
        statement = (await service.http.get("/fhir/metadata")).json()
    folder = tmp_path / "resources"
    folder.mkdir()
    files = [folder / f"{each['resourceType']}.json" for each in (bundle, statement)]
    for file, resource in zip(files, (bundle, statement), strict=True):
        file.write_text(json.dumps(resource))
    done: Any = validate(peers, files)
    assert done.returncode == 0, done.stdout + done.stderr
