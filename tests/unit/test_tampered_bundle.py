"""A trained bundle that was changed after release is refused, and the file is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from model import BundleError, errors, load_bundle, write_bundle
from model.bundle import sha256
from model.trained import FILES
from tests.networks import (
    MANIFEST,
    trained_contents,
)

pytestmark = pytest.mark.sampled(20)

CONTENTS = trained_contents()
WEIGHTS = "weights.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "small", MANIFEST, CONTENTS).path


def refused(folder: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    return caught.value


def replace(folder: Path, name: str, content: bytes) -> None:
    """Change a file *and* its digest: what is left to notice is the content."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = sha256(content)
    (folder / "manifest.json").write_text(json.dumps(manifest))


# What was changed after release


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    error = refused(folder)
    assert isinstance(error, errors.DigestError)
    assert error.where == folder / name


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_not_even_read(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: object) -> None:
        pytest.fail("read before its digest was compared")

    monkeypatch.setattr("model.bundle.read_trained", read)
    (folder / name).write_bytes(b"")
    assert isinstance(refused(folder), errors.DigestError)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_the_kind_needs_cannot_be_left_out(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert isinstance(refused(folder), errors.MissingFileError)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    del manifest["files"][name]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    error = refused(folder)
    assert isinstance(error, errors.MissingFileError)
    assert error.where == folder / name


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"7", b'{"a": "\xff"}', b"[" * 100_000],
    ids=["empty", "cut", "null", "number", "not UTF-8", "deep"],
)  # fmt: skip
@pytest.mark.parametrize("name", FILES)
def test_malformed_content_is_refused_whatever_its_digest(
    folder: Path, name: str, content: bytes
) -> None:
    replace(folder, name, content)
    error = refused(folder)
    assert isinstance(error, errors.ContentError)
    assert error.where == folder / name


# Changed together with its digest: JSON

Change = Callable[[Any], Any]


def put(**fields: Any) -> Change:
    return lambda stored: stored | fields


def at(position: int, value: object) -> Change:
    return lambda stored: [*stored[:position], value, *stored[position + 1 :]]


def inside(name: str, change: Change) -> Change:
    return lambda stored: stored | {name: change(stored[name])}


def first(change: Change) -> Change:
    return lambda stored: [change(stored[0]), *stored[1:]]


def without(name: str) -> Change:
    return lambda stored: {key: each for key, each in stored.items() if key != name}


@pytest.mark.parametrize(
    ("name", "change", "blamed"),
    [
        ("schema.json", inside("columns", first(put(name="years"))), "preprocessing.json"),
        ("schema.json", inside("columns", lambda each: each[:-1]), "preprocessing.json"),
        ("schema.json", inside("columns", lambda each: []), "schema.json"),
        ("schema.json", inside("columns", at(1, {"name": "flag", "kind": "binary", "concept": "flag"})), "histograms.json"),
        ("schema.json", inside("columns", at(3, {"name": "transport", "kind": "categorical", "concept": "arrival", "levels": ["walk"]})), WEIGHTS),
        ("schema.json", inside("columns", first(put(kind="date"))), "schema.json"),
        ("network.json", put(members=3), WEIGHTS),
        ("network.json", put(members=0), "network.json"),
        ("network.json", inside("encoder", put(n_d=5)), WEIGHTS),
        ("network.json", inside("encoder", put(n_steps=3)), WEIGHTS),
        ("network.json", inside("encoder", put(bins=8)), WEIGHTS),
        ("network.json", inside("encoder", put(embedding=1)), WEIGHTS),
        ("network.json", inside("encoder", put(attention="concept")), WEIGHTS),
        ("network.json", inside("encoder", put(output=5)), WEIGHTS),
        ("network.json", inside("encoder", put(gamma=0.5)), "network.json"),
        ("network.json", inside("encoder", put(layers=2)), "network.json"),
        ("preprocessing.json", inside("numeric", without("age")), "preprocessing.json"),
        ("preprocessing.json", inside("numeric", inside("age", put(deviation=0.0))), "preprocessing.json"),
        ("calibration.json", put(slope=-1.0), "calibration.json"),
        ("calibration.json", put(covariance=[-1.0, 0.0, 1.0]), "calibration.json"),
        ("calibration.json", without("interval_holds"), "calibration.json"),
        ("reference.json", lambda stored: stored[:-1], "reference.json"),
        ("reference.json", at(0, "sixty"), "reference.json"),
        ("reference.json", at(3, 1.0), "reference.json"),
        ("histograms.json", without("age"), "histograms.json"),
        ("histograms.json", put(unused_first={"missing": 0.0, "edges": [], "shares": []}), "histograms.json"),
        ("histograms.json", inside("age", put(missing=1.5)), "histograms.json"),
        ("sample_stays.json", lambda stored: [], "sample_stays.json"),
        ("sample_stays.json", first(put(values=[1.0])), "sample_stays.json"),
        ("sample_stays.json", first(inside("values", at(0, "sixty"))), "sample_stays.json"),
        ("sample_stays.json", first(inside("values", at(3, 1.0))), "sample_stays.json"),
        ("sample_stays.json", first(put(probability=1.2)), "sample_stays.json"),
    ],
)  # fmt: skip
def test_a_file_that_contradicts_the_others_is_refused(
    folder: Path, name: str, change: Change, blamed: str
) -> None:
    replace(folder, name, json.dumps(change(json.loads(CONTENTS[name]))).encode())
    error = refused(folder)
    assert isinstance(error, errors.ContentError), error
    assert error.where == folder / blamed
    assert "sixty" not in str(error)


