"""Several bundles in one service: each under its id, with its hooks, floors and tenants' choices."""

import re
from pathlib import Path
from typing import Any

import pytest

from cds_service.app import create_app
from cds_service.errors import StartRefusedError
from cds_service.services import offered
from cds_service.settings import Settings
from cds_service.tenants import Alert, Tenant
from model.bundle import load_bundle
from tests.security.clients import Ehr, key_server, signing_key, trusting
from tests.service.ed_patients import ed_call, ed_facts
from tests.service.patients import Json, call, facts, serving, view, without
from tests.service.test_store import rows
from tests.service.trained import FLOORS, TAKEN, critical_bundle, trained_bundle

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = {"demo": ROOT / "bundles" / "demo", "points": ROOT / "bundles" / "lace-hospital"}


def url(service: str) -> str:
    return f"/cds-services/{service}"


async def test_each_answers_under_its_id_and_no_other(tmp_path: Path) -> None:
    async with serving(tmp_path, bundles=SHIPPED) as http:
        answers = {name: await http.post(url(name), json=call()) for name in SHIPPED}
        lost = await http.post(url("readmission-risk"), json=call())
    said = {name: facts(answer.json()["cards"][0]) for name, answer in answers.items()}
    for name, folder in SHIPPED.items():
        assert said[name]["bundle_digest"] == load_bundle(folder).digest
    assert "probability" in said["demo"]
    assert "probability" not in said["points"]
    assert [row["service_id"] for row in rows(tmp_path)] == ["demo", "points"]
    assert lost.status_code == 404
    assert "This service offers demo, points." in lost.text


async def test_each_is_described_by_its_own_bundle(tmp_path: Path) -> None:
    async with serving(tmp_path, bundles=SHIPPED) as http:
        listed = (await http.get("/cds-services")).json()["services"]
    assert [(each["id"], each["hook"]) for each in listed] == [
        (name, hook) for name in SHIPPED for hook in ("encounter-discharge", "patient-view")
    ]
    for each in listed:
        manifest = load_bundle(SHIPPED[each["id"]]).manifest
        assert each["title"] == manifest.title
        assert manifest.notice in each["description"]
        assert manifest.population in each["description"]


async def test_each_answers_its_own_hooks_alone(tmp_path: Path) -> None:
    bundles = {
        "leaving": trained_bundle(tmp_path / "leaving", hooks=("encounter-discharge",)),
        "opening": trained_bundle(tmp_path / "opening", hooks=("patient-view",)),
        "ed": critical_bundle(tmp_path / "ed"),
    }
    asked = {"leaving": call(), "opening": view(call()["prefetch"]["encounter"]), "ed": ed_call()}
    async with serving(tmp_path, bundles=bundles, critical_outcome=True) as http:
        found = {
            (service, hook): (await http.post(url(service), json=request)).status_code
            for service in bundles
            for hook, request in asked.items()
        }
        refused = await http.post(url("opening"), json=call())
    assert found == {
        ("leaving", "leaving"): 200, ("leaving", "opening"): 400, ("leaving", "ed"): 400,
        ("opening", "leaving"): 400, ("opening", "opening"): 200, ("opening", "ed"): 400,
        ("ed", "leaving"): 400, ("ed", "opening"): 200, ("ed", "ed"): 200,
    }  # fmt: skip
    assert "Call it from patient-view." in refused.text


async def test_what_is_too_thin_for_one_may_do_for_another(tmp_path: Path) -> None:
    bundles = {
        "strict": trained_bundle(tmp_path / "strict"),
        "lenient": trained_bundle(tmp_path / "lenient", coverage_floors={}),
    }
    request = without(call(), "conditions")
    async with serving(tmp_path, bundles=bundles) as http:
        cards = {name: (await http.post(url(name), json=request)).json() for name in bundles}
    said = {name: facts(answer["cards"][0]) for name, answer in cards.items()}
    assert said["strict"]["reason"] == "below_coverage_floor"
    assert "diagnoses" in FLOORS
    assert said["lenient"]["outcome"] == "scored"


async def test_a_bundle_asks_for_no_more_than_its_features_and_the_scores_beside_it_read(
    tmp_path: Path,
) -> None:
    assert "n_medrecon" in TAKEN
    without_drugs = tuple(name for name in TAKEN if name != "n_medrecon")
    bundles = {
        "more": trained_bundle(tmp_path / "more"),
        "less": trained_bundle(tmp_path / "less", features=without_drugs),
    }
    async with serving(tmp_path, bundles=bundles) as http:
        listed = (await http.get("/cds-services")).json()["services"]
    asked = {each["id"]: each["prefetch"] for each in listed if each["hook"] == "patient-view"}
    assert set(asked["more"]) - set(asked["less"]) == {
        "medication_requests", "medication_statements",
    }  # fmt: skip
    assert "procedures" in asked["less"]  # HOSPITAL counts them
    assert "coverages" not in asked["more"]
    assert "8310-5" not in asked["more"]["observations"]  # no temperature


