"""The GPU gives the CPU's numbers; and what measures it runs to its end on any machine."""

import ast
import json
import math
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from bench.gpu import __main__ as gpu
from bench.gpu import agreement, drawn
from bench.gpu.agreement import AGREEMENTS, CPU, Agreement
from bench.gpu.speed import Sizes
from model.masking import Reconstructor
from model.text import TextEncoder
from tests.conftest import ROOT
from tests.networks import SMALL, classifier, prepared_rows, small_config

CONFIG = small_config(bins=4, embedding=3, output=12)
TINY = Sizes(
    layers=1, width=32, heads=2, chunks=(2,), rows=(16,), stays=32, batch=16, rounds=1
)  # fmt: skip
META = torch.device("meta")
EACH = pytest.mark.parametrize("agrees", AGREEMENTS, ids=lambda each: each.__name__)
pytestmark = pytest.mark.filterwarnings("ignore:No early stopping:UserWarning")

Check = Callable[[torch.device], Agreement]


@pytest.mark.gpu
@EACH
def test_a_gpu_gives_the_cpus_numbers(agrees: Check) -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no GPU here")
    found = agrees(torch.device("cuda"))
    assert found.holds, found


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """Of a CPU in the GPU's place, at sizes that take no time."""
    torch.set_num_threads(1)
    return gpu.measured(CPU, TINY)


def test_everything_is_measured(found: Mapping[str, Any]) -> None:
    assert (found["failed"], found["left_out"]) == ({}, {})
    assert len(found["agreement"]) == len(AGREEMENTS)
    measured = [each["name"].split(",")[0] for each in found["speed"]]
    assert measured == ["text encoder", "scoring", "masked pretraining"]
    assert all(each["ours"] > 0 and each["against"] > 0 for each in found["speed"])


def test_the_cpu_agrees_with_itself(found: Mapping[str, Any]) -> None:
    assert [each["name"] for each in found["agreement"] if not each["holds"]] == []


@pytest.mark.parametrize("apart", [1.1e-4, math.inf, math.nan])
def test_too_far_apart_is_no_agreement(apart: float) -> None:
    assert not Agreement("any", apart, within=1e-4).holds


@pytest.mark.parametrize("agrees", AGREEMENTS[2:7], ids=lambda each: each.__name__)
def test_a_text_model_that_computes_something_else_is_found_out(
    agrees: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each second time, as the device comes after the CPU."""
    calls = 0

    def wrong(way: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def off(*given: object, **named: object) -> Tensor:
            nonlocal calls
            calls += 1
            states = way(*given, **named)
            return states if calls % 2 else states.roll(1, dims=-1)

        return off

    monkeypatch.setattr(agreement, "ours", wrong(agreement.ours))
    monkeypatch.setattr(agreement, "theirs", wrong(agreement.theirs))
    monkeypatch.setattr(TextEncoder, "forward", wrong(TextEncoder.forward))
    assert not agrees(CPU).holds


def test_one_part_that_fails_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(device: torch.device) -> Agreement:
        raise RuntimeError(f"no {device}")

    monkeypatch.setattr(gpu, "AGREEMENTS", (fails, agreement.contrastive_loss))
    monkeypatch.setattr(gpu, "SPEED", {"text": "bench.gpu.speed", "absent": "no_such_module"})
    found = gpu.measured(CPU, TINY)
    assert found["failed"] == {"fails": "RuntimeError('no cpu')"}
    assert found["left_out"] == {"absent": "needs no_such_module"}
    assert [len(found[part]) for part in ("agreement", "speed")] == [1, 1]


@pytest.mark.parametrize(("holds", "status"), [(True, 0), (False, 1)])
def test_what_was_found_is_written_where_out_says(
    holds: bool, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"agreement": [{"holds": holds}], "failed": {}}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "measured", lambda *_: found)
    monkeypatch.setenv("OUT", str(tmp_path))
    assert gpu.main() == status
    assert json.loads((tmp_path / "gpu.json").read_text()) == found


def test_without_a_gpu_nothing_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("OUT", str(tmp_path))
    assert gpu.main() == 2
    assert list(tmp_path.iterdir()) == []


def test_a_network_folded_on_a_device_lies_there_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch refuses tensors of two devices; `meta` is one that every machine has."""

    def load(file: Path, device: str) -> dict[str, Tensor]:
        return {name: each.to(device) for name, each in load_file(file).items()}

    monkeypatch.setattr(drawn, "load_file", load)
    network, rows = drawn.network_on(META), drawn.prepared(8).to(META)
    assert network.logits(rows).device == network.attended(rows).device == META


def test_the_text_tower_makes_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextEncoder, "_products", nullcontext)
    trunk, given = agreement.text_model()
    tower = TextEncoder(trunk.to(META), 1)
    chunks = agreement.chunks_on(*given, META)
    assert tower(chunks).device == tower(chunks, tower.prefix(chunks)).device == META


def test_a_step_of_masked_pretraining_makes_nothing_elsewhere() -> None:
    module = Reconstructor(classifier(CONFIG).encoder, SMALL, CONFIG).to(META).train()
    rows = prepared_rows(16).to(META)
    total = module(rows, torch.zeros_like(rows, dtype=torch.bool))
    (total.sum / total.count).backward()
    slopes = [each.grad for each in module.parameters() if each.grad is not None]
    assert {total.sum.device, *(each.device for each in slopes)} == {META}


def test_a_step_of_fine_tuning_makes_nothing_elsewhere() -> None:
    module = classifier(CONFIG).to(META).train()
    encoded = module.encoder(prepared_rows(16).to(META))
    (module.head(encoded.embedding).sum() + encoded.sparsity).backward()
    slopes = [each.grad for each in module.parameters() if each.grad is not None]
    assert {each.device for each in slopes} == {META}


def imports_of(name: str) -> set[str]:
    """What a module of ours imports, and those above it in its package."""
    file = ROOT / name.replace(".", "/")
    file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    if not file.is_file():  # a name out of a module
        return {name.rpartition(".")[0]}
    found = {name.rpartition(".")[0]} - {""}
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_a_machine_with_torch_and_transformers_can_run_it() -> None:
    """transformers brings numpy, safetensors and rich; bench/gpu.sh sees to msgspec."""
    waiting, seen = ["bench.gpu.__main__", "bench.gpu.agreement", "bench.gpu.speed"], set[str]()
    while waiting:
        seen.add(name := waiting.pop())
        if name.partition(".")[0] in ("bench", "model"):
            waiting += imports_of(name) - seen
    needed = {name.partition(".")[0] for name in seen} - sys.stdlib_module_names
    assert needed == {
        "bench", "model", "torch", "transformers", "numpy", "safetensors", "rich", "msgspec"
    }  # fmt: skip
