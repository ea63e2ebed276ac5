"""Drugs taken at home, as known at T0, counted by distinct name."""

from typing import Any

import pytest

from tests.spec.record import (
    Resource,
    Rows,
    at,
    concept,
    drug,
    ed_visit,
    moment,
    refer,
    stay,
    value,
    visit,
)

ED = ed_visit()  # 03-10 08:00 to 12:00


def listed(name: str, asserted: str | None, context: str | None = None, **more: Any) -> Resource:
    own: Resource = {"status": "active", "dateAsserted": at(asserted)}
    own["context"] = refer(context and f"Encounter/{context}")
    return drug("MedicationStatement", name, **own | more)


def ordered(name: str, authored: str | None, encounter: str | None = None, **m: Any) -> Resource:
    own: Resource = {"status": "active", "intent": "order", "authoredOn": at(authored)}
    own["encounter"] = refer(encounter and f"Encounter/{encounter}")
    return drug("MedicationRequest", name, **own | m)


# With the ED visit T0 is 03-10 08:00 and departure 12:00.
@pytest.mark.parametrize(
    ("rows", "answer"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([listed("aspirin", "03-10 07:00")], 1, id="listed before"),
        pytest.param([listed("aspirin", "03-10 09:00", "ed")], 1, id="listed in the ED"),
        pytest.param([listed("aspirin", "03-10 12:00")], 1, id="listed at departure"),
        pytest.param([listed("aspirin", "03-10 12:01")], 0, id="listed after departure"),
        pytest.param([listed("aspirin", "03-10 12:01", "ed")], 0, id="... of the ED visit too"),
        pytest.param([listed("aspirin", "2024-03-10")], 1, id="listed that day"),
        pytest.param([listed("aspirin", "03-01 07:00", "before")], 0, id="list of another visit"),
        pytest.param([listed("aspirin", "03-01 07:00", "clinic")], 1, id="list of a clinic visit"),
        pytest.param([listed("aspirin", None)], 0, id="no date"),
        pytest.param([listed("aspirin", "03-10 07:00", status="completed")], 1, id="completed"),
        pytest.param([listed("aspirin", "03-10 07:00", status="unknown")], 1, id="as in MIMIC"),
        pytest.param([listed("aspirin", "03-10 07:00", status="stopped")], 0, id="stopped"),
        pytest.param([listed("aspirin", "03-10 07:00", status="not-taken")], 0, id="not taken"),
        pytest.param([listed("aspirin", "03-10 07:00", status="intended")], 0, id="intended"),
        pytest.param(
            [
                listed(
                    "aspirin",
                    "03-01 07:00",
                    effectivePeriod={"start": at("01-01 00:00"), "end": at("03-05 00:00")},
                )
            ],
            0,
            id="taken until before T0",
        ),
        pytest.param([ordered("aspirin", "03-01 00:00")], 1, id="ordered before"),
        pytest.param([ordered("aspirin", "03-10 08:00")], 1, id="ordered at T0"),
        pytest.param([ordered("aspirin", "03-10 08:01")], 0, id="ordered after T0"),
        pytest.param([ordered("aspirin", "03-01 00:00", intent="plan")], 1, id="planned"),
        pytest.param([ordered("aspirin", "03-01 00:00", intent="proposal")], 0, id="proposed"),
        pytest.param([ordered("aspirin", "03-01 00:00", status="completed")], 0, id="over"),
        pytest.param([ordered("aspirin", "03-01 00:00", "stay")], 0, id="of the index stay"),
        pytest.param([ordered("aspirin", "03-01 00:00", "before")], 1, id="of an earlier visit"),
        pytest.param(
            [ordered("aspirin", "03-01 00:00", "stay", reportedBoolean=True)], 1, id="as reported"
        ),
        pytest.param(
            [ordered("aspirin", "03-01 00:00", category=[concept("s|inpatient")])], 0, id="ward"
        ),
        pytest.param(
            [ordered("aspirin", "03-01 00:00", category=[concept("s|community")])], 1, id="home"
        ),
        pytest.param(
            [listed("Aspirin", "03-10 07:00"), ordered("aspirin", "03-01 00:00", id_="r")],
            1,
            id="one name in both",
        ),
    ],
)
def test_home_drugs_known_at_t0(rows: list[Rows], answer: float) -> None:
    earlier = visit("before", "IMP", "03-01 00:00", "03-03 00:00")
    clinic = visit("clinic", "AMB", "03-01 06:00", "03-01 08:00")
    assert value("n_medrecon", ED, earlier, clinic, *rows) == answer


def test_without_an_ed_visit_an_empty_answer_is_no_list() -> None:
    assert value("n_medrecon") is None
    assert value("n_medrecon", listed("aspirin", "03-10 12:00")) == 1
    assert value("n_medrecon", listed("aspirin", "03-10 12:01")) is None


def test_in_progress_the_list_is_that_of_the_clock() -> None:
    rows = (
        stay("03-10 08:30", None, status="in-progress"),
        ed_visit(end=None, status="in-progress", part_of="stay"),
        listed("aspirin", "03-10 09:00", "ed"),
    )
    assert value("n_medrecon", *rows, now=moment("03-10 08:45")) == 0
    assert value("n_medrecon", *rows, now=moment("03-10 09:30")) == 1
