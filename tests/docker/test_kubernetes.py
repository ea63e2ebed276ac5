"""The manifests: every file listed, every name met, nothing that the service does not know."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cds_service.cli import app
from cds_service.serving import DRAIN_S
from cds_service.settings import Settings
from cds_service.tenants_file import load_tenants
from cds_service.trust.start import tenants_of
from tests.docker.commands import parsed
from tests.docker.reading import DOCKER, ROOT, documents, instructions, variables

BASE = DOCKER / "kubernetes" / "base"
EXAMPLE = DOCKER / "kubernetes" / "overlays" / "example"
[KUSTOMIZATION] = documents(BASE / "kustomization.yaml")
[OVERLAY] = documents(EXAMPLE / "kustomization.yaml")
RESOURCES = [each for name in KUSTOMIZATION["resources"] for each in documents(BASE / name)]
GENERATED = {
    each["name"]: each
    for each in (*KUSTOMIZATION["configMapGenerator"], *OVERLAY["configMapGenerator"])
}
DEPLOYMENT: dict[str, Any]
CRONJOB: dict[str, Any]
[DEPLOYMENT] = [each for each in RESOURCES if each["kind"] == "Deployment"]
[CRONJOB] = [each for each in RESOURCES if each["kind"] == "CronJob"]
PODS: dict[str, dict[str, Any]] = {
    "service": DEPLOYMENT["spec"]["template"],
    "batch": CRONJOB["spec"]["jobTemplate"]["spec"]["template"],
}
CONTAINERS = [
    pytest.param(pod, each, id=f"{name}-{each['name']}")
    for name, pod in PODS.items()
    for each in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"])
]
[SERVE] = PODS["service"]["spec"]["containers"]
[BATCH] = PODS["batch"]["spec"]["containers"]


def of(kind: str) -> list[dict[str, Any]]:
    return [each for each in RESOURCES if each["kind"] == kind]


def chosen(labels: dict[str, str]) -> set[str]:
    """The pods that a selector picks."""
    return {
        name for name, pod in PODS.items() if labels.items() <= pod["metadata"]["labels"].items()
    }


def literals(generator: dict[str, Any], folder: Path) -> dict[str, str]:
    told = dict(each.split("=", 1) for each in generator.get("literals", []))
    for name in generator.get("envs", []):
        told |= variables(folder / name)
    return told


def merged(name: str) -> dict[str, str]:
    """What a generated ConfigMap holds in the example."""
    found: dict[str, str] = {}
    for kustomization, folder in ((KUSTOMIZATION, BASE), (OVERLAY, EXAMPLE)):
        for each in kustomization["configMapGenerator"]:
            if each["name"] == name:
                found |= literals(each, folder)
    return found


def test_every_file_is_listed_and_every_listed_file_is_there() -> None:
    for kustomization, folder in ((KUSTOMIZATION, BASE), (OVERLAY, EXAMPLE)):
        generators = kustomization["configMapGenerator"]
        listed = {
            each for one in generators for each in (*one.get("envs", []), *one.get("files", []))
        }
        listed |= {each for each in kustomization["resources"] if not each.startswith("..")}
        listed |= {each["path"] for each in kustomization.get("patches", [])}
        assert listed | {"kustomization.yaml"} == {path.name for path in folder.iterdir()}
    assert [(EXAMPLE / each).resolve() for each in OVERLAY["resources"]] == [BASE]


def test_the_overlay_changes_what_there_is() -> None:
    names = {(each["kind"], each["metadata"]["name"]) for each in RESOURCES}
    targets = {(each["target"]["kind"], each["target"]["name"]) for each in OVERLAY["patches"]}
    assert targets <= names
    generated = {each["name"] for each in KUSTOMIZATION["configMapGenerator"]}
    again = {each["name"] for each in OVERLAY["configMapGenerator"] if "behavior" in each}
    assert again <= generated
    assert {each["name"] for each in OVERLAY["images"]} == {
        each.values[1]["image"].partition(":")[0] for each in CONTAINERS
    }


def test_the_patch_of_egress_replaces_the_rule_that_it_means() -> None:
    [egress] = [
        each for each in of("NetworkPolicy") if each["metadata"]["name"] == "readmit-egress"
    ]
    [operations] = documents_of_patch()
    assert [each["path"] for each in operations] == ["/spec/egress/1", "/spec/egress/-"]
    assert [port["port"] for port in egress["spec"]["egress"][1]["ports"]] == [5432, 443]
    assert [each["value"]["ports"][0]["port"] for each in operations] == [5432, 443]


def documents_of_patch() -> list[Any]:
    [patch] = OVERLAY["patches"]
    return list(documents(EXAMPLE / patch["path"]))


def test_selectors_pick_the_pods_that_they_mean() -> None:
    assert chosen(DEPLOYMENT["spec"]["selector"]["matchLabels"]) == {"service"}
    assert [chosen(each["spec"]["selector"]) for each in of("Service")] == [{"service"}]
    [budget] = of("PodDisruptionBudget")
    assert chosen(budget["spec"]["selector"]["matchLabels"]) == {"service"}
    policies = {
        each["metadata"]["name"]: chosen(each["spec"]["podSelector"]["matchLabels"])
        for each in of("NetworkPolicy")
    }
    assert policies == {
        "readmit-service": {"service"},
        "readmit-batch": {"batch"},
        "readmit-egress": {"service", "batch"},
    }
    [spread] = PODS["service"]["spec"]["topologySpreadConstraints"]
    assert chosen(spread["labelSelector"]["matchLabels"]) == {"service"}


def test_one_replica_may_always_be_taken_away() -> None:
    [budget] = of("PodDisruptionBudget")
    assert budget["spec"]["minAvailable"] < DEPLOYMENT["spec"]["replicas"]


def test_ports_are_one_port() -> None:
    [port] = SERVE["ports"]
    assert port["containerPort"] == Settings.model_fields["port"].default
    [service] = of("Service")
    named = {each["targetPort"] for each in service["spec"]["ports"]}
    named |= {
        SERVE[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "liveness", "readiness")
    }
    [ingress] = [each for each in of("NetworkPolicy") if "ingress" in each["spec"]]
    named |= {each["port"] for rule in ingress["spec"]["ingress"] for each in rule["ports"]}
    assert named == {port["name"]}
    noted = PODS["service"]["metadata"]["annotations"]
    assert noted["prometheus.io/port"] == str(port["containerPort"])


def test_probes_ask_what_the_service_answers() -> None:
    routes = re.findall(
        r'@router\.get\("([^"]+)"\)', (ROOT / "cds_service" / "probes.py").read_text("utf-8")
    )
    asked = {
        kind: SERVE[f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("startup", "liveness", "readiness")
    }
    assert asked == {
        "startup": "/health/live",
        "liveness": "/health/live",
        "readiness": "/health/ready",
    }
    assert {
        *asked.values(),
        PODS["service"]["metadata"]["annotations"]["prometheus.io/path"],
    } == set(routes)


def test_it_may_finish_what_it_took() -> None:
    pause = int(SERVE["lifecycle"]["preStop"]["exec"]["command"][1])
    assert PODS["service"]["spec"]["terminationGracePeriodSeconds"] > pause + DRAIN_S


@pytest.mark.parametrize(("pod", "container"), CONTAINERS)
def test_no_container_may_do_more_than_it_needs(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    told = pod["spec"]["securityContext"]
    [user] = [each.rest for each in instructions("Dockerfile") if each.word == "USER"]
    assert told["runAsNonRoot"]
    assert f"{told['runAsUser']}:{told['runAsGroup']}" == user
    assert told["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", PODS)
def test_every_volume_is_mounted_and_every_mount_has_its_volume(name: str) -> None:
    pod = PODS[name]["spec"]
    containers = [*pod.get("initContainers", []), *pod["containers"]]
    mounted = {mount["name"] for each in containers for mount in each["volumeMounts"]}
    assert mounted == {each["name"] for each in pod["volumes"]}
    claims = {each["metadata"]["name"] for each in of("PersistentVolumeClaim")}
    asked = {
        each["persistentVolumeClaim"]["claimName"]
        for each in pod["volumes"]
        if "persistentVolumeClaim" in each
    }
    assert asked <= claims
    assert pod["serviceAccountName"] in {each["metadata"]["name"] for each in of("ServiceAccount")}


def references(tree: Any, key: str) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        if key in tree:
            yield tree[key]
        for each in tree.values():
            yield from references(each, key)
    elif isinstance(tree, list):
        for each in tree:
            yield from references(each, key)


def test_every_config_map_is_generated() -> None:
    named = {
        each["name"]
        for key in ("configMapRef", "configMap")
        for each in references(list(PODS.values()), key)
    }
    assert named == set(GENERATED)


def test_secrets_are_named_never_written_and_the_page_says_how_to_make_them() -> None:
    assert of("Secret") == []
    page = (ROOT / "docs" / "how-to" / "deploy.md").read_text("utf-8")
    keys = {(each["name"], each["key"]) for each in references(list(PODS.values()), "secretKeyRef")}
    assert keys == {("readmit", "storage-keys"), ("readmit", "database-password")}
    for name, key in keys:
        assert f"secret generic {name} " in page
        assert f"--from-literal={key}=" in page
    for each in references(list(PODS.values()), "env"):
        assert all(set(one) == {"name", "valueFrom"} for one in each)


def test_the_service_starts_with_the_settings_of_the_example(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = merged("readmit-settings")
    assert {name.removeprefix("READMIT_").lower() for name in told} <= set(Settings.model_fields)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("READMIT_STORAGE_KEYS", '["key"]')
    monkeypatch.setenv("READMIT_TENANTS", str(EXAMPLE / Path(told["READMIT_TENANTS"]).name))
    assert [each.name for each in tenants_of(Settings())] == ["north"]


@pytest.mark.parametrize("name", PODS)
def test_files_of_settings_lie_where_something_is_mounted(name: str) -> None:
    [container] = PODS[name]["spec"]["containers"]
    told = merged("readmit-settings")
    mounted = {each["mountPath"] for each in container["volumeMounts"]}
    for setting in ("READMIT_TENANTS", "READMIT_APP_KEYS"):
        assert str(Path(told[setting]).parent) in mounted


def test_the_service_is_started_by_a_command_of_ours() -> None:
    assert parsed(app, SERVE["args"])["dev"] is None


def test_the_batch_is_a_command_of_ours_and_takes_its_own_run_up_again() -> None:
    told = parsed(app, BATCH["args"])
    assert (told["stays"], told["targets"]) == ("open", ["database"])
    assert CRONJOB["spec"]["concurrencyPolicy"] == "Forbid"
    assert CRONJOB["spec"]["jobTemplate"]["spec"]["backoffLimit"] > 0
    [run] = [each["valueFrom"]["fieldRef"] for each in BATCH["env"] if each["name"] == "RUN"]
    assert told["run"].name == "$(RUN)"
    assert run == {"fieldPath": "metadata.labels['batch.kubernetes.io/job-name']"}


def test_the_batch_names_what_its_config_map_has() -> None:
    assert set(re.findall(r"\$\((BATCH_\w+)\)", " ".join(BATCH["args"]))) == set(
        merged("readmit-batch")
    )
    tenants = load_tenants(EXAMPLE / "tenants.toml")
    assert merged("readmit-batch")["BATCH_TENANT"] in {
        each.name for each in tenants if each.backend
    }


def test_the_batch_has_room_for_what_it_is_told_to_take() -> None:
    limit = int(BATCH["resources"]["limits"]["memory"].removesuffix("Gi")) * 1024
    assert limit > parsed(app, BATCH["args"])["memory"]


def test_runs_lie_on_the_volume_and_old_ones_are_forgotten() -> None:
    [forget] = PODS["batch"]["spec"]["initContainers"]
    place = parsed(app, BATCH["args"])["run"].parent
    assert forget["command"][:2] == ["find", str(place)]
    assert forget["command"][-1] == f"{CRONJOB['metadata']['name']}-*"
    for container in (forget, BATCH):
        assert str(place) in {each["mountPath"] for each in container["volumeMounts"]}
