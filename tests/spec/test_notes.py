"""The discharge summary of a stay: which document, and how it reads."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from fhir_mapping.documents import Document, decode_document
from fhir_mapping.history import DataIssue
from fhir_mapping.notes import discharge_summaries, is_discharge_summary, plain_text, text_of
from fhir_mapping.profiles import load_profile
from fhir_mapping.resources import decode
from tests.spec.record import Resource, at, concept, ed_visit, history, refer, stay, visit

US_CORE = load_profile("us_core")
SUMMARY = "loinc|18842-5"


def attached(text: str, content_type: str = "text/plain", charset: str = "utf-8") -> Resource:
    data = base64.b64encode(text.encode(charset)).decode()
    return {"attachment": {"contentType": content_type, "data": data}}


def reference(id_: str, *contents: Resource, **fields: Any) -> Resource:
    """A DocumentReference of the stay, by the stay's end; `encounter` None: it names none."""
    encounter = fields.pop("encounter", "stay")
    own = {
        "resourceType": "DocumentReference",
        "id": id_,
        "status": "current",
        "type": concept(fields.pop("type", SUMMARY)),
        "subject": refer("Patient/p"),
        "date": at(fields.pop("date", "03-15 12:00")),
        "content": list(contents) or [attached(f"text of {id_}")],
        "context": {"encounter": [refer(f"Encounter/{encounter}")]} if encounter else {},
    }
    return own | fields


def composition(id_: str, *sections: Resource, **fields: Any) -> Resource:
    own = {
        "resourceType": "Composition",
        "id": id_,
        "status": "final",
        "type": concept(fields.pop("type", SUMMARY)),
        "subject": refer("Patient/p"),
        "encounter": refer("Encounter/stay"),
        "date": at(fields.pop("date", "03-15 12:00")),
        "section": list(sections) or [section("", f"text of {id_}")],
    }
    return own | fields


def section(title: str, body: str, *inner: Resource) -> Resource:
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>'
    return {"title": title, "text": {"status": "generated", "div": div}, "section": list(inner)}


def decoded(*documents: Resource) -> list[Document]:
    found = [decode_document(json.dumps(each).encode()) for each in documents]
    assert all(found)
    return [each for each in found if each is not None and not isinstance(each, DataIssue)]


def summaries(*documents: Resource, visits: tuple[Resource, ...] = ()) -> dict[str, str]:
    record = history(stay(), *visits)
    return dict(discharge_summaries(decoded(*documents), record.visits, US_CORE))


def test_the_text_of_an_attachment() -> None:
    assert summaries(reference("d")) == {"stay": "text of d"}


def test_sections_in_their_order_with_titles() -> None:
    document = composition(
        "c",
        section(
            "Hospital course", "<p>Better.</p><p>Home.</p>", section("Diet", "Soft &amp; low salt")
        ),
        section("Allergies", ""),
        section("", "No title"),
    )
    expected = "Hospital course:\nBetter.\n\nHome.\n\nDiet:\nSoft & low salt\n\nNo title"
    assert summaries(document) == {"stay": expected}


def test_plain_text_before_html_and_html_as_text() -> None:
    rich = attached("<h1>Plan</h1><ul><li>one<li>two</ul><script>no()</script>", "text/html")
    assert summaries(reference("d", rich)) == {"stay": "Plan\n\none\ntwo"}
    assert summaries(reference("d", rich, attached("plain"))) == {"stay": "plain"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (attached("Übelkeit", "text/plain; charset=utf-8"), "Übelkeit"),
        (attached("Übelkeit", "text/plain;charset=ISO-8859-1", "latin-1"), "Übelkeit"),
        (attached("a\r\nb"), "a\nb"),
    ],
)
def test_the_charset_that_is_named(content: Resource, text: str) -> None:
    assert summaries(reference("d", content)) == {"stay": text}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(reference("d", status="superseded"), id="superseded"),
        pytest.param(reference("d", status="entered-in-error"), id="in error"),
        pytest.param(reference("d", docStatus="preliminary"), id="a draft"),
        pytest.param(reference("d", docStatus="entered-in-error"), id="its document in error"),
        pytest.param(composition("c", status="preliminary"), id="a draft composition"),
        pytest.param(composition("c", status="entered-in-error"), id="a composition in error"),
        pytest.param(reference("d", type="loinc|34117-2"), id="an admission note"),
        pytest.param(reference("d", type="urn:site|18842-5"), id="another system"),
        pytest.param(reference("d", attached("x", "application/pdf")), id="no text"),
        pytest.param(reference("d", {"attachment": {"contentType": "text/plain"}}), id="no data"),
        pytest.param(
            reference("d", {"attachment": {"contentType": "text/plain", "data": "!"}}), id="broken"
        ),
        pytest.param(reference("d", attached("x", "text/plain; charset=no")), id="odd charset"),
        pytest.param(reference("d", attached("  \n")), id="blank"),
        pytest.param(reference("d", encounter="elsewhere"), id="an encounter not known"),
    ],
)
def test_what_is_no_summary_of_the_stay(document: Resource) -> None:
    assert summaries(document) == {}


