"""compose.yaml and what it mounts: names that meet, order of start, no secret, alarms of the operator's page."""

import graphlib
import re
from typing import Any

import pytest

from cds_service.cli import app
from cds_service.metrics import REGISTRY
from cds_service.serving import DRAIN_S
from cds_service.settings import Settings
from cds_service.tenants_file import load_tenants
from cds_service.trust.start import tenants_of
from tests.docker.commands import parsed
from tests.docker.reading import DOCKER, ROOT, documents, variables

[COMPOSE] = documents(DOCKER / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = SERVICES["readmit"]
[PROMETHEUS] = documents(DOCKER / "prometheus" / "prometheus.yml")
[ALERTS] = documents(DOCKER / "prometheus" / "alerts.yml")
RULES = ALERTS["groups"][0]["rules"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_has_a_version(name: str) -> None:
    _, _, tag = SERVICES[name]["image"].partition(":")
    assert re.search(r"\d+\.\d+", tag)


@pytest.mark.parametrize("name", SERVICES)
def test_all_that_a_service_names_is_there(name: str) -> None:
    service = SERVICES[name]
    volumes = [each.split(":")[0] for each in service.get("volumes", [])]
    folders = [each for each in volumes if each.startswith(".")]
    assert [each for each in folders if not (DOCKER / each).exists()] == []
    assert set(volumes) - set(folders) <= set(COMPOSE["volumes"])
    assert set(service.get("networks", [])) <= set(COMPOSE["networks"])
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_each_waits_for_the_health_of_what_it_needs() -> None:
    needs = {name: each.get("depends_on", {}) for name, each in SERVICES.items()}
    order = list(graphlib.TopologicalSorter(needs).static_order())
    assert order.index("postgres") < order.index("readmit") < order.index("prometheus")
    assert needs["readmit"]["postgres"]["condition"] == "service_healthy"
    assert needs["readmit"]["fhir-answers"]["condition"] == "service_completed_successfully"
    assert needs["prometheus"]["readmit"]["condition"] == "service_healthy"
    assert "healthcheck" in SERVICES["postgres"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_written_down_and_none_is_optional(name: str) -> None:
    told = SERVICES[name].get("environment", {})
    secret = {key: value for key, value in told.items() if re.search("PASSWORD$|_KEYS$", key)}
    assert all(re.fullmatch(r"\$\{\w+:\?[^}]+\}", value) for value in secret.values())


def test_the_example_of_the_environment_has_every_variable_and_no_value() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text("utf-8")))
    asked |= {each["environment"] for each in COMPOSE["secrets"].values()}
    assert variables(DOCKER / "compose" / "example.env") == dict.fromkeys(asked, "")


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_alone(name: str) -> None:
    assert all(each.startswith("127.0.0.1:") for each in SERVICES[name].get("ports", []))


def test_the_service_starts_with_these_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    told = OURS["environment"] | {"READMIT_STORAGE_KEYS": '["key"]', "READMIT_HOST": "0.0.0.0"}  # noqa: S104
    named = {key for key in told if key.startswith("READMIT_")}
    assert {key.removeprefix("READMIT_").lower() for key in named} <= set(Settings.model_fields)
    mounted = dict(each.split(":")[:2][::-1] for each in OURS["volumes"])
    here = DOCKER / mounted[told["READMIT_TENANTS"]]
    for key in named:
        monkeypatch.setenv(key, told[key])
    monkeypatch.setenv("READMIT_TENANTS", str(here))
    [tenant] = tenants_of(Settings())
    assert list(tenant.fhir_servers) == [f"http://localhost:8080{FHIR_PATH}"]


FHIR_PATH = "/fhir"


def test_the_service_waits_for_the_fhir_server_that_its_tenant_names() -> None:
    waiting = SERVICES["fhir-answers"]["command"]
    [tenant] = load_tenants(DOCKER / "compose" / "tenants.toml")
    assert waiting[1] == "8080"
    assert waiting[3] == f"{FHIR_PATH}/metadata"
    assert tenant.fhir_servers == (f"http://localhost:{waiting[1]}{FHIR_PATH}",)
    assert {OURS["network_mode"], SERVICES["fhir-answers"]["network_mode"]} == {"service:fhir"}


def test_its_command_is_one_of_ours() -> None:
    assert parsed(app, OURS["command"])["workers"] == 2


def test_it_may_finish_what_it_took() -> None:
    assert int(OURS["stop_grace_period"].removesuffix("s")) > DRAIN_S


def test_it_writes_to_tmp_alone_and_has_no_capability() -> None:
    assert OURS["read_only"]
    assert OURS["tmpfs"] == ["/tmp"]  # noqa: S108 - in the container
    assert OURS["cap_drop"] == ["ALL"]
    assert OURS["security_opt"] == ["no-new-privileges:true"]


def test_prometheus_asks_the_service_where_it_is() -> None:
    [job] = PROMETHEUS["scrape_configs"]
    [[target]] = [each["targets"] for each in job["static_configs"]]
    name, _, port = target.partition(":")
    assert name in SERVICES["fhir"]["networks"]["watch"]["aliases"]
    assert int(port) == Settings.model_fields["port"].default
    assert "watch" in SERVICES["prometheus"]["networks"]
    assert [
        each for each in PROMETHEUS["rule_files"] if not (DOCKER / "prometheus" / each).exists()
    ] == []


def test_the_alarms_are_those_of_the_page() -> None:
    page = (ROOT / "docs" / "how-to" / "operate.md").read_text("utf-8")
    table = page[page.index("What is worth an alarm") : page.index("## Traces")]
    wanted = set(re.findall(r"^\| `([^`]+)` \|", table, flags=re.MULTILINE))
    given = {each["expr"] for each in RULES}
    assert given == wanted | {'up{job="readmit"} == 0'}


def test_every_metric_in_an_alarm_is_there() -> None:
    named = {
        name
        for each in RULES
        for name in re.findall(r"readmit_\w+?(?=_total|_bucket)", each["expr"])
    }
    assert named
    assert named <= {each.name for each in REGISTRY.collect()}
