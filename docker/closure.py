"""What an image of the service holds of Python: the project and what it needs, as it is installed here."""

import re
from importlib.metadata import Distribution, distribution

from packaging.requirements import Requirement

PROJECT = "readmit-cds"
EXTRAS = ("postgres", "traces")
"""Those that docker/Dockerfile installs."""


def closure(name: str = PROJECT, extras: tuple[str, ...] = EXTRAS) -> dict[str, Distribution]:
    """Distributions by normal name. Raises PackageNotFoundError where one is not installed."""
    reached: dict[str, Distribution] = {}
    open_ends, followed = [(name, extras)], set()
    while open_ends:
        followed.add(end := open_ends.pop())
        reached[normal(end[0])] = here = distribution(end[0])
        needed = ((each.name, tuple(sorted(each.extras))) for each in _needs(here, end[1]))
        open_ends += [each for each in needed if each not in followed]
    return dict(sorted(reached.items()))


def normal(name: str) -> str:
    """The one way to write a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _needs(here: Distribution, extras: tuple[str, ...]) -> list[Requirement]:
    told = map(Requirement, here.requires or [])
    return [
        each
        for each in told
        if not each.marker or any(each.marker.evaluate({"extra": one}) for one in ("", *extras))
    ]