def test_the_latest_of_several_wins() -> None:
    early, late = reference("z", date="03-15 12:00"), composition("a", date="03-16 09:00")
    assert summaries(early, late) == summaries(late, early) == {"stay": "text of a"}


def test_a_newer_version_takes_the_older_ones_place() -> None:
    first = reference("d", meta={"lastUpdated": "2024-03-15T12:00:00Z"})
    withdrawn = reference(
        "d", status="entered-in-error", meta={"lastUpdated": "2024-03-16T12:00:00Z"}
    )
    assert summaries(first, withdrawn) == summaries(withdrawn, first) == {}


@pytest.mark.parametrize(
    ("date", "found"),
    [
        ("03-12 09:00", {"stay"}),
        ("03-15 18:00", {"stay"}),
        ("03-22 11:00", {"stay"}),
        ("03-22 13:00", set()),
        ("03-10 11:00", set()),
        ("2024-03-22", {"stay"}),
        (None, set()),
    ],
)
def test_without_an_encounter_its_date_says_whose_it_is(date: str | None, found: set[str]) -> None:
    assert {*summaries(reference("d", encounter=None, date=date))} == found


def test_without_an_encounter_the_newer_of_two_stays_has_it() -> None:
    back = visit("back", "IMP", "03-18 08:00", "03-20 12:00")
    found = summaries(reference("d", encounter=None, date="03-20 12:00"), visits=(back,))
    assert {*found} == {"back"}


def test_a_part_of_the_stay_stands_for_it_and_another_visit_does_not() -> None:
    ward = visit("ward", "AMB", "03-11 08:00", "03-12 12:00", part_of="stay")
    assert {*summaries(reference("d", encounter="ward"), visits=(ward,))} == {"stay"}
    assert summaries(reference("d", encounter="ed"), visits=(ed_visit(),)) == {}


def test_a_malformed_document_is_an_issue_and_other_types_are_passed_over() -> None:
    broken = decode_document(b'{"resourceType": "Composition", "section": 7}')
    assert broken == DataIssue("malformed_resource", "Composition")
    assert decode_document(b'{"resourceType": "Patient", "id": "p"}') is None


def test_the_hook_passes_documents_over() -> None:
    assert decode(json.dumps(reference("d")).encode()) is None
    assert decode(json.dumps(composition("c")).encode()) is None


def test_markup_as_text() -> None:
    table = "<table><tr><td>Na</td><td>133</td></tr></table><!-- gone --><br/>end &lt;1"
    assert plain_text(table).split() == ["Na", "133", "end", "<1"]


@pytest.mark.data
def test_every_synthea_note_can_be_read_and_none_is_a_summary(data_dir: Path) -> None:
    """Base64 with a charset, typed as admission notes, most of them superseded."""
    packed = data_dir / "synthea-bulk10-cc0" / "DocumentReference.000.ndjson.gz"
    found = [decode_document(line) for line in gzip.decompress(packed.read_bytes()).splitlines()]
    documents = [each for each in found if each is not None and not isinstance(each, DataIssue)]
    assert len(documents) == len(found) == 1215
    assert all(text_of(each) for each in documents)
    assert not any(is_discharge_summary(each, load_profile("synthea")) for each in documents)
