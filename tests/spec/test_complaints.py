"""The chief complaint: which text is read, and what counts as a mention."""

import time

import pytest

from tests.spec.record import (
    Resource,
    Rows,
    ed_visit,
    observation,
    observations,
    stay,
    value,
    vector,
)

ED = ed_visit()


def said(words: str) -> Resource:
    return observation("03-10 08:05", "8661-1") | {"valueString": words}


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ("chest_pain", "Chest pain"),
        ("abdominal_pain", "ABDOMINAL PAIN"),
        ("abdominal_pain", "abd pain"),
        ("headache", "Headaches since Tuesday"),
        ("headache", "lightheaded"),
        ("shortness_of_breath", "shortness of breath"),
        ("shortness_of_breath", "Difficulty breathing"),
        ("back_pain", "low back pain"),
        ("cough", "productive cough, 3 days"),
        ("nausea_vomiting", "nausea"),
        ("nausea_vomiting", "N/V, vomiting"),
        ("fever_chills", "fevers"),
        ("fever_chills", "rigors and chills"),
        ("syncope", "syncope"),
        ("dizziness", "dizzy"),
        ("dizziness", "dizziness"),
    ],
)
def test_a_term_is_mentioned(feature: str, words: str) -> None:
    assert value(f"chiefcom_{feature}", ED, said(words)) == 1


# us_core: at word starts and not negated; mimic: anywhere, as the benchmark does
@pytest.mark.parametrize(
    ("feature", "words", "usual", "mimic"),
    [
        ("cough", "fall", 0, 0),
        ("cough", "", None, None),
        ("cough", "denies cough", 0, 1),
        ("cough", "no fever or cough", 0, 1),
        ("cough", "fever, no chills, cough", 1, 1),
        ("cough", "no fever. cough", 1, 1),
        ("cough", "no fever; cough", 1, 1),
        ("cough", "without cough", 0, 1),
        ("cough", "negative for cough", 0, 1),
        ("cough", "cough, not productive", 1, 1),
        ("cough", "no cough yesterday, cough today", 1, 1),
        ("cough", "nose and cough", 1, 1),
        ("syncope", "presyncope", 0, 1),
        ("back_pain", "feedback painful", 0, 1),
        ("chest_pain", "chest  pain", 0, 0),
        ("chest_pain", "pain in the chest", 0, 0),
    ],
)
def test_negation_and_word_starts(
    feature: str, words: str, usual: float | None, mimic: float | None
) -> None:
    name = f"chiefcom_{feature}"
    assert value(name, ED, said(words)) == usual
    rows = (
        ed_visit(
            identifier=[{"system": "http://mimic.mit.edu/fhir/mimic/identifier/encounter-ed"}]
        ),
        stay(identifier=[{"system": "http://mimic.mit.edu/fhir/mimic/identifier/encounter-hosp"}]),
    )
    assert value(name, rows, said(words), profile="mimic") == mimic


@pytest.mark.parametrize(
    ("rows", "answer"),
    [
        pytest.param([ED], None, id="no text"),
        pytest.param([ED, said("cough")], 1, id="as observed"),
        pytest.param([ED, observations('03-10 08:05 | 10154-3 | "cough"')], 1, id="second code"),
        pytest.param(
            [ED, observation("03-10 08:05", "8661-1", "snomed|49727002|Cough (finding)")],
            1,
            id="as a coded value's display",
        ),
        pytest.param(
            [ED, observation("03-10 08:05", "8661-1", "snomed|1", text="a cough")],
            1,
            id="as a coded value's text",
        ),
        pytest.param(
            [ED, said("fever"), observations('03-10 09:00 | 8661-1 | "cough"')],
            1,
            id="of two, either",
        ),
        pytest.param([ed_visit(reason="cough")], 1, id="the ED visit's reason"),
        pytest.param([stay(reason="cough")], 1, id="the stay's reason"),
        pytest.param(
            [stay(reasonCode=[{"coding": [{"display": "Cough (finding)"}]}])],
            1,
            id="by its display",
        ),
        pytest.param([ed_visit(reason="fever"), said("cough")], 1, id="observed before the reason"),
        pytest.param(
            [ed_visit(reason="cough"), said("fever")], 0, id="and then the reason is not read"
        ),
        pytest.param(
            [ed_visit(reason="fever"), stay(reason="cough")], 0, id="the ED's before the stay's"
        ),
        pytest.param(
            [stay(reason="cough"), said("fever")], 1, id="no ED visit: not before admission"
        ),
        pytest.param(
            [ED, observations('03-10 12:01 | 8661-1 | "cough"')], None, id="after departure"
        ),
        pytest.param(
            [ED, observations('03-10 07:59 | 8661-1 | "cough"')], None, id="before arrival"
        ),
        pytest.param(
            [ED, observations('03-10 08:05 | 8661-1 | "cough" | | status=entered-in-error')],
            None,
            id="entered in error",
        ),
        pytest.param(
            [ED, observations('03-10 08:05 | 8661-1 | "cough" | | issued=03-15 12:01')],
            None,
            id="issued after the prediction time",
        ),
    ],
)
def test_the_text_that_is_read(rows: list[Rows], answer: float | None) -> None:
    assert value("chiefcom_cough", *rows) == answer


def test_a_zero_says_what_was_read() -> None:
    (evidence,) = vector(ED, said("fall")).evidence_for("chiefcom_cough")
    assert evidence.reference == "Observation/o"
    assert evidence.reason == "not mentioned in the complaint"


def test_an_endless_text_takes_no_time() -> None:
    begun = time.perf_counter()
    assert value("chiefcom_cough", ED, said("no " + "cough " * 50_000)) == 0
    assert time.perf_counter() - begun < 1
