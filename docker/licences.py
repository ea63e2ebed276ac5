"""Licences of all that an image of the service holds of Python: permissive, or with a reason beside it.

Exit status 1 where one is neither. Licences of Debian's packages in the base image are not looked at.
"""

import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution

from docker.closure import closure

PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT", "MIT-0",
    "PSF-2.0", "Zlib",
}  # fmt: skip
_SPOKEN = {
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD license": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""Classifiers and free text, where a distribution states no SPDX expression."""

EXCEPTIONS = {
    "certifi": ("MPL-2.0", "copyleft for its own files alone; they are passed on unchanged"),
}
LIBRARIES = {
    "libgomp": "GPL-3.0 with the GCC Runtime Library Exception, which permits programs of any licence",
    "libgfortran": "GPL-3.0 with the GCC Runtime Library Exception, which permits programs of any licence",
    "libquadmath": "LGPL-2.1, linked dynamically and replaceable",
}
"""GCC's runtime libraries, which wheels carry inside and their licence fields do not always name."""
_GCC = re.compile(r"/(lib(?:gcc_s|gomp|gfortran|quadmath|stdc\+\+|atomic))[^/]*\.so")


def terms(of: Distribution) -> set[str]:
    """Every licence that a distribution names; empty where it names none."""
    if expression := of.metadata.get("License-Expression"):
        named = re.split(r"\s+(?:AND|OR)\s+|[()]", expression)
        return {each.split(" WITH ")[0].strip() for each in named if each.strip()}
    classifiers = of.metadata.get_all("Classifier") or []
    spoken = {each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License ::")}
    text = of.metadata.get("License", "")
    return {_SPOKEN.get(each, each) for each in spoken or {text} if each}


def refused(held: Iterable[tuple[str, Distribution]]) -> dict[str, set[str]]:
    """Distributions with a licence that is neither permissive nor excepted, or with none."""
    found = {}
    for name, each in held:
        told = terms(each)
        wrong = told - PERMISSIVE - {EXCEPTIONS.get(name, ("", ""))[0]}
        if wrong or not told:
            found[name] = wrong
    return found


def libraries(held: Iterable[Distribution]) -> set[str]:
    """GCC's runtime libraries inside them."""
    paths = (str(path) for each in held for path in each.files or [])
    return {hit[1] for hit in map(_GCC.search, paths) if hit}


def main() -> int:
    """Prints what is refused; the exit status."""
    held = closure()
    wrong = refused(held.items())
    for name, told in wrong.items():
        print(f"{name} {held[name].version}: {', '.join(sorted(told)) or 'no licence stated'}")
    unknown = libraries(held.values()) - set(LIBRARIES)
    for name in sorted(unknown):
        print(f"{name}: inside of a wheel, and not in docker/licences.py")
    print(f"{len(held)} distributions, {len(wrong) + len(unknown)} refused")
    return bool(wrong or unknown)


if __name__ == "__main__":
    sys.exit(main())
