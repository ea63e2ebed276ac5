"""Sealed contents: they open with their key, as their own row's, unchanged, or not at all."""

import json
from dataclasses import replace

import pytest
from pydantic import SecretStr

from cds_service.errors import KeyUnknownError, SealBrokenError, StartRefusedError
from cds_service.storage.vault import Vault, new_key

OLD, NEW, OTHER = (SecretStr(new_key()) for _ in range(3))
CONTENTS = {"values": [1.5, None, "unknown", 0.1 + 0.2], "card": {"detail": "canary **bold**"}}
SEALED = Vault([OLD]).seal("row-1", CONTENTS)


@pytest.mark.parametrize(
    "keys", [[OLD], [OLD, NEW], [NEW, OLD]], ids=["its key", "first of two", "second of two"]
)
def test_it_opens_with_any_place_of_its_key(keys: list[SecretStr]) -> None:
    assert Vault(keys).unseal("row-1", SEALED) == CONTENTS


@pytest.mark.parametrize("keys", [[NEW], [NEW, OTHER], []], ids=["another", "others", "none"])
def test_it_does_not_open_without_its_key(keys: list[SecretStr]) -> None:
    with pytest.raises(KeyUnknownError, match="READMIT_STORAGE_KEYS"):
        Vault(keys).unseal("row-1", SEALED)


def test_contents_of_another_row_do_not_open() -> None:
    with pytest.raises(SealBrokenError, match="audit verify"):
        Vault([OLD]).unseal("row-2", SEALED)


def test_no_bit_of_the_content_can_change() -> None:
    for place in range(len(SEALED.content)):
        changed = bytearray(SEALED.content)
        changed[place] ^= 1
        with pytest.raises(SealBrokenError):
            Vault([OLD]).unseal("row-1", replace(SEALED, content=bytes(changed)))


def test_a_record_key_of_another_record_does_not_open_it() -> None:
    other = Vault([OLD]).seal("row-1", CONTENTS)
    with pytest.raises(SealBrokenError):
        Vault([OLD]).unseal("row-1", replace(SEALED, wrapped_key=other.wrapped_key))


def test_the_same_contents_are_never_sealed_alike() -> None:
    again = Vault([OLD]).seal("row-1", CONTENTS)
    assert (again.content, again.wrapped_key) != (SEALED.content, SEALED.wrapped_key)
    assert again.content[:12] != SEALED.content[:12]


def test_what_is_sealed_is_smaller_and_unreadable() -> None:
    long = {"detail": "canary " * 1000}
    sealed = Vault([OLD]).seal("row-1", long)
    assert len(sealed.content) < len(json.dumps(long)) / 10
    assert b"canary" not in sealed.content + sealed.wrapped_key


def test_a_rewrapped_key_needs_the_old_storage_key_no_more() -> None:
    wrapped = Vault([NEW, OLD]).rewrap(SEALED.wrapped_key)
    assert Vault([NEW]).unseal("row-1", replace(SEALED, wrapped_key=wrapped)) == CONTENTS
    with pytest.raises(KeyUnknownError):
        Vault([OTHER]).rewrap(SEALED.wrapped_key)


@pytest.mark.parametrize("key", ["", "short", "c2hvcnQ=", "é" * 44, "A" * 43])
def test_what_is_no_key_stops_the_start_and_is_not_quoted(key: str) -> None:
    with pytest.raises(StartRefusedError, match="key 2") as refused:
        Vault([OLD, SecretStr(key)])
    assert not key or key not in str(refused.value)
