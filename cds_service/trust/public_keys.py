"""A JSON Web Key Set: which of its keys a token may be verified with. Pure; no network.

Kept are public RSA and EC keys for signatures. A symmetric key, a private one, one for encryption
or one of two under the same `kid` is remembered by its `kid` alone, so that the log can say so.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from joserfc.util import base64_to_int

from cds_service.errors import StartRefusedError
from cds_service.trust.refusals import refused

WEAKEST_RSA_BITS = 2048


@dataclass(frozen=True)
class PublicKeys:
    """The keys of one client, by `kid`, and the names of those that were set aside."""

    fit: Mapping[str, Key]
    unfit: frozenset[str]

    def key(self, key_id: str) -> Key:
        """The key of this name. Raises ClientNotTrustedError."""
        if key_id in self.fit:
            return self.fit[key_id]
        raise refused("key_unfit" if key_id in self.unfit else "key_unknown")


def read_key_set(content: bytes) -> PublicKeys:
    """The keys of a JWK Set. Raises ValueError where it is not one."""
    try:
        listed = json.loads(content)["keys"]
    except (LookupError, TypeError, RecursionError):
        raise ValueError("not a key set") from None
    if not isinstance(listed, list):
        raise ValueError("not a key set")
    named = [each for each in listed if isinstance(each, dict) and isinstance(each.get("kid"), str)]
    found = [(each["kid"], _key(each)) for each in named]
    times = Counter(name for name, key in found if key)
    fit = {name: key for name, key in found if key and times[name] == 1}
    return PublicKeys(fit, frozenset(name for name, _ in found) - fit.keys())


def read_key_file(path: Path) -> PublicKeys:
    """The keys of a tenant that publishes none. Raises StartRefusedError."""
    try:
        keys = read_key_set(path.read_bytes())
    except (OSError, ValueError):
        raise StartRefusedError(f"{path}: cannot be read as a JSON Web Key Set") from None
    if not keys.fit:
        raise StartRefusedError(f"{path}: has no public RSA or EC key with a kid for signatures")
    return keys


def _key(member: dict[str, Any]) -> Key | None:
    try:
        return JWKRegistry.import_key(member) if _may_verify(member) else None
    except (JoseError, ValueError, LookupError, TypeError):
        return None


def _may_verify(member: Mapping[str, Any]) -> bool:
    if member.get("kty") not in ("RSA", "EC") or "d" in member:
        return False
    if member.get("use", "sig") != "sig" or "verify" not in member.get("key_ops", ("verify",)):
        return False
    return member["kty"] == "EC" or base64_to_int(member["n"]).bit_length() >= WEAKEST_RSA_BITS
