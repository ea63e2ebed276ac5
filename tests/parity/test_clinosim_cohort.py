"""The open synthetic hospital as a cohort: every stay accounted for, every note with its stay."""

from pathlib import Path

import polars
import pytest

from tests.unit.cohort_readers import quiet
from training.cohort import CohortSettings, build_cohort
from training.cohorts.files import load_notes, load_table
from training.fhir_cohort import FhirReader

pytestmark = [pytest.mark.data, pytest.mark.slow]


def test_the_stays_of_the_provenance_are_all_accounted_for(data_dir: Path, tmp_path: Path) -> None:
    reader = FhirReader(data_dir / "clinosim-101" / "ndjson")
    settings = CohortSettings(shards=3, require_notes=True)
    cohort = build_cohort(reader, settings, tmp_path / "c", quiet)
    flow = cohort.flow
    assert (flow.stays, flow.subjects) == (432, 313)
    assert flow.excluded == {
        "deceased": 13, "follow_up_too_short": 40, "newborn": 16, "not_finished": 5, "under_18": 8,
    }  # fmt: skip
    assert (flow.kept, flow.notes) == (350, 350)
    assert flow.labels["readmission_30d"].positive == 63
    table = load_table(cohort.folder)
    assert len(table) == 350
    assert set(load_notes(cohort.folder)) == set(table.stays)
    one_split = polars.DataFrame({"who": table.subjects, "split": table.splits}).unique()
    assert one_split["who"].n_unique() == len(one_split)
