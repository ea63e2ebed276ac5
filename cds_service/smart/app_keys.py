"""The app's own keys: what it signs `client_assertion` with, and the public half that it serves.

One file, a JSON Web Key Set with private keys. Of two keys for one algorithm the first signs and both
are served: a new key is put first, and the old one taken out once every server has fetched the set.
"""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeyParameters, RSAKey

from cds_service.errors import StartRefusedError
from cds_service.trust.public_keys import read_key_set

_RSA_BITS = 3072


@dataclass(frozen=True)
class AppKeys:
    """Private keys in the order of the file; `kid` and `alg` of each are stated."""

    keys: tuple[Key, ...] = field(default=(), repr=False)

    def signing(self, algorithm: str) -> Key | None:
        """The key that signs with this algorithm."""
        return next((key for key in self.keys if key.get("alg") == algorithm), None)

    def public(self) -> bytes:
        """The public halves, as a JSON Web Key Set."""
        return _key_set(key.as_dict(private=False) for key in self.keys)


def read_app_keys(path: Path | None) -> AppKeys:
    """The keys of a file; none without one. Raises StartRefusedError."""
    if path is None:
        return AppKeys()
    try:
        listed = json.loads(path.read_bytes())["keys"]
        keys = AppKeys(tuple(_private(each) for each in listed))
    except (OSError, ValueError, LookupError, TypeError, JoseError):
        raise StartRefusedError(f"{path}: {_NOT_KEYS}") from None
    if not keys.keys or len(read_key_set(keys.public()).fit) != len(keys.keys):
        raise StartRefusedError(f"{path}: {_NOT_KEYS}")
    return keys


def new_app_keys() -> str:
    """A file of fresh keys, one for each algorithm that SMART names."""
    keys: tuple[Key, ...] = (
        ECKey.generate_key("P-384", _named("ES384")),
        RSAKey.generate_key(_RSA_BITS, _named("RS384")),
    )
    return _key_set(key.as_dict(private=True) for key in keys).decode()


def _private(member: dict[str, Any]) -> Key:
    algorithm = member["alg"]
    kinds: dict[str, type[ECKey] | type[RSAKey]] = {"ES384": ECKey, "RS384": RSAKey}
    key = kinds[algorithm].import_key(member)
    if not key.is_private or (algorithm == "ES384" and member["crv"] != "P-384"):
        raise ValueError("not a private key for its algorithm")
    return key


def _named(algorithm: str) -> KeyParameters:
    return {"kid": f"readmit-{uuid.uuid4().hex[:12]}", "use": "sig", "alg": algorithm}


def _key_set(keys: Iterable[Any]) -> bytes:
    return json.dumps({"keys": list(keys)}, indent=1).encode()


_NOT_KEYS = (
    "not a JSON Web Key Set of private ES384 or RS384 keys, each with a kid of its own."
    " `readmit new-app-keys` prints one"
)
