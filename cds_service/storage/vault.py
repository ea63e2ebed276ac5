"""Sealing: what may be purged is encrypted, record by record, before it reaches the database.

Each record has a key of its own (AES-256-GCM), itself encrypted with a storage key (Fernet). Keys
rotate: the first storage key encrypts, all decrypt. The id of the record is authenticated with its
content, so contents that change places no longer open.
"""

import hashlib
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from cds_service.errors import KeyUnknownError, SealBrokenError, StartRefusedError

_NONCE = 12
_LEVEL = 3  # of zlib: a third of the time of its own choice, which was the dearest line of a call


@dataclass(frozen=True)
class Sealed:
    """One record, encrypted: its own key under a storage key, and the content under its own key."""

    wrapped_key: bytes
    content: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the content as stored; rewrapping its key does not change it."""
        return hashlib.sha256(self.content).hexdigest()


class Vault:
    """The storage keys. Without any, one that ends with this process: nothing opens afterwards."""

    def __init__(self, keys: Sequence[SecretStr] = ()) -> None:
        """Raises StartRefusedError for a key that is none."""
        numbered = enumerate(keys, start=1)
        fernets = [_fernet(number, key.get_secret_value()) for number, key in numbered]
        self._keys = MultiFernet(fernets or [Fernet(Fernet.generate_key())])

    def seal(self, subject: str, contents: Any) -> Sealed:
        """Encrypt `contents`, anything JSON can say, as the record of `subject`."""
        key, nonce = AESGCM.generate_key(256), os.urandom(_NONCE)
        packed = zlib.compress(msgspec.json.encode(contents), _LEVEL)
        content = nonce + AESGCM(key).encrypt(nonce, packed, subject.encode())
        return Sealed(self._keys.encrypt(key), content)

    def unseal(self, subject: str, sealed: Sealed) -> Any:
        """What was sealed for `subject`. Raises KeyUnknownError or SealBrokenError."""
        nonce, hidden = sealed.content[:_NONCE], sealed.content[_NONCE:]
        try:
            key = self._keys.decrypt(sealed.wrapped_key)
        except InvalidToken:
            raise KeyUnknownError(_NO_KEY) from None
        try:
            return msgspec.json.decode(
                zlib.decompress(AESGCM(key).decrypt(nonce, hidden, subject.encode()))
            )
        except (InvalidTag, ValueError):
            raise SealBrokenError(_BROKEN) from None

    def rewrap(self, wrapped_key: bytes) -> bytes:
        """The same key of a record under the first storage key. Raises KeyUnknownError."""
        try:
            return self._keys.rotate(wrapped_key)
        except InvalidToken:
            raise KeyUnknownError(_NO_KEY) from None


def new_key() -> str:
    """A fresh storage key, as the setting takes it."""
    return Fernet.generate_key().decode()


def _fernet(number: int, key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise StartRefusedError(
            f"READMIT_STORAGE_KEYS: key {number} is not a storage key; `readmit new-key` prints one"
        ) from None


_NO_KEY = (
    "sealed contents: none of READMIT_STORAGE_KEYS opens them. Add the key they were stored with."
)
_BROKEN = "sealed contents: not as they were stored, or of another row. Run `readmit audit verify`."
