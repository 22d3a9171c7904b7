"""RSA as adb uses it: the public key's own format, and the signature of a 20-byte token.

A key file ``adbkey.pub`` is base64 of Android's ``RSAPublicKey`` (system/core/libcrypto_utils,
android_pubkey.c): the modulus' size in words, -1/n mod 2^32, modulus and R^2 mod n as 64
little-endian words each, and the exponent; then a blank and a comment. The token is signed as if
it were a SHA-1 digest (PKCS #1 v1.5).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

TOKEN_BYTES = 20
_MODULUS_BYTES = 256
_SHA1_PREFIX = bytes.fromhex("3021300906052b0e03021a05000414")


@dataclass(frozen=True)
class PublicKey:
    """An RSA-2048 public key."""

    modulus: int
    exponent: int

    @classmethod
    def parse(cls, text: bytes) -> PublicKey:
        """From a line of ``adbkey.pub``; raises ``ValueError`` for anything else."""
        try:
            raw = base64.b64decode(text.strip(b"\0\n ").split()[0], validate=True)
        except (IndexError, binascii.Error) as error:
            raise ValueError("no public key of adb: not base64") from error
        words = int.from_bytes(raw[:4], "little")
        if len(raw) != 524 or words * 4 != _MODULUS_BYTES:
            raise ValueError(f"no public key of adb: {len(raw)} bytes, {words} words")
        modulus = int.from_bytes(raw[8 : 8 + _MODULUS_BYTES], "little")
        return cls(modulus, int.from_bytes(raw[520:], "little"))

    def verifies(self, token: bytes, signature: bytes) -> bool:
        """Whether the owner of this key signed the token."""
        if len(signature) != _MODULUS_BYTES:
            return False
        digest = _SHA1_PREFIX + token
        padding = b"\xff" * (_MODULUS_BYTES - 3 - len(digest))
        block = pow(int.from_bytes(signature, "big"), self.exponent, self.modulus)
        return block.to_bytes(_MODULUS_BYTES, "big") == b"\0\1" + padding + b"\0" + digest