def test_columns_in_another_order_are_not_the_manifests_features(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["features"][0], manifest["features"][1] = manifest["features"][1::-1]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    error = refused(folder)
    assert isinstance(error, errors.ContentError)
    assert error.where == folder / "schema.json"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sample_stays.json", first(put(probability=0.5))),
        ("sample_stays.json", first(inside("values", at(0, 1.0)))),
        ("preprocessing.json", inside("numeric", inside("age", put(mean=20.0)))),
        ("preprocessing.json", inside("numeric", inside("systolic", put(deviation=3.0)))),
        ("calibration.json", put(slope=0.9)),
        ("calibration.json", put(intercept=-1.10001)),
        ("network.json", put(members=1)),
        ("network.json", inside("encoder", put(gamma=1.9))),
        ("schema.json", inside("columns", lambda each: [*each[:3], each[3] | {"levels": each[3]["levels"][::-1]}, *each[4:]])),
    ],
)  # fmt: skip
def test_a_bundle_that_no_longer_gives_its_stored_probabilities_is_refused(
    folder: Path, name: str, change: Change
) -> None:
    replace(folder, name, json.dumps(change(json.loads(CONTENTS[name]))).encode())
    error = refused(folder)
    assert isinstance(error, errors.SampleError)
    assert error.where == folder / "sample_stays.json"


def test_a_stored_probability_holds_to_a_millionth(folder: Path) -> None:
    stored = json.loads(CONTENTS["sample_stays.json"])
    for shift, fits in ((0.9e-6, True), (1.5e-6, False)):
        moved = [stored[0] | {"probability": stored[0]["probability"] + shift}, *stored[1:]]
        replace(folder, "sample_stays.json", json.dumps(moved).encode())
        if fits:
            load_bundle(folder)
        else:
            assert isinstance(refused(folder), errors.SampleError)


# Changed together with its digest: weights


def altered(change: Callable[[Tensor], Tensor], *names: str) -> bytes:
    tensors = load(CONTENTS[WEIGHTS])
    return save(tensors | {name: change(tensors[name]).contiguous() for name in names})


def with_nan(tensor: Tensor) -> Tensor:
    broken = tensor.clone()
    broken.view(-1)[-1] = float("nan")
    return broken


NAMED = [
    "0.encoder.embed.mask",
    "0.encoder.embed.levels",
    "1.encoder.network.initial_bn.weight",
    "0.encoder.network.feat_transformers.1.specifics.glu_layers.0.bn.bn.running_var",
    "1.encoder.network.att_transformers.0.fc.weight",
    "1.encoder.widen.weight",
    "0.head.layers.1.bias",
]


@pytest.mark.parametrize("name", NAMED)
def test_weights_that_are_not_numbers_are_refused(folder: Path, name: str) -> None:
    replace(folder, WEIGHTS, altered(with_nan, name))
    error = refused(folder)
    assert isinstance(error, errors.ContentError)
    assert error.where == folder / WEIGHTS


@pytest.mark.parametrize("name", NAMED)
def test_missing_weights_are_refused(folder: Path, name: str) -> None:
    tensors = load(CONTENTS[WEIGHTS])
    del tensors[name]
    replace(folder, WEIGHTS, save(tensors))
    error = refused(folder)
    assert isinstance(error, errors.ContentError)
    assert error.where == folder / WEIGHTS


EMBEDDING = [f"encoder.embed.{part}" for part in ("edges", "weight", "bias", "levels", "mask")]


@pytest.mark.parametrize(
    "change",
    [lambda each: each[:-1], lambda each: torch.cat((each, each)), lambda each: each[:1]],
    ids=["shorter", "longer", "one row"],
)
@pytest.mark.parametrize("name", EMBEDDING)
@pytest.mark.parametrize("members", ["0", "01"], ids=["one member", "all"])
def test_weights_of_another_shape_are_refused(
    folder: Path, change: Callable[[Tensor], Tensor], name: str, members: str
) -> None:
    replace(folder, WEIGHTS, altered(change, *(f"{member}.{name}" for member in members)))
    error = refused(folder)
    assert isinstance(error, errors.ContentError)
    assert error.where == folder / WEIGHTS


@pytest.mark.parametrize(
    "name",
    ["encoder.network.att_transformers.0.fc.weight", "encoder.widen.weight",
     "encoder.network.initial_splitter.shared.glu_layers.0.bn.bn.bias", "head.layers.1.weight"],
)  # fmt: skip
@pytest.mark.parametrize("members", ["0", "01"], ids=["one member", "all"])
def test_layers_that_do_not_follow_each_other_are_refused(
    folder: Path, name: str, members: str
) -> None:
    changed = altered(lambda each: each[:-1], *(f"{member}.{name}" for member in members))
    replace(folder, WEIGHTS, changed)
    error = refused(folder)
    assert isinstance(error, errors.ContentError)
    assert error.where == folder / WEIGHTS


@pytest.mark.parametrize("dtype", [torch.float16, torch.int64])
def test_weights_of_another_precision_are_refused(folder: Path, dtype: torch.dtype) -> None:
    names = [name for name, each in load(CONTENTS[WEIGHTS]).items() if each.is_floating_point()]
    replace(folder, WEIGHTS, altered(lambda each: each.to(dtype), *names))
    error = refused(folder)
    assert isinstance(error, errors.ContentError)
    assert error.where == folder / WEIGHTS


@pytest.mark.parametrize("name", [NAMED[1], NAMED[3], NAMED[6]])
def test_other_weights_are_refused(folder: Path, name: str) -> None:
    replace(folder, WEIGHTS, altered(lambda each: each + 0.1, name))
    error = refused(folder)
    assert isinstance(error, errors.SampleError)
    assert error.where == folder / "sample_stays.json"
