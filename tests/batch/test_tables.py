"""Tables of results that cannot be made: a sentence without a value, and no file."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_service.batch import tables
from cds_service.batch.errors import BatchError
from cds_service.batch.job import Job
from cds_service.batch.sorting import Tally
from cds_service.batch.summary import summary

SECRET = "4711-of-jane"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("probability", SECRET),
        ("feature_age", SECRET),
        ("created_at", SECRET),
        ("lace_points", 2**80),
    ],
)
def test_a_value_that_fits_no_column_is_not_quoted(column: str, value: Any, tmp_path: Path) -> None:
    file = tmp_path / "rows" / "0000.parquet"
    row = dict.fromkeys(tables.schema()) | {"patient_id": SECRET, column: value}
    with pytest.raises(BatchError, match=r"0000\.parquet: the results make no table") as raised:
        tables.write_shard([row], file)
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    assert list(tmp_path.rglob("*.parquet*")) == []


@pytest.mark.parametrize("write", [tables.write_parquet, tables.write_csv])
def test_rows_that_are_damaged_on_disk_are_a_sentence(
    write: Callable[..., None], job: Job, tmp_path: Path
) -> None:
    shard = tmp_path / "0000.parquet"
    shard.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(BatchError, match="the results make no table"):
        write([shard], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(BatchError, match=r"summary\.json: the results make no table"):
        summary([shard], Tally(), job.assessor.bundle)
