"""Which engine a user gets, and what is said where it cannot be had."""

from pathlib import Path

import pytest

from cds_service.batch.engines import engine_of
from cds_service.batch.errors import BatchError
from cds_service.batch.one_machine import OneMachine
from cds_service.batch.spark import session
from cds_service.batch.spark.session import refusal


def test_one_machine_is_what_one_gets_unasked() -> None:
    with engine_of("local", None) as engine:
        assert isinstance(engine, OneMachine)


def test_a_master_is_for_spark() -> None:
    with pytest.raises(BatchError, match=r"--master: is Spark's\. Add --engine spark\."):
        engine_of("local", "spark://there:7077")


def test_without_pyspark_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: None)
    with pytest.raises(BatchError, match=r"pip install 'readmit-cds\[spark\]'"):
        engine_of("spark", None)


@pytest.mark.parametrize("setting", ["PATH", "JAVA_HOME"])
def test_without_java_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str
) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: name)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv(setting, str(tmp_path))
    with pytest.raises(BatchError, match=r"there is no Java\. Install Java 17 or later"):
        engine_of("spark", None)
    engine_of("spark", "sc://databricks.example")  # its Java is elsewhere


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trace\nfailing.WorkerError: a.gz: canary ends early.\n\tat org", "up: a.gz: canary ends"),
        ("ModuleNotFoundError: No module named 'canary'", "lacks readmit-cds"),
        ("ExecutorLostFailure (executor 1 exited) canary", "lost the same worker's task too often"),
        ("canary", "the job failed (RuntimeError)"),
    ],
)
def test_what_a_job_died_of_is_a_sentence(text: str, said: str) -> None:
    sentence = str(refusal(RuntimeError(text)))
    assert said in sentence
    assert ("canary" in sentence) == ("WorkerError" in text)
