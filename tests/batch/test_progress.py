"""What a command shows while a source works."""

from cds_service.batch.progress import OneLine, Silent, columns


def test_one_line_is_drawn_as_it_is_told() -> None:
    shown = columns()
    OneLine(shown).say("Waiting [bold]40%[/bold]", 1, 4)
    (task,) = shown.tasks
    assert (task.description, task.completed, task.total) == (r"Waiting \[bold]40%\[/bold]", 1, 4)
    assert shown.console.stderr


def test_nobody_has_to_listen() -> None:
    Silent().say("Waiting", 1, 4)
