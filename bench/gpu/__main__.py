"""`python -m bench.gpu`: all agreements and all figures, into gpu.json below $OUT or bench/results."""

import datetime
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import torch
import transformers

from bench.gpu.agreement import AGREEMENTS
from bench.gpu.speed import Sizes
from bench.reporting import RESULTS

SPEED: Final = {
    "text": "bench.gpu.speed",
    "scoring": "bench.gpu.speed",
    "pretraining": "bench.gpu.pretraining",
}
"""What is measured -> where; imported one by one, as not every machine has what each needs."""
Found = dict[str, Any]


def main() -> int:
    """1 where something disagrees or failed, 2 where there is no GPU."""
    if not torch.cuda.is_available():
        print("torch finds no GPU here: nothing was measured", file=sys.stderr)
        return 2
    found = measured(torch.device("cuda"), Sizes())
    written = json.dumps(found, indent=2) + "\n"
    Path(os.environ.get("OUT") or RESULTS, "gpu.json").write_text(written, "utf-8")
    print(written)
    return int(bool(found["failed"]) or not all(each["holds"] for each in found["agreement"]))


def measured(device: torch.device, sizes: Sizes) -> Found:
    """Agreements first. What fails stands under `failed` and costs the rest nothing; what needs a
    package that is not here stands under `left_out`."""
    found: Found = {"conditions": conditions(device, sizes), "agreement": [], "speed": []}
    found |= {"left_out": {}, "failed": {}}
    for agreement in AGREEMENTS:
        with _apart(found, agreement.__name__):
            made = agreement(device)
            found["agreement"].append({**asdict(made), "holds": made.holds})
    for name, module in SPEED.items():
        with _apart(found, name):
            found["speed"] += getattr(import_module(module), name)(device, sizes)
    return found


def conditions(device: torch.device, sizes: Sizes) -> Found:
    """Device, versions and date of the figures."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else "none"
    return {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),  # noqa: TID251
        "gpu": gpu,
        "cuda": torch.version.cuda,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "sizes": asdict(sizes),
    }


@contextmanager
def _apart(found: Found, name: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        found["left_out"][name] = f"needs {error.name}"
    except Exception as error:
        found["failed"][name] = repr(error)


if __name__ == "__main__":
    sys.exit(main())
