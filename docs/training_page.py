"""The training settings as a page: every group of the TOML, its defaults, its meaning."""

from collections.abc import Iterator

import msgspec

from training import settings


def training_body() -> str:
    """A section for each group, the whole TOML first."""
    return "\n".join(_section(title, group) for title, group in _groups("", settings.Settings))


def _groups(path: str, group: type[msgspec.Struct]) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    yield path or "top level", group
    for field in msgspec.structs.fields(group):
        inner = _inner(field)
        if inner is not None:
            yield from _groups(f"{path}.{field.name}" if path else field.name, inner)


def _inner(field: msgspec.structs.FieldInfo) -> type[msgspec.Struct] | None:
    kinds = (field.type, *getattr(field.type, "__args__", ()))
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, msgspec.Struct)), None)


def _section(title: str, group: type[msgspec.Struct]) -> str:
    rows = [
        f"| `{field.name}` | {_default(field)} |"
        for field in msgspec.structs.fields(group)
        if _inner(field) is None
    ]
    words = " ".join((group.__doc__ or "").split())
    heading = f"## `[{title}]`" if title != "top level" else "## Top level"
    return "\n".join((heading, "", words, "", "| setting | default |", "|---|---|", *rows, ""))


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not msgspec.NODEFAULT:
        return "none" if field.default is None else f"`{field.default!r}`"
    return "required" if field.default_factory is msgspec.NODEFAULT else "`{}`"
