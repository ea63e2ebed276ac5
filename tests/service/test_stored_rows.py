"""What was stored is found again: by stay, by card, by time - by its own tenant only. On both databases."""

import asyncio
from collections.abc import Callable
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from cds_service.errors import StoreUnavailableError
from cds_service.storage.store import Store
from cds_service.storage.tables import FEEDBACK, SPENT_TOKEN
from tests.service.stored import (
    CONTENTS,
    SERVICE,
    add,
    assessment,
    comment,
    entry,
    moment,
    new_uuid,
    opened,
)
from tests.service.tampering import links

pytestmark = pytest.mark.sampled(6)

STAY: dict[str, Any] = {
    "service_id": SERVICE,
    "fhir_server": "https://fhir.example",
    "patient_id": "p",
    "encounter_id": "e",
}


async def test_a_row_comes_back_as_it_was_given(store: Store) -> None:
    row = assessment(**STAY)
    contents = CONTENTS | {"values": [0.1 + 0.2, None, "unknown"], "card": {"detail": "é"}}
    await store.add_assessment(row, contents, after=None)
    found = await store.shown("north", **STAY)
    assert found is not None
    assert {name: found.row[name] for name in row} == row
    assert found.contents == contents


async def test_a_stay_is_given_a_card_only_after_the_one_that_it_has(store: Store) -> None:
    first, other = (assessment(**STAY) for _ in range(2))
    repeat = assessment(**STAY, first_showing=False)
    assert await store.add_assessment(first, CONTENTS, after=None)
    assert not await store.add_assessment(other, CONTENTS, after=None)
    assert len(await links(store)) == 1  # nothing of it was written
    assert await store.add_assessment(repeat, CONTENTS, after=None)
    assert await store.add_assessment(other, CONTENTS, after=first["uuid"])


@pytest.mark.parametrize("encounter_id", ["e", None])
async def test_of_calls_that_come_together_one_gives_the_stay_its_card(
    encounter_id: str | None, store: Store
) -> None:
    stay = STAY | {"encounter_id": encounter_id}
    rows = [assessment(**stay) for _ in range(8)]
    given = await asyncio.gather(
        *(store.add_assessment(each, CONTENTS, after=None) for each in rows)
    )
    assert sorted(given) == [False] * 7 + [True]


async def test_the_newest_first_showing_is_found(store: Store) -> None:
    assert await store.shown("north", **STAY) is None
    await add(store, **STAY)
    newer = await add(store, **STAY)
    await add(store, **STAY, first_showing=False)
    found = await store.shown("north", **STAY)
    assert found is not None
    assert found.row["uuid"] == newer["uuid"]


@pytest.mark.parametrize(
    "other",
    [
        {"service_id": "x"},
        {"fhir_server": "x"},
        {"fhir_server": None},
        {"patient_id": "x"},
        {"encounter_id": "x"},
        {"encounter_id": None},
    ],
    ids=str,
)
async def test_another_stay_is_not_that_stay(other: dict[str, Any], store: Store) -> None:
    await add(store, **STAY)
    assert await store.shown("north", **STAY | other) is None
    row = await add(store, **STAY | other)
    found = await store.shown("north", **STAY | other)
    assert found is not None
    assert found.row["uuid"] == row["uuid"]


async def test_contents_that_no_key_opens_are_none(store: Store, url: str) -> None:
    await add(store, **STAY)
    other = opened(url, "bm90LXRoZS1rZXktb2YtdGhlLXRlc3RzLTAxMjM0NTY=")
    found = await other.shown("north", **STAY)
    await other.close()
    assert found is not None
    assert found.contents is None


BUNDLE = "b" * 64


async def test_a_stay_counts_once_and_at_its_first_probability(store: Store) -> None:
    before = await add(store, encounter_id="before", created_at=moment(-10))
    await add(store, encounter_id="before", created_at=moment(5))
    await add(store, encounter_id="unscored", probability=None, outcome="not_scored")
    await add(store, encounter_id=None)
    await add(store, encounter_id="unscored", hook="batch", probability=0.9, first_showing=False)
    later = await add(store, encounter_id="unscored", probability=0.2, silent=True)
    points = await add(store, encounter_id="points", probability=None)
    found = await store.first_probabilities(
        "north", service_id=SERVICE, bundle=BUNDLE, since=moment(0)
    )
    assert found == [(later["created_at"], 0.2)]
    every = await store.first_probabilities(
        "north", service_id=SERVICE, bundle=BUNDLE, since=moment(-10)
    )
    assert every[0] == (before["created_at"], before["probability"])
    assert points["created_at"] not in dict(every)
    other = await add(store, encounter_id="before", bundle_digest="c" * 64)
    scored = await store.first_probabilities(
        "north", service_id=SERVICE, bundle="c" * 64, since=moment(-10)
    )
    assert scored == [(other["created_at"], other["probability"])]  # of its own scale alone


async def test_the_same_id_at_two_servers_is_two_stays(store: Store) -> None:
    one = await add(store, encounter_id="e", fhir_server="https://one.example/r4", probability=0.1)
    two = await add(store, encounter_id="e", fhir_server="https://two.example/r4", probability=0.2)
    await add(store, encounter_id="e", fhir_server="https://one.example/r4", probability=0.3)
    found = await store.first_probabilities(
        "north", service_id=SERVICE, bundle=BUNDLE, since=moment(0)
    )
    assert found == [(each["created_at"], each["probability"]) for each in (one, two)]


