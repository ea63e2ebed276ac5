"""One patient, several ways in, one vector: files of either form, and a hook request."""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from itertools import islice, product
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cds_service.hooks.call import read_call
from cds_service.records import Gathered, gather
from fhir_mapping.exports import Export, read_export
from fhir_mapping.extract import FeatureVector, extract
from fhir_mapping.history import IndexStay, Sources
from fhir_mapping.reading import history_of
from fhir_mapping.stay import finished_stays, index_stay
from fhir_mapping.when import sortable
from tests.replay import Folder, read_folder, requests_of

pytestmark = [pytest.mark.data, pytest.mark.sampled(1)]

NEVER = datetime.max.replace(tzinfo=UTC)
"""Finished stays carry their own clock: this one is not asked."""
SMALL = ("mimic-iv-demo/fhir", "synthea-bulk100/ndjson", "synthea-bulk10-cc0")
LARGE = ("clinosim-101/ndjson", "clinosim-102/ndjson")
SAMPLE, MANY, ALL = 12, 40, 100_000
SAMPLES = [pytest.param(name, SAMPLE, id=f"{name}-sample") for name in SMALL]
WHOLE = [pytest.param(name, ALL, id=name, marks=pytest.mark.slow) for name in (*SMALL, *LARGE)]
SETS = [*WHOLE[: len(SMALL)], pytest.param(LARGE[0], MANY, id=f"{LARGE[0]}-sample")]
"""What slow tests read."""
Change = Callable[[dict[str, Any]], dict[str, Any]]


@cache
def export_of(path: Path) -> Export:
    return read_export(path)


def by_export(export: Export, sources: Sources, patients: int = ALL) -> dict[str, FeatureVector]:
    """Encounter -> vector for the first patients of an export."""
    return {
        stay.visit.id: extract(history, stay, sources)
        for _, resources in islice(export.records(), patients)
        for history in (history_of(resources),)
        for stay in finished_stays(history, NEVER)
    }


def gathered(request: Mapping[str, Any]) -> Gathered:
    call = read_call(msgspec.json.encode(request), NEVER)
    return gather(call.prefetch, call.patient_id, encounter_id=call.encounter_id)


def by_hook(found: Gathered, encounter: str, *told: Sources) -> list[FeatureVector]:
    """The vector by each of these sources."""
    history = history_of(found.resources, issues=found.issues)
    stay = index_stay(history, encounter, NEVER)
    assert isinstance(stay, IndexStay)
    return [extract(history, stay, sources) for sources in told]


def missing_more(less: FeatureVector, full: FeatureVector) -> bool:
    """True where each value is the same or missing."""
    return all(one in (other, None) for one, other in zip(less.values, full.values, strict=True))


@pytest.mark.parametrize(("name", "stays"), [*SAMPLES, *WHOLE])
def test_a_hook_request_gives_the_vector_of_the_export(
    data_dir: Path, name: str, stays: int
) -> None:
    """Where all was sent. What is larger than a page counts as partial: then values may be
    missing, but none is another."""
    export = export_of(data_dir / name)
    expected = by_export(export, export.sources, stays)
    played = 0
    for encounter, request in islice(requests_of(data_dir / name), stays):
        found = gathered(request)
        vector, whole = by_hook(found, encounter, found.sources, export.sources)
        assert whole.digest == expected[encounter].digest, encounter
        assert whole.evidence == expected[encounter].evidence, encounter
        if "partial" in found.sources.values():
            assert missing_more(vector, whole), encounter
        else:
            assert vector.digest == whole.digest, encounter
        played += 1
    assert played == (SAMPLE if stays == SAMPLE else len(expected))


def turned(request: dict[str, Any]) -> dict[str, Any]:
    """Each Bundle from its end."""
    return _with_entries(request, lambda entries: entries[::-1])


def repeated(request: dict[str, Any]) -> dict[str, Any]:
    """Each resource twice, and so no total."""
    request = _with_entries(request, lambda entries: [*entries, *entries])
    prefetch = {
        key: {name: part for name, part in value.items() if name != "total"}
        for key, value in request["prefetch"].items()
    }
    return request | {"prefetch": prefetch}


def with_a_link_to_itself(request: dict[str, Any]) -> dict[str, Any]:
    """As a paging server writes its only page."""
    return _with_bundles(request, {"link": [{"relation": "self", "url": "http://ehr/?_page=1"}]})


def without_total(request: dict[str, Any]) -> dict[str, Any]:
    """`total` is optional."""
    return _with_bundles(request, {"total": None})


def _with_entries(
    request: dict[str, Any], change: Callable[[list[Any]], list[Any]]
) -> dict[str, Any]:
    prefetch = {
        key: value | {"entry": change(value["entry"])} if "entry" in value else value
        for key, value in request["prefetch"].items()
    }
    return request | {"prefetch": prefetch}


