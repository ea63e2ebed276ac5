"""A stored assessment as a RiskAssessment: what each part says, and that R4 validators accept it."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from cds_service.recalled import Recalled, recalled
from cds_service.risk_assessment import INTERVAL, risk_assessment, validated
from model.bundle import Bundle
from tests.service.patients import Json
from tests.service.stored import assessment
from tests.service.test_export_peers import fhirkit, pyrofile
from tests.service.trained import SCORE, critical_fields, fixed_assessor, shipped_bundle

LACE = shipped_bundle()
NETWORK = fixed_assessor(SCORE).bundle
DISCHARGED = datetime(2026, 11, 16, 15, tzinfo=UTC)
KEPT: Json = {
    "evidence": [
        {"reference": "Observation/a", "version": "2"},
        {"reference": "Observation/a", "version": "2"},
        {"reference": "Patient/p", "version": ""},
        {"reference": "", "version": ""},
        {"reference": "urn:uuid:7", "version": ""},
    ],
    "score": {
        "probability": 0.1849,
        "interval": [0.12, 0.2501],
        "contributions": [],
        "interval_holds": True,
    },
    "base_rate": {"value": 0.14, "origin": "site", "outcome": "o", "cohort": "c"},
}
NONE: Json = {
    "outcome": "not_scored",
    "reason": "below_coverage_floor",
    "probability": None,
    "lace_points": None,
    "hospital_points": None,
}
"""Columns of a row without a result."""


def evidence(**given: Any) -> Json:
    rest = ("feature", "time", "received", "received_unit", "unit", "reason")
    return dict.fromkeys(rest, "") | {"value": 1.0} | given


def kept(**other: Any) -> Json:
    return KEPT | {"evidence": [evidence(**each) for each in KEPT["evidence"]]} | other


def found(contents: Json | None = None, **columns: Any) -> Recalled:
    given = {"bundle_digest": NETWORK.digest, "prediction_time": DISCHARGED}
    return recalled(assessment(**(given | columns)), contents)


def made(contents: Json | None = None, bundle: Bundle | None = NETWORK, **columns: Any) -> Json:
    return risk_assessment(found(contents, **columns), bundle=bundle)


def test_a_probability_is_in_percent_with_its_interval_beside_the_base_rate() -> None:
    prediction = made(kept())["prediction"][0]
    assert prediction["probabilityDecimal"] == 18.49
    assert prediction["relativeRisk"] == 1.32
    assert prediction["outcome"] == {"text": "readmission within 30 days"}
    assert prediction["whenPeriod"] == {
        "start": "2026-11-16T15:00:00Z",
        "end": "2026-12-16T15:00:00Z",
    }
    (interval,) = prediction["extension"]
    assert interval["url"] == INTERVAL
    assert [interval["valueRange"][end]["value"] for end in ("low", "high")] == [12.0, 25.01]
    assert prediction["rationale"].startswith("90 % interval: 12 to 25.01 %.")
    assert "80 of 105 inputs were known." in prediction["rationale"]
    assert "qualitativeRisk" not in prediction


def test_point_scores_are_predictions_of_their_own_outcome_with_a_band_and_no_percent() -> None:
    _, lace, hospital = made(kept())["prediction"]
    assert lace["outcome"]["text"] == LACE.published["lace"].outcome
    assert lace["qualitativeRisk"]["coding"][0]["code"] == "high"
    assert (lace["rationale"], hospital["rationale"]) == ("LACE 11 of 19", "HOSPITAL 5 of 13")
    assert hospital["qualitativeRisk"]["coding"][0]["code"] == "moderate"
    assert hospital["qualitativeRisk"]["text"] == "HOSPITAL: intermediate"
    assert not {"probabilityDecimal", "relativeRisk"} & (lace.keys() | hospital.keys())


def test_only_a_network_is_called_artificial_intelligence() -> None:
    assert made(kept())["meta"]["security"][0]["code"] == "AIAST"
    points = made(None, LACE, probability=None, bundle_digest=LACE.digest)
    assert "security" not in points["meta"]
    assert len(points["prediction"]) == 2
    assert points["method"]["text"] == LACE.manifest.title


def test_what_it_rests_on_is_named_once_and_by_version() -> None:
    expected = ["Observation/a/_history/2", "Patient/p"]
    assert [each["reference"] for each in made(kept())["basis"]] == expected
    resource = risk_assessment(found(kept()), bundle=NETWORK, base="https://ehr.example/fhir/")
    assert resource["basis"][0]["reference"] == f"https://ehr.example/fhir/{expected[0]}"
    assert resource["subject"]["reference"].startswith("https://ehr.example/fhir/Patient/")
    assert resource["encounter"]["reference"].startswith("https://ehr.example/fhir/Encounter/")


def test_it_has_the_id_under_which_it_can_be_written_once() -> None:
    case = found()
    resource = risk_assessment(case, bundle=NETWORK)
    uuid = case.row["uuid"]
    assert resource["id"] == uuid
    assert resource["identifier"] == [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid}"}]
    assert resource["performer"]["identifier"]["value"] == NETWORK.digest


def test_without_a_result_it_is_cancelled_and_says_why() -> None:
    resource = made({"missing": ["history"]}, **NONE)
    assert resource["status"] == "cancelled"
    assert "prediction" not in resource
    note = resource["note"][0]["text"]
    assert note == (
        "Readmission risk not scored: too little of the record could be read"
        " (below_coverage_floor). Missing: history."
    )


def test_before_the_discharge_it_is_preliminary_and_its_period_is_open() -> None:
    resource = made(kept(), timing="before_discharge")
    assert resource["status"] == "preliminary"
    assert resource["prediction"][0]["whenPeriod"] == {"start": "2026-11-16T15:00:00Z"}
    assert resource["note"][0]["text"].startswith("Made before the discharge")


def test_of_another_bundle_only_what_was_kept_is_said() -> None:
    reading = {"low": 10, "high": 19, "label": "high", "figure": None, "note": ""}
    baselines = [{"name": "lace", "components": [], "reading": reading}]
    resource = made(kept(baselines=baselines), bundle_digest="0" * 64)
    network, lace, hospital = resource["prediction"]
    assert network["outcome"] == {"text": "readmission within 30 days"}
    assert lace["qualitativeRisk"]["text"] == "LACE: high"
    assert lace["rationale"] == "LACE 11"
    assert "qualitativeRisk" not in hospital
    assert resource["method"]["text"] == "Readmit"


def test_of_a_service_that_is_gone_the_number_stays() -> None:
    resource = made(kept(), None)
    assert "code" not in resource
    assert "outcome" not in resource["prediction"][0]
    assert resource["prediction"][0]["probabilityDecimal"] == 18.49
    assert "end" not in resource["prediction"][0]["whenPeriod"]
    assert made(None, None, **NONE)["note"][0]["text"] == (
        "Not scored: below_coverage_floor (below_coverage_floor)."
    )


def test_purged_contents_leave_what_the_row_has() -> None:
    resource = made(None)
    assert resource["prediction"][0]["probabilityDecimal"] == 18.49
    assert resource["prediction"][0]["relativeRisk"] == 1.22
    assert "basis" not in resource
    assert "extension" not in resource["prediction"][0]


def test_a_critical_outcome_has_no_thirty_days() -> None:
    fields = critical_fields("ed_departure")
    manifest = msgspec.structs.replace(NETWORK.manifest, **fields)
    resource = made(kept(), replace(NETWORK, manifest=manifest))
    assert "end" not in resource["prediction"][0]["whenPeriod"]
    assert resource["code"]["coding"][0]["code"] == "critical-outcome"


def test_an_id_that_fhir_does_not_allow_is_an_identifier() -> None:
    resource = made(None, patient_id="p 1|ä", encounter_id=None, prediction_time=None)
    assert resource["subject"] == {"type": "Patient", "identifier": {"value": "p 1|ä"}}
    assert "encounter" not in resource
    assert resource["occurrenceDateTime"]


def test_fhir_resources_refuses_what_is_no_risk_assessment() -> None:
    with pytest.raises(ValidationError):
        validated({"status": "final"})


CASES: dict[str, Callable[[], Json]] = {
    "network": lambda: made(kept()),
    "preliminary": lambda: made(kept(), timing="before_discharge"),
    "points": lambda: made(None, LACE, probability=None, bundle_digest=LACE.digest),
    "cancelled": lambda: made({"missing": ["history"]}, **NONE),
    "odd ids": lambda: made(None, patient_id="p 1|ä", encounter_id=None),
    "gone": lambda: made(kept(), None),
    "absolute": lambda: risk_assessment(found(kept()), bundle=LACE, base="https://e.example/r4/"),
}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "resources"
    folder.mkdir()
    written = [folder / f"{name.replace(' ', '-')}.json" for name in CASES]
    for file, make in zip(written, CASES.values(), strict=True):
        file.write_text(json.dumps(make()))
    return written


@pytest.mark.slow
def test_another_validator_finds_nothing_wrong(files: list[Path], peers: Path) -> None:
    done = fhirkit(peers, files)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_nor_does_a_second_but_for_a_status_that_it_does_not_know(
    files: list[Path], peers: Path
) -> None:
    """It takes the statuses from a short form that ends in "+", for `cancelled` among others:
    https://hl7.org/fhir/R4/valueset-observation-status.html"""
    cancelled = files.pop(list(CASES).index("cancelled"))
    apart = cancelled.parent.parent / "apart"
    apart.mkdir()
    done = pyrofile(peers, [cancelled.rename(apart / cancelled.name)])
    (error,) = [line for line in done.stdout.splitlines() if "ERROR" in line]
    assert "'cancelled' is not in required ValueSet" in error
    assert pyrofile(peers, files).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("validate", [fhirkit, pyrofile])
def test_they_would_find_something(
    validate: Callable[..., subprocess.CompletedProcess[str]], files: list[Path], peers: Path
) -> None:
    resource = CASES["network"]()
    del resource["subject"], resource["status"]
    files[0].write_text(json.dumps(resource))
    done = validate(peers, files[:1])
    assert done.returncode != 0
    assert "subject" in done.stdout + done.stderr
