"""Site profiles: which one a record asks for, how one extends another, what is refused."""

from pathlib import Path

import pytest

from fhir_mapping.errors import MappingError, ProfileError
from fhir_mapping.profiles import SHIPPED, detect_profile, load_profile, split_token
from tests.spec.record import Resource, patient, stay, vector, visit

MIMIC = "http://mimic.mit.edu/fhir/mimic/identifier/patient"
SYNTHEA = "https://github.com/synthetichealth/synthea"


@pytest.mark.parametrize(
    ("uris", "name"),
    [
        ([], "us_core"),
        (["http://hospital.example/mrn"], "us_core"),
        ([MIMIC], "mimic"),
        ([SYNTHEA], "synthea"),
        (["http://synthetichealth.github.io/synthea/x"], "synthea"),
        (["http://hospital.example/mrn", SYNTHEA], "synthea"),
        ([SYNTHEA, MIMIC], "mimic"),
        (["see " + MIMIC], "us_core"),
    ],
)
def test_detection(uris: list[str], name: str) -> None:
    assert detect_profile(uris).name == name


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ([], "us_core"),
        ([patient(identifier=[{"system": SYNTHEA, "value": "1"}])], "synthea"),
        ([patient(identifier=[{"system": MIMIC, "value": "1"}])], "mimic"),
        (
            [patient(meta={"profile": [MIMIC.replace("identifier", "StructureDefinition")]})],
            "mimic",
        ),
        ([stay(identifier=[{"system": SYNTHEA}])], "synthea"),
        ([visit("v", "AMB", "01-01 00:00", identifier=[{"system": SYNTHEA}])], "synthea"),
    ],
)
def test_a_record_is_read_with_the_profile_it_asks_for_and_says_so(
    rows: list[Resource], name: str
) -> None:
    answer = vector(*rows, profile=None)
    assert (answer.profile, answer.profile_detected) == (name, True)
    chosen = vector(*rows, profile="us_core")
    assert (chosen.profile, chosen.profile_detected) == ("us_core", False)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_profiles_load(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.measures
    assert profile.icu_name.search("Medical ICU")
    assert profile.when("2024-03-10T08:00:00")


def test_a_profile_overrides_table_by_table_and_key_by_key() -> None:
    base, mimic = load_profile("us_core"), load_profile("mimic")
    assert mimic.level("disposition", "", "home") == base.level("disposition", "", "home") == "home"
    assert base.level("disposition", "", "HOME") is None
    assert mimic.level("disposition", "", "HOME") == "home"
    assert set(base.measures) < set(mimic.measures)
    assert mimic.encounter["icu_words"] == base.encounter["icu_words"]
    assert not mimic.encounter["icu_from_locations"]
    assert str(mimic.zone) == "America/New_York"
    assert str(base.zone) == "UTC"


def written(folder: Path, text: str, name: str = "site") -> str:
    path = folder / f"{name}.toml"
    path.write_text(text, "utf-8")
    return str(path)


def test_a_site_writes_its_own(tmp_path: Path) -> None:
    site = written(
        tmp_path,
        """
        name = "st_elsewhere"
        extends = "us_core"
        timezone = "Europe/London"
        [codes]
        hemoglobin = ["urn:site:lab|HB"]
        [units]
        "g per dL" = "g/dL"
        [disposition]
        H = "home"
        """,
    )
    profile = load_profile(site)
    assert profile.name == "st_elsewhere"
    assert profile.measures[("urn:site:lab", "HB")] == "hemoglobin"
    assert profile.unit("g per dL") == "g/dL"
    assert profile.unit("mmHg") == "mm[Hg]"
    assert profile.unit("unheard of") == "unheard of"
    assert profile.level("disposition", "", "H") == "home"


@pytest.mark.parametrize(
    "text",
    [
        'extends = "us_core"',
        'name = "x"\nextends = "unheard_of"',
        'name = "x"\nextends = "us_core"\ntimezone = "Mars/Olympus"',
        'name = "x"',
        "name = ",
        "\x00",
    ],
    ids=["no name", "unknown base", "unknown zone", "no zone", "not TOML", "binary"],
)
def test_what_is_no_profile_is_refused_when_it_is_loaded(tmp_path: Path, text: str) -> None:
    with pytest.raises(ProfileError, match="not one of us_core, mimic, synthea"):
        load_profile(written(tmp_path, text))


@pytest.mark.parametrize("name", ["unheard_of", "", "gone.toml", "../us_core.toml"])
def test_an_unknown_profile_is_refused(name: str) -> None:
    with pytest.raises(MappingError, match="nor a TOML file"):
        load_profile(name)


def test_a_profile_cannot_extend_itself(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    with pytest.raises(ProfileError):
        load_profile(written(tmp_path, f'name = "x"\nextends = "{site}"'))


def test_tokens() -> None:
    assert split_token("http://loinc.org|8867-4") == ("http://loinc.org", "8867-4")
    assert split_token("8867-4") == ("8867-4", "")
