import csv
import datetime
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import model.errors
from bundles import build_lace_hospital
from fhir_mapping.catalogue import CATALOGUE
from model import BaseRate, BundleError, Manifest, load_bundle, write_bundle
from model.bundle import as_json, sha256
from model.manifest import FORMAT

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "bundles" / "lace-hospital"
PAGE = ROOT / "docs" / "reference" / "bundle.md"

TABLE = b"name,coverage_group\nage,this_stay\nsodium_last,labs\n"
SCORE = {
    "name": "lace",
    "title": "LACE",
    "citation": "c",
    "outcome": "o",
    "cohort": "c",
    "overall": 0.08,
    "source": "s",
    "max_points": 2,
    "classes": [
        {"low": 0, "high": 1, "label": "low", "figure": 0.02, "note": ""},
        {"low": 2, "high": 2, "label": "high", "figure": None, "note": "not verified here"},
    ],
}
SAMPLE = {"score": "lace", "points": 1, "label": "low", "figure": 0.02}
CONTENTS = {
    "catalogue.csv": TABLE,
    "MODEL_CARD.md": b"# A card\n",
    "published_scores.json": json.dumps([SCORE]).encode(),
    "samples.json": json.dumps([SAMPLE]).encode(),
}
MANIFEST = Manifest(
    format=FORMAT,
    name="small",
    version="1",
    created=datetime.date(2026, 11, 21),
    title="t",
    notice="n",
    kind="published_scores",
    task="readmission_30d",
    hooks=("encounter-discharge",),
    population="p",
    mapping_digest="a" * 64,
    features=("age",),
    coverage_floors={"labs": 0.5},
    base_rate=None,
    files={},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "small", MANIFEST, CONTENTS).path


def alter(folder: Path, **fields: Any) -> None:
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def replace(folder: Path, name: str, content: bytes) -> None:
    """Change a file *and* its digest: what is left to notice is the content."""
    (folder / name).write_bytes(content)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    alter(folder, files=files | {name: sha256(content)})


def replace_score(folder: Path, **fields: Any) -> None:
    replace(folder, "published_scores.json", json.dumps([SCORE | fields]).encode())