async def test_a_card_leads_to_the_assessment_that_showed_it_first(store: Store) -> None:
    first = await add(store)
    await add(store, card_uuid=first["card_uuid"], first_showing=False)
    cards = [first["card_uuid"], new_uuid()]
    found = await store.cards_of("north", service_id=SERVICE, card_uuids=cards)
    assert found == {first["card_uuid"]: first["uuid"]}
    assert await store.cards_of("north", service_id="other", card_uuids=cards) == {}
    assert await store.cards_of("north", service_id=SERVICE, card_uuids=[]) == {}


async def test_feedback_of_one_call_is_written_whole_or_not(store: Store) -> None:
    shown = await add(store)
    good, bad = entry(shown), entry(shown, outcome=None)
    with pytest.raises(StoreUnavailableError):
        await store.add_feedback([good, bad], {})
    assert await uuids(store) == []
    await store.add_feedback([good, entry(shown)], {good["uuid"]: "a comment"})
    assert len(await uuids(store)) == 2


async def uuids(store: Store) -> list[str]:
    async with store.database.reading() as connection:
        return list((await connection.scalars(select(FEEDBACK.c.uuid))).all())


async def test_a_token_is_spent_once_by_whoever(store: Store, url: str) -> None:
    again = opened(url)  # another worker, or this one after a restart
    expires, now = moment(5), moment(0)
    assert await store.spend_token("a" * 64, expires_at=expires, now=now)
    assert not await store.spend_token("a" * 64, expires_at=expires, now=now)
    assert not await again.spend_token("a" * 64, expires_at=expires, now=now)
    assert await again.spend_token("b" * 64, expires_at=expires, now=now)
    await again.close()


async def test_tokens_that_expired_are_forgotten(store: Store) -> None:
    await store.spend_token("a" * 64, expires_at=moment(5), now=moment(0))
    await store.spend_token("b" * 64, expires_at=moment(35), now=moment(30))
    async with store.database.reading() as connection:
        left = await connection.scalars(select(SPENT_TOKEN.c.digest))
        assert left.all() == ["b" * 64]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(st.lists(st.tuples(st.sampled_from(("north", "south")), st.integers(0, 1)), max_size=6))
async def test_no_tenant_sees_anothers_rows(store: Store, written: list[tuple[str, int]]) -> None:
    """Same stays, same cards, same times: only the tenant tells them apart."""
    await forget(store)
    cards, expected = [new_uuid(), new_uuid()], {"north": {}, "south": {}, "west": {}}
    for tenant, stay in written:
        columns = {"patient_id": "p", "encounter_id": f"e{stay}", "card_uuid": cards[stay]}
        row = await add(store, tenant, **columns, probability=0.1 + stay)
        await comment(store, row)
        expected[tenant].setdefault(stay, []).append(row)
    for tenant, stays in expected.items():
        await sees_its_own(store, tenant, cards, stays)


async def sees_its_own(
    store: Store, tenant: str, cards: list[str], stays: dict[int, list[dict[str, Any]]]
) -> None:
    for stay, card in enumerate(cards):
        found = await store.shown(
            tenant,
            service_id=SERVICE,
            fhir_server=None,
            patient_id="p",
            encounter_id=f"e{stay}",
        )
        rows = stays.get(stay)
        assert (found.row["uuid"] if found else None) == (rows[-1]["uuid"] if rows else None)
        known = await store.cards_of(tenant, service_id=SERVICE, card_uuids=[card])
        assert known == ({card: rows[0]["uuid"]} if rows else {})
    probabilities = await store.first_probabilities(
        tenant, service_id=SERVICE, bundle=BUNDLE, since=moment(-999)
    )
    assert sorted(p for _, p in probabilities) == sorted(0.1 + stay for stay in stays)
    links = {head.tenant: head.number for head in await store.heads()}
    assert links.get(tenant, 0) == 2 * sum(map(len, stays.values()))


async def forget(store: Store) -> None:
    async with store.database.writing() as connection:
        for table in ("assessment", "feedback", "sealed", "audit", "audit_head"):
            await connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608


SPOILT: list[Callable[[dict[str, Any]], object]] = [
    lambda row: row.update(created_at=row["created_at"].replace(tzinfo=None)),
    lambda row: row.update(hook=None),
]


@pytest.mark.parametrize("spoil", SPOILT, ids=["time without zone", "no hook"])
async def test_a_row_that_cannot_be_chained_is_not_stored(
    spoil: Callable[[dict[str, Any]], object], store: Store
) -> None:
    row = assessment()
    spoil(row)
    with pytest.raises(StoreUnavailableError):
        await store.add_assessment(row, CONTENTS, after=None)
    assert await store.heads() == []


async def test_times_are_stored_as_moments(store: Store) -> None:
    local = moment(0).astimezone(timezone(timedelta(hours=-5)))
    row = assessment(**STAY, created_at=local, prediction_time=local)
    await store.add_assessment(row, CONTENTS, after=None)
    found = await store.shown("north", **STAY)
    assert found is not None
    assert found.row["created_at"].isoformat() == "2026-11-21T12:00:00+00:00"
    assert found.row["prediction_time"] == local
