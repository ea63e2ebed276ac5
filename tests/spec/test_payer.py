"""The payer at T0: codes, words, periods, precedence."""

from typing import Any

import pytest

from tests.spec.record import (
    Resource,
    at,
    concept,
    patient,
    read_all_but,
    refer,
    stay,
    value,
)

SOPT = "https://nahdo.org/sopt"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
SELF = "http://terminology.hl7.org/CodeSystem/coverage-selfpay"


def coverage(
    *codes: str,
    text: str | None = None,
    payor: str | None = None,
    start: str | None = None,
    end: str | None = None,
    **more: Any,
) -> Resource:
    period = {name: at(edge) for name, edge in (("start", start), ("end", end)) if edge}
    row = {
        "resourceType": "Coverage",
        "id": more.pop("id", "v"),
        "status": "active",
        "beneficiary": refer("Patient/p"),
        "type": concept(*codes, text=text),
        "payor": [{"display": payor}] if payor else [],
        "period": period,
    }
    return row | more


@pytest.mark.parametrize(
    ("row", "level"),
    [
        (coverage(f"{SOPT}|1"), "medicare"),
        (coverage(f"{SOPT}|121"), "medicare"),
        (coverage(f"{SOPT}|2"), "medicaid"),
        (coverage(f"{SOPT}|219"), "medicaid"),
        (coverage(f"{SOPT}|361"), "medicaid"),
        (coverage(f"{SOPT}|36"), "other"),
        (coverage(f"{SOPT}|311"), "other"),
        (coverage(f"{SOPT}|4"), "other"),
        (coverage(f"{SOPT}|512"), "private"),
        (coverage(f"{SOPT}|619"), "private"),
        (coverage(f"{SOPT}|7"), "other"),
        (coverage(f"{SOPT}|81"), "none"),
        (coverage(f"{SOPT}|95"), "other"),
        (coverage(f"{SOPT}|9999"), "unknown"),
        (coverage("urn:oid:2.16.840.1.113883.3.221.5|1"), "medicare"),
        (coverage(f"{SELF}|pay"), "none"),
        (coverage(f"{ACT}|EHCPOL"), "private"),
        (coverage(f"{ACT}|PUBLICPOL"), "other"),
        (coverage(f"{ACT}|WCBPOL"), "other"),
        (coverage(f"{ACT}|VET"), "other"),
        (coverage(f"{ACT}|CHAR"), "none"),
        (coverage("urn:site|1"), "unknown"),
        (coverage(text="Medicare Part A"), "medicare"),
        (coverage(text="Medicare Advantage, Blue Cross"), "medicare"),
        (coverage(payor="Medicaid of Ohio"), "medicaid"),
        (coverage(payor="Dual Eligible"), "medicare"),
        (coverage(payor="Blue Cross Blue Shield"), "private"),
        (coverage(payor="Children's Health Insurance Program"), "medicaid"),
        (coverage(payor="Childrens Health Insurance Program"), "medicaid"),
        (coverage(payor="Workers' Comp"), "other"),
        (coverage(payor="Workers Comp"), "other"),
        (coverage(payor="TRICARE East"), "other"),
        (coverage(payor="VA"), "other"),
        (coverage(payor="Valley Health"), "unknown"),
        (coverage(payor="Self-Pay"), "none"),
        (coverage(payor="NO_INSURANCE"), "none"),
        (coverage(f"{ACT}|PUBLICPOL", payor="Medicaid"), "medicaid"),
        (coverage(f"{ACT}|EHCPOL|Medicare"), "medicare"),
        (coverage(f"{SOPT}|5", text="Medicare"), "private"),
        (coverage(), "unknown"),
    ],
)
def test_codes_and_words(row: Resource, level: str) -> None:
    assert value("insurance", row) == level


# T0 is 03-10 12:00
@pytest.mark.parametrize(
    ("row", "level"),
    [
        pytest.param(coverage(f"{SOPT}|1"), "medicare", id="no period"),
        pytest.param(coverage(f"{SOPT}|1", start="01-01 00:00"), "medicare", id="begun"),
        pytest.param(coverage(f"{SOPT}|1", start="03-10 12:00"), "medicare", id="begins at T0"),
        pytest.param(coverage(f"{SOPT}|1", start="03-10 12:01"), "unknown", id="begins later"),
        pytest.param(coverage(f"{SOPT}|1", start="2024-03-10"), "medicare", id="begins that day"),
        pytest.param(coverage(f"{SOPT}|1", end="03-10 11:59"), "unknown", id="over"),
        pytest.param(coverage(f"{SOPT}|1", end="2024-03-10"), "medicare", id="ends that day"),
        pytest.param(coverage(f"{SOPT}|1", end="2024-03-09"), "unknown", id="ended the day before"),
        pytest.param(coverage(f"{SOPT}|1", end="9999-12-31"), "medicare", id="no end in sight"),
        pytest.param(coverage(f"{SOPT}|1", status="cancelled"), "unknown", id="cancelled"),
        pytest.param(coverage(f"{SOPT}|1", status="draft"), "unknown", id="draft"),
        pytest.param(coverage(f"{SOPT}|1", status="entered-in-error"), "unknown", id="in error"),
    ],
)
def test_active_at_t0(row: Resource, level: str) -> None:
    assert value("insurance", row) == level


@pytest.mark.parametrize(
    ("codes", "level"),
    [
        ("1 2 5 3 8", "medicare"),
        ("8 3 5 2", "medicaid"),
        ("8 3 5", "private"),
        ("8 3", "other"),
        ("8", "none"),
    ],
)
def test_of_several_the_first_in_the_order_of_precedence(codes: str, level: str) -> None:
    rows = [coverage(f"{SOPT}|{code}", id=f"v{code}") for code in codes.split()]
    assert value("insurance", rows) == level
    assert value("insurance", rows[::-1]) == level


def test_nothing_stated_is_unknown_and_not_read_is_missing() -> None:
    assert value("insurance") == "unknown"
    assert value("insurance", sources=read_all_but(Coverage="partial")) is None
    assert value("insurance", sources=read_all_but(Coverage="not_read")) is None
    row = coverage(f"{SOPT}|1")
    assert (
        value("insurance", patient(), stay(), row, sources=read_all_but(Coverage="not_read"))
        == "medicare"
    )