def tenant(name: str, **choices: Any) -> Tenant:
    return Tenant(name=name, iss=f"https://{name}.example", jwks=Path("keys.json"), **choices)


NORTH = tenant("north", profile="mimic", base_rate=0.14, alerts={"a": Alert(threshold=0.3)})
SOUTH = tenant("south", alerts={"a": Alert(per_day=4), "b": Alert(threshold=0.2, below="none")})


def test_tenants_read_each_service_in_their_own_way(tmp_path: Path) -> None:
    bundles = {"a": trained_bundle(tmp_path / "a"), "b": critical_bundle(tmp_path / "b")}
    found = offered(bundles, (NORTH, SOUTH), critical_outcome=True)
    rates = {
        (each.name, name): rate and (rate.origin, rate.value)
        for each in (NORTH, SOUTH)
        for name, service in found.items()
        for rate in [service.of(each).base_rate]
    }
    assert rates == {
        ("north", "a"): ("site", 0.14),
        ("north", "b"): ("bundle", 0.081),  # a rate of readmission is none of this outcome
        ("south", "a"): ("bundle", 0.1512),
        ("south", "b"): ("bundle", 0.081),
    }
    profiles = [found["a"].of(each).profile for each in (NORTH, SOUTH)]
    assert [each and each.name for each in profiles] == ["mimic", None]
    thresholds = [each.alert(name).threshold for each in (NORTH, SOUTH) for name in found]
    assert thresholds == [0.3, None, None, 0.2]


async def test_a_tenant_s_profile_and_rate_reach_its_cards_of_each_service(tmp_path: Path) -> None:
    bundles = {"stays": trained_bundle(tmp_path / "stays"), "ed": critical_bundle(tmp_path / "ed")}
    requests = {"stays": call(), "ed": ed_call()}
    key = signing_key()
    with key_server(key) as keys:
        north, south = (
            Ehr(name, f"https://{name}.example", key, keys.address, choices=choices)
            for name, choices in (
                ("north", {"profile": "us_core", "base_rate": 0.4}),
                ("south", {}),
            )
        )
        async with trusting(tmp_path, north, south, bundles=bundles, critical_outcome=True) as http:
            cards: dict[tuple[str, str], Json] = {}
            for ehr in (north, south):
                for service, request in requests.items():
                    answer = await http.post(url(service), json=request, auth=ehr.auth())
                    cards[ehr.name, service] = answer.json()["cards"][0]
    assert "(site average 40 %)" in cards["north", "stays"]["summary"]
    assert "(cohort average 15 %)" in cards["south", "stays"]["summary"]
    assert "(cohort 8 %)" in cards["north", "ed"]["summary"]
    told = {who: (facts if who[1] == "stays" else ed_facts)(card) for who, card in cards.items()}
    assert {who: each["profile_detected"] for who, each in told.items()} == {
        ("north", "stays"): False, ("north", "ed"): False,
        ("south", "stays"): True, ("south", "ed"): True,
    }  # fmt: skip
    written = {(row["tenant"], row["service_id"]) for row in rows(tmp_path)}
    assert written == set(cards)


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "../a", ".", "å", "a?b", "a%20b", "a" * 65, "a\n"]
)
def test_a_service_id_that_cannot_stand_in_a_url_stops_the_start(name: str) -> None:
    bundles = {"demo": SHIPPED["demo"], name: SHIPPED["points"]}
    with pytest.raises(StartRefusedError, match="cannot stand in a URL"):
        offered(bundles, ())


@pytest.mark.parametrize("name", ["a", "readmission-risk", "Ward_7.b~", "a" * 64])
def test_a_service_id_that_can_is_taken(name: str) -> None:
    assert set(offered({name: SHIPPED["points"]}, ())) == {name}


def test_without_a_bundle_it_does_not_start() -> None:
    with pytest.raises(StartRefusedError, match="READMIT_BUNDLES: names no bundle"):
        create_app(Settings(bundles={}, dev=True))


def test_a_threshold_for_a_service_that_is_not_offered_stops_the_start() -> None:
    words = re.escape("tenant south: alerts.b: no service of that id is offered")
    with pytest.raises(StartRefusedError, match=words):
        offered({"a": SHIPPED["demo"]}, (NORTH, SOUTH))
