"""The commands of an operator as they are called, on a database that the service has filled."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cds_service.cli import app
from tests.service.requests import EXAMPLES, example
from tests.service.running import URL, running
from tests.service.stored import KEY

ROOT = Path(__file__).resolve().parents[2]
POINTS = ROOT / "bundles" / "lace-hospital"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.json"))


@dataclass(frozen=True)
class Operator:
    """The shell of somebody who runs the service whose database lies in `folder`."""

    folder: Path
    patch: pytest.MonkeyPatch

    def set(self, **settings: str) -> None:
        for name, value in settings.items():
            self.patch.setenv(f"READMIT_{name.upper()}", value)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, words)

    def sql(self, statement: str, *given: object) -> list[tuple[object, ...]]:
        """On the database file itself."""
        with sqlite3.connect(self.folder / "test.sqlite") as connection:
            found = connection.execute(statement, given).fetchall()
        connection.close()
        return found

    def uuids(self) -> dict[str, str]:
        """The id of each example's assessment."""
        listed = self.sql("SELECT patient_id, uuid FROM assessment ORDER BY id")
        return {str(patient).removesuffix("-patient-1"): str(uuid) for patient, uuid in listed}


def operator(folder: Path, patch: pytest.MonkeyPatch) -> Operator:
    """With the settings that the service of `filled` has."""
    patch.chdir(ROOT)
    found = Operator(folder, patch)
    database = f"sqlite+aiosqlite:///{folder}/test.sqlite"
    found.set(database=database, storage_keys=f'["{KEY}"]', bundles=f'{{"points": "{POINTS}"}}')
    return found


async def filled(folder: Path, *names: str, bundle: Path = POINTS) -> None:
    """Answer these examples, or all, with the service and stop it."""
    bundles = {"readmission-risk": bundle}
    async with running(folder, bundles=bundles, storage_keys=(KEY,)) as http:
        for name in names or NAMES:
            answer = await http.post(URL, json=example(name))
            assert answer.status_code == 200, answer.text
