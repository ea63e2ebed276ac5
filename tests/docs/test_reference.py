"""The reference pages name what the code has: issue codes, reasons, settings, bundle, commands."""

import re
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from cds_service.cli import app
from cds_service.errors import STATUS
from cds_service.hooks.wording import GROUPS, REASONS, SOURCES
from cds_service.settings import Settings
from cds_service.smart.problems import PROBLEMS, Code
from cds_service.storage.tables import Base
from cds_service.tenants import Alert, Smart, Tenant
from cds_service.tenants_file import load_tenants
from cds_service.trust.refusals import REFUSALS, Refusal
from docs.cli_page import commands
from fhir_mapping.catalogue import CATALOGUE, COVERAGE_GROUPS
from fhir_mapping.issues import ISSUES
from fhir_mapping.prefetch import PREFETCH

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("fhir_mapping", "cds_service")
COLUMNS = tuple(c.name for table in Base.metadata.tables.values() for c in table.c)
_WRITTEN = re.compile(r'(?:DataIssue|notice|_issue)\(\s*"([a-z_]+)"')
_RETURNED = re.compile(r'return "([a-z_]+)"')
_REFUSED = re.compile(r'(?:NoStay\(|NotScored\([^,]*, |return )"([a-z_]+)"')


def sources(*packages: str) -> str:
    files = [path for name in packages for path in sorted((ROOT / name).rglob("*.py"))]
    return "\n".join(path.read_text("utf-8") for path in files)


def test_every_issue_that_is_noticed_has_a_meaning() -> None:
    written = set(_WRITTEN.findall(sources(*PACKAGES)))
    assert written <= set(ISSUES)


def test_every_meaning_belongs_to_an_issue_that_can_occur() -> None:
    code = sources(*PACKAGES).replace((ROOT / "fhir_mapping" / "issues.py").read_text("utf-8"), "")
    assert [name for name in ISSUES if f'"{name}"' not in code] == []


def test_every_reason_has_words() -> None:
    stay = (ROOT / "fhir_mapping" / "stay.py").read_text("utf-8")
    outcomes = (ROOT / "fhir_mapping" / "outcomes.py").read_text("utf-8")
    assessment = (ROOT / "cds_service" / "assessment.py").read_text("utf-8")
    given = set(_RETURNED.findall(stay + outcomes)) | set(_REFUSED.findall(assessment))
    assert given - {"encounter_unknown"} <= set(REASONS)


def test_every_source_and_group_has_words() -> None:
    assert {template.resource_type for template in PREFETCH} <= set(SOURCES)
    assert set(COVERAGE_GROUPS) == set(GROUPS)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("features.md", CATALOGUE.names),
        ("issues.md", tuple(ISSUES)),
        ("settings.md", tuple(f"READMIT_{name.upper()}" for name in Settings.model_fields)),
        ("prefetch.md", tuple(template.key for template in PREFETCH)),
        ("coverage.md", CATALOGUE.names),
        ("tenants.md", (*Tenant.model_fields, *Alert.model_fields, *Smart.model_fields)),
        ("smart.md", tuple(PROBLEMS)),
        ("client-authentication.md", tuple(REFUSALS)),
        ("database.md", tuple(Base.metadata.tables)),
        ("database.md", COLUMNS),
        ("cli.md", tuple(name for name, _, _ in commands())),
        ("errors.md", (*(error.__name__ for error in STATUS), *PROBLEMS)),
    ],
)
def test_a_page_names_everything(page: str, names: tuple[str, ...]) -> None:
    text = (ROOT / "docs" / "reference" / page).read_text("utf-8")
    assert [name for name in names if f"`{name}`" not in text] == []


def test_the_example_of_a_tenants_file_is_one() -> None:
    north, south = load_tenants(ROOT / "configs" / "tenants.toml")
    assert (north.name, north.alert("readmission-risk").per_day) == ("north", 6)
    assert (south.name, south.jwks) == ("south", ROOT / "configs" / "south.jwks.json")


def test_every_reason_to_refuse_a_client_has_words_and_can_occur() -> None:
    assert set(REFUSALS) == set(get_args(Refusal))
    trust = ROOT / "cds_service" / "trust"
    code = "".join(
        path.read_text("utf-8") for path in trust.glob("*.py") if path.name != "refusals.py"
    )
    assert [reason for reason in REFUSALS if f'"{reason}"' not in code] == []


def test_every_page_that_says_why_not_has_words_and_can_occur() -> None:
    assert set(PROBLEMS) == set(get_args(Code))
    package = ROOT / "cds_service"
    code = "".join(
        path.read_text("utf-8") for path in package.rglob("*.py") if path.name != "problems.py"
    )
    assert [problem for problem in PROBLEMS if f'"{problem}"' not in code] == []


AUDIT = ("audit verify", "audit replay", "audit export")


def test_every_column_has_a_meaning() -> None:
    columns = [c for table in Base.metadata.tables.values() for c in table.c]
    assert [f"{c.table.name}.{c.name}" for c in columns if not c.doc] == []


def test_every_command_and_option_of_both_command_lines_is_listed() -> None:
    listed = {
        name: {word for row in rows for word in row[0].split(", ")} for name, _, rows in commands()
    }
    assert {"`--from`", "`--to`", "`--memory`"} <= listed["readmit score"]
    assert "`ID`" in listed["readmit audit replay"]
    assert "`--small`" in listed["readmit-train demo"]
    assert [name for name, words, _ in commands() if not words] == []


def test_every_command_explains_itself() -> None:
    for command in (
        "serve",
        "extract",
        "check-site",
        "audit",
        "purge",
        "new-key",
        "rewrap",
        "new-app-keys",
        *AUDIT,
    ):
        shown = CliRunner().invoke(app, [*command.split(), "--help"])
        assert shown.exit_code == 0
        assert "Usage" in shown.output