def refused(folder: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    return caught.value


def test_what_is_written_is_what_is_loaded(tmp_path: Path) -> None:
    rate = BaseRate(0.08, "death or unplanned readmission", "Ontario", "CMAJ 2010")
    manifest = msgspec.structs.replace(MANIFEST, base_rate=rate)
    written = write_bundle(tmp_path / "new" / "small", manifest, CONTENTS)
    loaded = load_bundle(written.path)
    assert loaded == written
    assert loaded.manifest.base_rate == rate
    assert loaded.digest == sha256((written.path / "manifest.json").read_bytes())
    assert loaded.manifest.files == {name: sha256(raw) for name, raw in CONTENTS.items()}
    assert msgspec.json.decode(as_json(loaded.published["lace"])) == SCORE


@pytest.mark.parametrize("variant", ["triage", "ed_departure", None])
def test_a_variant_is_written_only_where_there_is_one(variant: Any, tmp_path: Path) -> None:
    manifest = msgspec.structs.replace(MANIFEST, task="critical_outcome", variant=variant)
    written = write_bundle(tmp_path / "new", manifest, CONTENTS)
    stated = msgspec.json.decode((written.path / "manifest.json").read_bytes())
    assert written.manifest.variant == variant
    assert ("variant" in stated) == (variant is not None)
    assert stated["base_rate"] is None  # it is required, and null where there is none


def test_the_same_content_has_the_same_digest_anywhere(tmp_path: Path) -> None:
    one, other = (write_bundle(tmp_path / name, MANIFEST, CONTENTS) for name in "ab")
    assert one.digest == other.digest


def test_a_folder_is_written_once(folder: Path) -> None:
    with pytest.raises(model.errors.BundleExistsError, match="Choose a new folder"):
        write_bundle(folder, MANIFEST, CONTENTS)


def test_nothing_is_written_outside_the_folder(tmp_path: Path) -> None:
    with pytest.raises(model.errors.UnsafeFileError):
        write_bundle(tmp_path / "small", MANIFEST, CONTENTS | {"../outside": b""})
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_the_folder_itself_is_fine(folder: Path) -> None:
    current = folder.with_name("current")
    current.symlink_to(folder)
    assert load_bundle(current).digest == load_bundle(folder).digest


@pytest.mark.parametrize("name", CONTENTS)
def test_one_flipped_bit_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    error = refused(folder)
    assert isinstance(error, model.errors.DigestError)
    assert error.where == folder / name


@pytest.mark.parametrize("name", ["manifest.json", *CONTENTS])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    error = refused(folder)
    assert isinstance(error, model.errors.MissingFileError)
    assert error.where == folder / name


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_that_the_kind_needs_cannot_be_left_out(folder: Path, name: str) -> None:
    (folder / name).unlink()
    alter(folder, files={other: sha256(raw) for other, raw in CONTENTS.items() if other != name})
    error = refused(folder)
    assert isinstance(error, model.errors.MissingFileError)
    assert error.where == folder / name


@pytest.mark.parametrize("name", ["weights.pkl", ".hidden", "samples.json~"])
def test_an_extra_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    error = refused(folder)
    assert isinstance(error, model.errors.ExtraFileError)
    assert error.where == folder / name


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "a/b", "..", ".", "", "a\\b", "c:d", "manifest.json"]
)
def test_a_name_that_leaves_the_folder_is_refused(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_bytes(b"")
    files = load_bundle(folder).manifest.files
    alter(folder, files=files | {name: sha256(b"")})
    error = refused(folder)
    assert isinstance(error, model.errors.UnsafeFileError)
    assert repr(name) in str(error)


@pytest.mark.parametrize("name", ["manifest.json", *CONTENTS])
def test_a_link_is_not_followed_even_to_the_right_bytes(folder: Path, name: str) -> None:
    outside = folder.parent / name
    shutil.move(folder / name, outside)
    (folder / name).symlink_to(outside)
    error = refused(folder)
    assert isinstance(error, model.errors.UnsafeFileError)
    assert error.where == folder / name


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_only_plain_files_are_read(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder / "odd")
    assert isinstance(refused(folder), model.errors.UnsafeFileError)


@pytest.mark.parametrize("version", [0, 2, -1])
def test_another_format_is_refused_before_its_fields_are_read(folder: Path, version: int) -> None:
    (folder / "manifest.json").write_text(json.dumps({"format": version, "new_field": {}}))
    error = refused(folder)
    assert isinstance(error, model.errors.FormatError)
    assert f"format {version}" in error.problem


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"format": "1"}', b'{"a": "\xff"}', b'{"a": ' + b"[" * 100_000],
    ids=["empty", "cut", "list", "null", "string", "not UTF-8", "deep"],
)
def test_malformed_json_is_refused(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    error = refused(folder)
    assert isinstance(error, model.errors.ContentError)
    assert error.where == folder / "manifest.json"


@pytest.mark.parametrize(
    "fields",
    [
        {"surprise": 1},
        {"kind": "tabnet"},
        {"task": "mortality"},
        {"created": "yesterday"},
        {"mapping_digest": "A" * 64},
        {"mapping_digest": "a" * 64 + "\n"},
        {"coverage_floors": {"labs": 1.5}},
        {"coverage_floors": {"laboratory": 0.5}},
        {"features": ["ages"]},
        {"notice": ""},
        {"base_rate": {"value": 8.0, "outcome": "o", "cohort": "c", "source": "s"}},
        {"base_rate": {"value": 0.08, "outcome": "", "cohort": "c", "source": "s"}},
    ],
    ids=str,
)
def test_a_manifest_says_nothing_else(folder: Path, fields: dict[str, Any]) -> None:
    alter(folder, **fields)
    error = refused(folder)
    assert isinstance(error, model.errors.ContentError)
    assert error.where == folder / "manifest.json"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("published_scores.json", b"[{]"),
        ("published_scores.json", b"[]"),
        ("published_scores.json", json.dumps([SCORE, SCORE]).encode()),
        ("samples.json", b'[{"score": "lace"}]'),
        ("catalogue.csv", b"label\nAge\n"),
        ("catalogue.csv", b"\xff\xfe"),
    ],
)
def test_malformed_content_is_refused_whatever_its_digest(
    folder: Path, name: str, content: bytes
) -> None:
    replace(folder, name, content)
    error = refused(folder)
    assert isinstance(error, model.errors.ContentError)
    assert error.where == folder / name


@pytest.mark.parametrize(
    "fields",
    [
        {"classes": [{**SCORE["classes"][0], "figure": 0.03}, SCORE["classes"][1]]},  # type: ignore[index]
        {"classes": [{**SCORE["classes"][0], "label": "high"}, SCORE["classes"][1]]},  # type: ignore[index]
        {"name": "lace_plus"},
    ],
    ids=["figure", "label", "name"],
)
def test_a_score_that_reads_otherwise_than_stored_is_refused(
    folder: Path, fields: dict[str, Any]
) -> None:
    replace_score(folder, **fields)
    error = refused(folder)
    assert isinstance(error, model.errors.SampleError)
    assert "lace at 1 points" in error.problem


