"""Which build of torch this environment has, without importing it: what it needs may not be there yet."""

import runpy
import sys
from importlib.metadata import files


def build() -> str:
    """`cpu` or `cuda`."""
    written = next(each for each in files("torch") or [] if str(each) == "torch/version.py")
    told = runpy.run_path(str(written.locate()))
    return "cuda" if told["cuda"] else "cpu"


def main(wanted: str) -> int:
    """The exit status: 0 where the build is the one that is wanted."""
    found = build()
    if found != wanted:
        print(
            f"This is a {found} build of torch, not {wanted}: name an index that has one in TORCH_INDEX."
        )
    return found != wanted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
