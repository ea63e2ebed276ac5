"""What an image installs of others: whose licences, and a list of all of it."""

import json
import subprocess
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from docker.closure import closure
from docker.licences import EXCEPTIONS, LIBRARIES, libraries, main, refused, terms
from docker.sbom import cut, told
from tests.docker.reading import ROOT


def distribution(folder: Path, *fields: str) -> Distribution:
    (folder / "METADATA").write_text(
        "\n".join(["Name: one", "Version: 1", *fields]) + "\n\n", "utf-8"
    )
    return PathDistribution(folder)


def test_every_licence_is_permissive_or_has_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out


def test_no_exception_is_idle() -> None:
    held = closure()
    assert {name: terms(held[name]) for name in EXCEPTIONS} == {
        name: {licence} for name, (licence, _) in EXCEPTIONS.items()
    }
    assert libraries(held.values()) == set(LIBRARIES)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        (["License-Expression: MIT OR GPL-3.0-only"], {"GPL-3.0-only"}),
        (["License-Expression: (MIT AND LGPL-2.1-or-later)"], {"LGPL-2.1-or-later"}),
        (["License: GPL"], {"GPL"}),
        (["Classifier: License :: OSI Approved :: GNU Affero General Public License v3"],
         {"GNU Affero General Public License v3"}),
        (["Summary: says nothing"], set()),
    ],
)  # fmt: skip
def test_others_are_refused(tmp_path: Path, fields: list[str], wrong: set[str]) -> None:
    assert refused([("one", distribution(tmp_path, *fields))]) == {"one": wrong}


@pytest.mark.parametrize(
    "field",
    [
        "License-Expression: Apache-2.0 WITH LLVM-exception",
        "License: BSD-3-Clause",
        "Classifier: License :: OSI Approved :: MIT License",
    ],
)
def test_permissive_ones_pass(tmp_path: Path, field: str) -> None:
    assert refused([("one", distribution(tmp_path, field))]) == {}


def test_the_closure_has_what_the_service_needs_and_no_training() -> None:
    held = set(closure())
    assert {"readmit-cds", "torch", "asyncpg", "opentelemetry-sdk", "greenlet"} <= held
    assert not held & {"pytest", "transformers", "pandas", "playwright"}


def test_a_bill_is_cut_to_its_names() -> None:
    def part(name: str, *needs: str) -> dict[str, object]:
        return {"ref": name, "dependsOn": list(needs)}

    bill = {
        "metadata": {"component": {"bom-ref": "root"}},
        "components": [{"name": name, "bom-ref": name} for name in ("A_b", "test")],
        "dependencies": [part("root", "A_b", "test"), part("A_b"), part("test", "A_b")],
    }
    assert cut(bill, {"a-b"}) == {
        "metadata": bill["metadata"],
        "components": [{"name": "A_b", "bom-ref": "A_b"}],
        "dependencies": [part("root", "A_b"), part("A_b")],
    }


VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
text = sys.stdin.read()
sys.exit(str(JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) or "") or 0)
"""


@pytest.mark.slow
def test_the_bill_lists_the_closure_and_is_valid(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    names = set(closure())
    bill = cut(told(tools / "cyclonedx-py"), names)
    assert bill["specVersion"] == "1.6"
    listed = {
        each["name"].lower().replace("_", "-").replace(".", "-") for each in bill["components"]
    }
    assert listed == names - {"readmit-cds"}
    done = subprocess.run(
        [tools / "python", "-c", VALIDATE],
        input=json.dumps(bill),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
