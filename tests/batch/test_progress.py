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
