"""A stage that was killed and started again ends where one that was not killed ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import Whole
from tests.training.small_runs import STAGES, experiment, in_bytes, quiet, with_fit
from training import loop
from training.fitting import checkpoints
from training.runs import Stage
from training.settings import Settings

pytestmark = pytest.mark.sampled(2)

Patch = pytest.MonkeyPatch
AVERAGE = 0.9


class Killed(BaseException):
    """What no part of the program may catch."""


def nth_call(function: Callable[..., Any], number: int) -> Callable[..., Any]:
    """Do as `function` does, and be killed when it is called for the nth time."""
    calls = 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            raise Killed
        return function(*args, **kwargs)

    return call


def before_the_first_step(patch: Patch) -> None:
    patch.setattr(loop, "_step", nth_call(loop._step, 1))


def within_an_epoch(patch: Patch) -> None:
    patch.setattr(loop, "_step", nth_call(loop._step, 8))


def between_metrics_and_checkpoint(patch: Patch) -> None:
    patch.setattr(loop, "write_checkpoint", nth_call(checkpoints.write_checkpoint, 2))


def within_the_checkpoint(patch: Patch) -> None:
    """Some bytes are written, and not all."""
    write, calls = Path.write_bytes, 0

    def half(path: Path, content: bytes) -> int:
        nonlocal calls
        calls += checkpoints.NAME in path.name
        if calls == 2:
            write(path, content[: len(content) // 2])
            raise Killed
        return write(path, content)

    patch.setattr(Path, "write_bytes", half)


def before_the_end(patch: Patch) -> None:
    """All epochs done, what they made not yet kept."""
    patch.setattr(Stage, "finish", nth_call(Stage.finish, 1))


MOMENTS = [
    before_the_first_step,
    within_an_epoch,
    between_metrics_and_checkpoint,
    within_the_checkpoint,
    before_the_end,
]


def killed(folder: Path, stage: str, settings: Settings, moment: Callable[[Patch], None]) -> None:
    with Patch.context() as patch:
        moment(patch)
        with pytest.raises(Killed):
            STAGES[stage](experiment(folder, settings))
    assert not (folder / stage / "DONE").exists()


CASES = [
    *(("pretrain", moment) for moment in MOMENTS),
    *((stage, within_an_epoch) for stage in STAGES if stage != "pretrain"),
]


@pytest.mark.parametrize(
    ("stage", "moment"), CASES, ids=[f"{stage} {moment.__name__}" for stage, moment in CASES]
)
def test_a_killed_stage_ends_where_a_whole_one_ends(
    stage: str, moment: Callable[[Patch], None], whole: Whole, all_stages: Settings, tmp_path: Path
) -> None:
    settings = with_fit(all_stages, average=AVERAGE)
    killed(tmp_path, stage, settings, moment)
    weights = STAGES[stage](experiment(tmp_path, settings))
    folder, expected = whole(stage, AVERAGE)
    assert in_bytes(weights) == in_bytes(expected)
    found = {each.name: each.read_bytes() for each in (tmp_path / stage).iterdir()}
    assert found == {each.name: each.read_bytes() for each in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_in_every_epoch_ends_there_too(
    stage: str, whole: Whole, all_stages: Settings, tmp_path: Path
) -> None:
    """Without a moving average, told by what is shown of progress."""

    for epochs in range(1, 3):

        def tell(task: str, done: int, total: int, epochs: int = epochs) -> None:
            if task == stage and done == epochs:
                raise Killed

        with pytest.raises(Killed):
            STAGES[stage](experiment(tmp_path, all_stages, progress=tell))
    weights = STAGES[stage](experiment(tmp_path, all_stages, progress=quiet))
    folder, expected = whole(stage, 0.0)
    assert in_bytes(weights) == in_bytes(expected)
    metrics = (tmp_path / stage / "metrics.jsonl").read_bytes()
    assert metrics == (folder / "metrics.jsonl").read_bytes()


def test_a_line_that_was_cut_in_two_is_written_again(
    whole: Whole, all_stages: Settings, tmp_path: Path
) -> None:
    """As `kill -9` or a full disk leaves it."""
    killed(tmp_path, "pretrain", all_stages, within_an_epoch)
    with (tmp_path / "pretrain" / "metrics.jsonl").open("ab") as lines:
        lines.write(b'{"epoch":1,"lo')
    STAGES["pretrain"](experiment(tmp_path, all_stages))
    metrics = (tmp_path / "pretrain" / "metrics.jsonl").read_bytes()
    assert metrics == (whole("pretrain", 0.0)[0] / "metrics.jsonl").read_bytes()


def test_a_finished_stage_is_not_run_again(
    whole: Whole, all_stages: Settings, tmp_path: Path, monkeypatch: Patch
) -> None:
    STAGES["pretrain"](experiment(tmp_path, all_stages))
    monkeypatch.setattr(loop, "_step", nth_call(loop._step, 1))
    again = STAGES["pretrain"](experiment(tmp_path, all_stages))
    assert in_bytes(again) == in_bytes(whole("pretrain", 0.0)[1])
