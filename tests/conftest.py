"""What every test may rely on: the data folder, the goldens switch, and no network beyond loopback."""

import gc
import ipaddress
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
UNDER_CI = bool(os.environ.get("CI"))

# Shared machines stall: a deadline would fail the machine, not the rule.
settings.register_profile("readmit", deadline=None, derandomize=UNDER_CI, print_blob=True)
settings.load_profile("readmit")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="write the expected answers anew"
    )


@pytest.fixture(scope="session")
def update_goldens(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-goldens"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The open data sets: absent they skip a test on a desk and fail it under CI."""
    folder = Path(os.environ.get("READMIT_DATA") or ROOT.parent / "shared" / "data").resolve()
    if folder.is_dir():
        return folder
    message = "the data sets are not here: set READMIT_DATA to their folder"
    if UNDER_CI:
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def peers() -> Path:
    """The commands of other projects' software (`make peers`): absent they skip, under CI they fail."""
    commands = ROOT / ".venv-peers" / "bin"
    if (commands / "python").exists():
        return commands
    message = "the software of other projects is not here: make peers"
    if UNDER_CI:
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def spark() -> None:
    """Spark and a Java (`make spark`): absent they skip, under CI they fail."""
    lacks = [] if find_spec("pyspark") else ["pyspark (make spark)"]
    lacks += [] if shutil.which("java") else ["Java 17"]
    if lacks and UNDER_CI:
        pytest.fail(f"not here: {', '.join(lacks)}")
    if lacks:
        pytest.skip(f"not here: {', '.join(lacks)}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a module marked `sampled(n)` every so many-th case stays in `make test`, others become slow
    for that reason alone, which `unsampled` says. What is `long` comes first."""
    modules: dict[Path, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("sampled") and not item.get_closest_marker("slow"):
            modules.setdefault(item.path, []).append(item)
    for cases in modules.values():
        sample = next(cases[0].iter_markers("sampled")).args[0]
        step = -(-len(cases) // sample)
        for number, case in enumerate(cases):
            if number % step:
                case.add_marker(pytest.mark.slow)
                case.add_marker(pytest.mark.unsampled)
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_configure() -> None:
    """Imports leave next to no garbage, and looking for it among them takes a fifth of their time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What the imports left stays for good: collecting garbage need not look through it again, and is
    done seldom: a large record is many objects and no garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


def pytest_unconfigure() -> None:
    """Else libraries that look for leaks at their end take what is frozen for one."""
    gc.unfreeze()


class NetworkUse(Exception):  # noqa: N818 - not an OSError, so that no retry swallows it
    """A test reached for an address that is not this machine's own."""


def _is_own(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(name).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _guarded(original: Callable[..., Any], host_of: Callable[..., object]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if not _is_own(host_of(*args, **kwargs)):
            raise NetworkUse("tests talk to loopback only")
        return original(*args, **kwargs)

    return call


def _peer(_: socket.socket, address: object) -> object:
    return address[0] if isinstance(address, tuple) else None  # else a Unix socket's path


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name), _peer))
        resolve = _guarded(socket.getaddrinfo, lambda host, *_, **__: host)
        patch.setattr(socket, "getaddrinfo", resolve)
        yield
