"""The body of the commands' reference page, from the two typer applications."""

import types
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from cds_service.cli import app as readmit
from docs.trust_pages import Rows
from training.cli import app as readmit_train

ABOUT = """\
`readmit` stands for `python -m cds_service`, `readmit-train` for `python -m training.cli`; `make setup` puts both into
`.venv/bin`. `--help` after any command says what is here. Those that look at the store or serve take the
[settings](settings.md) from the environment.

| exit status | of `readmit` | of `readmit-train` |
| --- | --- | --- |
| 0 | done; of `audit verify` and `audit replay`: whole, the same | done |
| 1 | of `audit verify` and `audit replay`: not so | refused, in one line that says what to change |
| 2 | refused, in one line that says what to change | wrong options |
| 3 | of `audit replay`: the inputs were purged | |
"""
APPS = {"readmit": readmit, "readmit-train": readmit_train}
_WORDS = {str: "text", Path: "path", int: "number", float: "number", datetime: "YYYY-MM-DD"}


def commands() -> Iterator[tuple[str, str, Rows]]:
    """Name, what it does and its options, for each command of both applications."""
    for name, application in APPS.items():
        yield from _below(name, typer.main.get_command(application))


def _below(name: str, command: Any) -> Iterator[tuple[str, str, Rows]]:
    inner = getattr(command, "commands", {})
    rows = [_row(each, command) for each in command.params]
    if rows or not inner:
        yield name, _plain(command.help), rows
    for word in sorted(inner):
        yield from _below(f"{name} {word}", inner[word])


def _row(parameter: Any, command: Any) -> tuple[str, ...]:
    kind = get_type_hints(command.callback).get(parameter.name, bool)
    argument = parameter.param_type_name == "argument"
    names = [parameter.metavar or parameter.name] if argument else parameter.opts
    values = " or ".join(dict.fromkeys(_values(kind)))
    least = getattr(parameter, "min", None)
    return (
        ", ".join(f"`{each}`" for each in names),
        f"{values}{'' if least is None else f', at least {least}'}"
        + (", several times" if parameter.multiple else ""),
        "required" if parameter.required else _default(parameter.default),
        _plain(parameter.help),
    )


def _plain(words: str | None) -> str:
    return " ".join((words or "").split()).replace("<", "&lt;")


def _values(kind: Any) -> list[str]:
    if get_origin(kind) in (Union, types.UnionType, list):
        return [word for each in get_args(kind) if each is not type(None) for word in _values(each)]
    if get_origin(kind) is Literal:
        return [f"`{each}`" for each in get_args(kind)]
    return [] if kind is bool else [_WORDS[kind]]


def _default(default: object) -> str:
    return "" if default in (None, False) else f"`{default}`"
