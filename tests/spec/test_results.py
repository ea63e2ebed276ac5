"""Results as such: status, newer versions, when they were issued. A heart rate stands for all."""

import pytest

from tests.spec.record import ed_visit, issue_codes, observations, value, vector

ED = ed_visit()
TRIAGE = "triage_heartrate"


@pytest.mark.parametrize(
    ("status", "usable"),
    [
        ("final", True),
        ("amended", True),
        ("corrected", True),
        ("preliminary", False),
        ("registered", False),
        ("cancelled", False),
        ("entered-in-error", False),
        ("unknown", False),
    ],
)
def test_only_final_and_corrected_results_are_used(status: str, usable: bool) -> None:
    answer = vector(ED, observations(f"03-10 08:10 | 8867-4 | 88 | /min | status={status}"))
    assert answer[TRIAGE] == (88 if usable else None)
    assert ("status_not_usable" in issue_codes(answer)) is not usable


@pytest.mark.parametrize(
    ("newer", "answer"),
    [
        ("90 | /min | id=o, status=corrected, updated=03-10 09:00", 90),
        ("88 | /min | id=o, status=entered-in-error, updated=03-10 09:00", None),
        ("88 | /min | id=o, status=cancelled, updated=03-10 09:00", None),
    ],
)
def test_a_newer_version_replaces_the_older(newer: str, answer: float | None) -> None:
    old = observations("03-10 08:10 | 8867-4 | 88 | /min | id=o, updated=03-10 08:15")
    new = observations(f"03-10 08:10 | 8867-4 | {newer}")
    assert value(TRIAGE, ED, old, new) == answer
    assert value(TRIAGE, ED, new, old, old) == answer


@pytest.mark.parametrize(
    ("issued", "answer"), [("03-15 12:00", 88), ("03-15 12:01", None), ("2024-03-15", 88)]
)
def test_a_result_issued_after_the_prediction_time_was_not_known(
    issued: str, answer: float | None
) -> None:
    table = f"03-10 08:10 | 8867-4 | 88 | /min | issued={issued}"
    assert value(TRIAGE, ED, observations(table)) == answer


def test_equal_issues_are_counted() -> None:
    rows = observations("""
        03-10 08:10 | 8867-4 | 0  | /min
        03-10 08:20 | 8867-4 | 0  | /min
        03-10 08:30 | 8867-4 | 88 | /min
        """)
    counted = {(each.code, each.feature): each.count for each in vector(ED, rows).issues}
    assert counted == {("implausible", TRIAGE): 2, ("implausible", "ed_heartrate_last"): 2}
