"""Pain scores and triage levels, as numbers, words and coded answers."""

import time

import pytest

from tests.spec.record import ed_visit, issue_codes, observation, observations, value, vector

ED = ed_visit()
PAIN, ACUITY = "72514-3", "75636-1"


@pytest.mark.parametrize(
    ("received", "answer", "issue"),
    [
        ("7 | {score}", 7, None),
        ("7", 7, None),
        ("7 | 1", 7, None),
        ("int 7", 7, None),
        ("0", 0, None),
        ("10", 10, None),
        ("11", None, "implausible"),
        ("7 | Cel", None, "unit_unknown"),
        ('"7"', 7, None),
        ('" 7 "', 7, None),
        ('"7.5"', 7.5, None),
        ('"7/10"', 7, None),
        ('"5-7"', 6, None),
        ('"5 - 8"', 6.5, None),
        ('"3 now, was 5-7"', 3, None),
        ('"about 4"', 4, None),
        ('"13"', None, "implausible"),
        ('"unable"', None, "value_not_numeric"),
        ('"asleep"', None, "value_not_numeric"),
        ("s|x|Pain 4", 4, None),
        ("<3", None, "comparator"),
        ("-1", None, "implausible"),
    ],
)
def test_pain(received: str, answer: float | None, issue: str | None) -> None:
    found = vector(ED, observations(f"03-10 08:10 | {PAIN} | {received}"))
    for name in ("triage_pain", "ed_pain_last"):
        assert found[name] == answer
        assert issue_codes(found, name) == ({issue} if issue else set())


@pytest.mark.parametrize("code", ["72514-3", "38208-5", "98137-3"])
def test_pain_codes(code: str) -> None:
    assert value("triage_pain", ED, observations(f"03-10 08:10 | {code} | 7")) == 7


def test_the_last_score_that_is_one() -> None:
    table = """
        03-10 08:10 | 98137-3 | "7"
        03-10 09:10 | 98137-3 | "5-6"
        03-10 10:10 | 98137-3 | "asleep"
        """
    found = vector(ED, observations(table))
    assert (found["triage_pain"], found["ed_pain_last"]) == (7, 5.5)


@pytest.mark.parametrize(
    ("received", "answer", "issue"),
    [
        ("3 | {level}", 3, None),
        ("3", 3, None),
        ("int 3", 3, None),
        ('"3"', 3, None),
        ('"3 - Urgent"', 3, None),
        ('"ESI-3"', 3, None),
        ('"ESI level 3"', 3, None),
        ("s|3", 3, None),
        ("s|x|Level 2 - Emergent", 2, None),
        ("loinc|LA21567-5", 1, None),
        ("loinc|LA21752-3", 2, None),
        ("loinc|LA21753-1", 3, None),
        ("loinc|LA21754-9", 4, None),
        ("loinc|LA21755-6", 5, None),
        ("loinc|LA21753-1|Needs 2 or more resources", 3, None),
        ("loinc|LA21754-9|Needs 1 resource", 4, None),
        ("s|x|Needs 2 or more resources", None, "value_not_numeric"),
        ('"Urgent"', None, "value_not_numeric"),
        ('"2-3"', None, "implausible"),
        ("0", None, "implausible"),
        ("6", None, "implausible"),
        ("2.5", None, "implausible"),
    ],
)
def test_acuity_is_a_whole_level_from_1_to_5(
    received: str, answer: float | None, issue: str | None
) -> None:
    found = vector(ED, observations(f"03-10 08:10 | {ACUITY} | {received}"))
    assert found["triage_acuity"] == answer
    assert issue_codes(found, "triage_acuity") == ({issue} if issue else set())


def test_a_coded_answer_counts_before_its_words() -> None:
    row = observation("03-10 08:10", ACUITY, "loinc|LA21752-3", text="Emergent")
    assert value("triage_acuity", ED, row) == 2


def test_the_acuity_code_of_mimic() -> None:
    assert value("triage_acuity", ED, observations('03-10 08:10 | 56839-4 | "2"')) == 2


def test_endless_words_take_no_time() -> None:
    row = observation("03-10 08:10", PAIN) | {"valueString": "1" * 200_000}
    begun = time.perf_counter()
    assert value("triage_pain", ED, row) is None
    assert time.perf_counter() - begun < 1