@pytest.mark.parametrize(
    "samples", [[], [SAMPLE | {"points": 3}], [SAMPLE | {"figure": None}]], ids=str
)
def test_samples_must_hold_and_cover_each_score(folder: Path, samples: list[Any]) -> None:
    replace(folder, "samples.json", json.dumps(samples).encode())
    error = refused(folder)
    assert isinstance(error, model.errors.SampleError)
    assert error.where == folder / "samples.json"


def test_another_mapping_is_refused_when_asked_about(folder: Path) -> None:
    assert load_bundle(folder, mapping_digest="a" * 64).manifest.name == "small"
    with pytest.raises(model.errors.MappingDigestError, match="other code lists"):
        load_bundle(folder, mapping_digest="b" * 64)


@pytest.mark.parametrize("content", [None, b"a file"], ids=["nothing", "a file"])
def test_no_folder_is_refused(tmp_path: Path, content: bytes | None) -> None:
    place = tmp_path / "bundle"
    if content is not None:
        place.write_bytes(content)
    error = refused(place)
    assert isinstance(error, model.errors.BundleMissingError)
    assert str(error).startswith(f"{place}: ")
    assert error.remedy == "Name the folder that holds manifest.json"


def test_an_unreadable_file_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> bytes:  # file modes would not stop root
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    error = refused(folder)
    assert isinstance(error, model.errors.MissingFileError)
    assert "read access" in error.remedy


def test_every_message_names_the_place_the_problem_and_the_remedy(tmp_path: Path) -> None:
    error = model.errors.DigestError(tmp_path / "x", "changed", "Take it anew")
    assert str(error) == f"{tmp_path / 'x'}: changed. Take it anew."


# The shipped bundle


def test_the_shipped_bundle_belongs_to_the_installed_mapping() -> None:
    bundle = load_bundle(SHIPPED, mapping_digest=CATALOGUE.digest)
    assert set(bundle.published) == {"lace", "hospital"}


def test_the_shipped_bundle_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert build_lace_hospital.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_bundle_is_reported_and_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(SHIPPED, tmp_path / "lace-hospital")
    monkeypatch.setattr(build_lace_hospital, "SHIPPED", copy)
    assert build_lace_hospital.main([]) == 0
    (copy / "MODEL_CARD.md").write_text("# Another card\n")
    assert build_lace_hospital.main(["--check"]) == 1
    assert "stale in lace-hospital: manifest.json" in capsys.readouterr().err
    assert build_lace_hospital.main([]) == 0
    assert build_lace_hospital.main(["--check"]) == 0


def test_the_card_states_every_figure_and_its_outcome() -> None:
    card = (SHIPPED / "MODEL_CARD.md").read_text(encoding="utf-8")
    for score in load_bundle(SHIPPED).published.values():
        figures = {each.figure for each in score.classes} | {score.overall}
        assert [f for f in figures if f is not None and f"{f:.1%}"[:-1] not in card] == []
        assert score.citation.partition(" et al")[0] in card


@pytest.mark.parametrize(
    ("group", "needed"),
    [("history", 6), ("diagnoses", 45), ("this_stay", 4), ("vitals", 0), ("labs", 0)],
)
def test_a_floor_asks_for_as_many_features_as_the_card_says(group: str, needed: int) -> None:
    with (SHIPPED / "catalogue.csv").open(newline="", encoding="utf-8") as table:
        total = Counter(row["coverage_group"] for row in csv.DictReader(table))[group]
    floor = load_bundle(SHIPPED).manifest.coverage_floors[group]
    assert (needed - 1) / total < floor <= needed / total
    card = (SHIPPED / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert not needed or f"| {needed} of {total} |" in card


def test_weighted_by_class_size_the_hospital_figures_give_the_published_rate() -> None:
    score = load_bundle(SHIPPED).published["hospital"]
    sizes = (73_031, 27_612, 16_422)  # the paper's abstract
    expected = sum(
        size * (each.figure or 0) for size, each in zip(sizes, score.classes, strict=True)
    )
    assert expected / sum(sizes) == pytest.approx(score.overall, abs=0.001)


# The page


@pytest.mark.parametrize(
    "name",
    [each.__name__ for each in BundleError.__subclasses__()] + list(Manifest.__struct_fields__),
)
def test_the_page_knows_every_error_and_field(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")