def _with_bundles(request: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    prefetch = {
        key: value | change if value["resourceType"] == "Bundle" else value
        for key, value in request["prefetch"].items()
    }
    return request | {"prefetch": prefetch}


CHANGES: tuple[Change, ...] = (turned, repeated, with_a_link_to_itself, without_total)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stays"), SETS)
def test_how_the_answer_is_written_changes_nothing(data_dir: Path, name: str, stays: int) -> None:
    sources = export_of(data_dir / name).sources
    for encounter, request in islice(requests_of(data_dir / name), stays):
        [one] = by_hook(gathered(request), encounter, sources)
        for change in CHANGES:
            [other] = by_hook(gathered(change(request)), encounter, sources)
            assert one.digest == other.digest, (change.__name__, encounter)
            assert one.evidence == other.evidence, (change.__name__, encounter)


def as_ndjson(records: Iterable[list[bytes]], folder: Path) -> None:
    """One plain file."""
    (folder / "all.ndjson").write_bytes(b"".join(line for lines in records for line in lines))


def as_pages(records: Iterable[list[bytes]], folder: Path) -> None:
    """Dealt over five compressed files, as an export in parts: a patient is in all of them."""
    lines = [line for record in records for line in record]
    for number in range(5):
        page = gzip.compress(b"".join(lines[number::5]), compresslevel=1)
        (folder / f"page.{number:03}.ndjson.gz").write_bytes(page)


def as_bundles(records: Iterable[list[bytes]], folder: Path) -> None:
    """A Bundle for each patient."""
    for number, lines in enumerate(records):
        (folder / f"{number:05}.json").write_bytes(_bundle(lines))


def as_packed_bundles(records: Iterable[list[bytes]], folder: Path) -> None:
    """The same, compressed."""
    for number, lines in enumerate(records):
        (folder / f"{number:05}.json.gz").write_bytes(gzip.compress(_bundle(lines)))


def _bundle(lines: Iterable[bytes]) -> bytes:
    entries = b",".join(b'{"resource":' + line.strip() + b"}" for line in lines)
    return b'{"resourceType":"Bundle","type":"collection","entry":[' + entries + b"]}"


def records_of(folder: Folder, patients: int) -> Iterator[list[bytes]]:
    """The lines of each patient, then those of Locations and Medications."""
    for patient in islice(sorted(folder.charts), patients):
        yield [line for lines in folder.charts[patient].values() for line in lines]
    yield [json.dumps(each).encode() + b"\n" for each in folder.shared.values()]


WRITERS = (as_ndjson, as_pages, as_bundles, as_packed_bundles)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "patients"), SETS)
def test_how_the_export_is_written_changes_nothing(
    data_dir: Path, tmp_path: Path, name: str, patients: int
) -> None:
    sources = export_of(data_dir / name).sources
    records = list(records_of(read_folder(data_dir / name), patients))
    expected = by_export(export_of(data_dir / name), sources, patients)
    for write in WRITERS:
        folder = tmp_path / write.__name__
        folder.mkdir()
        write(records, folder)
        found = by_export(read_export(folder), sources)
        assert {each: v.digest for each, v in found.items()} == {
            each: v.digest for each, v in expected.items()
        }, write.__name__
        assert {each: v.evidence for each, v in found.items()} == {
            each: v.evidence for each, v in expected.items()
        }, write.__name__


MEASURED = [each for each in SETS if each.values[0] != "synthea-bulk10-cc0"]
"""Exports with observations."""
NEWEST = (5, 40)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stays"), MEASURED)
def test_a_cut_page_beside_the_stays_own_vital_signs_gives_no_other_value(
    data_dir: Path, name: str, stays: int
) -> None:
    """Of the observations only the newest as of the stay's end: a value is the same or missing."""
    played = 0
    for encounter, request in islice(requests_of(data_dir / name), stays):
        [whole] = by_hook(gathered(request), encounter, export_of(data_dir / name).sources)
        for newest, vitals in product(NEWEST, (None, request["prefetch"]["vitals"])):
            cut = request | {"prefetch": _cut(request["prefetch"], newest) | {"vitals": vitals}}
            found = gathered(cut)
            [vector] = by_hook(found, encounter, found.sources)
            assert missing_more(vector, whole), encounter
        played += 1
    assert played


def _cut(prefetch: dict[str, Any], newest: int) -> dict[str, Any]:
    """Without what came after the stay, so that the page ends within it, and with a next link."""
    stay_end = sortable(prefetch["encounter"]["period"]["end"])
    entries = [
        each
        for each in prefetch["observations"].get("entry", ())
        if _taken(each["resource"]) <= stay_end
    ]
    entries = sorted(entries, key=lambda each: _taken(each["resource"]), reverse=True)[:newest]
    link = [{"relation": "next", "url": "http://ehr/?page=2"}]
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": entries, "link": link}
    return prefetch | {"observations": bundle}


def _taken(observation: dict[str, Any]) -> str:
    period = observation.get("effectivePeriod", {})
    when = observation.get("effectiveDateTime") or observation.get("effectiveInstant")
    return sortable(when or period.get("end") or period.get("start") or "")
