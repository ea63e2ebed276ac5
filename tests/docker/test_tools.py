"""What linters and schemas of others say of docker/ (`make tools`)."""

import subprocess
from pathlib import Path

import pytest

from tests.docker.reading import DOCKER, ROOT, documents

pytestmark = pytest.mark.slow

BASE = DOCKER / "kubernetes" / "base"
[KUSTOMIZATION] = documents(BASE / "kustomization.yaml")
MANIFESTS = [BASE / name for name in KUSTOMIZATION["resources"]]
COMMANDS: dict[str, list[str | Path]] = {
    "hadolint": [DOCKER / "Dockerfile", DOCKER / "Dockerfile.cuda"],
    "yamllint": ["--strict", "--config-file", DOCKER / "yamllint.yaml", DOCKER],
    "check-jsonschema": ["--builtin-schema", "vendor.compose-spec", DOCKER / "compose.yaml"],
    "kubernetes-validate": ["--strict", *MANIFESTS],
}


@pytest.mark.parametrize("tool", COMMANDS)
def test_a_tool_finds_nothing_wrong(tools: Path, tool: str) -> None:
    done = subprocess.run(
        [tools / tool, *COMMANDS[tool]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


WRONG = {
    "hadolint": ("FROM python\nRUN cd /tmp\n", []),
    "yamllint": ("a: 1\na: 2\n", []),
    "check-jsonschema": (
        "services: {one: {imagine: postgres}}\n",
        ["--builtin-schema", "vendor.compose-spec"],
    ),
    "kubernetes-validate": (
        "apiVersion: v1\nkind: Service\nmetadata: {name: one}\nspec: {ports: [{prot: 80}]}\n",
        ["--strict"],
    ),
}


@pytest.mark.parametrize("tool", WRONG)
def test_it_would_find_what_is_wrong(tools: Path, tool: str, tmp_path: Path) -> None:
    text, options = WRONG[tool]
    (tmp_path / "wrong.yaml").write_text(text, "utf-8")
    done = subprocess.run(
        [tools / tool, *options, tmp_path / "wrong.yaml"], capture_output=True, check=False
    )
    assert done.returncode != 0
