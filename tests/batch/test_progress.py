"""What a command shows while a source works."""

import pytest

from cds_service.batch.progress import OneLine, Silent


def test_one_line_is_drawn_on_standard_error_as_it_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with OneLine() as shown:
        shown.say("Waiting [bold]40%[/bold]", 1, 4)
    (task,) = shown._progress.tasks
    assert (task.description, task.completed, task.total) == (r"Waiting \[bold]40%\[/bold]", 1, 4)
    assert capsys.readouterr().out == ""


def test_nobody_has_to_listen() -> None:
    Silent().say("Waiting", 1, 4)


def test_the_next_thing_has_a_rate_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with OneLine() as shown:
        shown.say("Sort", 4, 4)
        (task,) = shown._progress.tasks
        begun = task.start_time
        shown.say("Score", 1, 9)
        assert (task.completed, task.total) == (1, 9)
        assert task.start_time is not None
        assert begun is not None
        assert task.start_time > begun
