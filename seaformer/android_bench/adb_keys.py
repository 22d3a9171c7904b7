"""This computer's adb key: the one adb itself uses, created when it is missing.

``~/.android/adbkey`` is a 2048-bit RSA key in PEM, readable by its owner alone. The public half
is sent to a phone in Android's own encoding (``android_pubkey.c``): the modulus and two Montgomery
constants as little-endian words.
"""

from __future__ import annotations

import base64
import os
import secrets
import struct
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from seaformer.core import files
from seaformer.core.errors import UsageError

_BITS = 2048
_BYTES = _BITS // 8


class AdbKey:
    """Signs a phone's challenges; adb-shell calls the two public methods."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    def Sign(self, data: bytes) -> bytes:  # noqa: N802
        """The signature of a 20-byte challenge, used as a SHA-1 digest."""
        return self._key.sign(bytes(data), padding.PKCS1v15(), utils.Prehashed(hashes.SHA1()))

    def GetPublicKey(self) -> bytes:  # noqa: N802
        """The public half in the encoding of a phone, followed by a name."""
        return public_key(self._key.public_key()) + b" seaformer"


def adb_key(folder: Path | None = None) -> AdbKey:
    """The key in ``folder`` (``~/.android``), created there with mode 0600 when it is missing.

    Raises ``UsageError`` when the file is not a readable RSA key.
    """
    home = folder or Path("~/.android").expanduser()
    path = home / "adbkey"
    if not path.exists():
        _make(path)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path} cannot be used as an adb key: {error}.", hint=_AGAIN) from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != _BITS:
        raise UsageError(f"{path} is not an RSA key of {_BITS} bits.", hint=_AGAIN)
    return AdbKey(key)


_AGAIN = "Move it away: a new key is created, and each phone asks once more."


def public_key(key: rsa.RSAPublicKey) -> bytes:
    """A public key in Android's encoding, base64."""
    numbers = key.public_numbers()
    n, word = numbers.n, 1 << 32
    packed = struct.pack("<II", _BYTES // 4, pow(-n, -1, word))
    packed += n.to_bytes(_BYTES, "little")
    packed += pow(1 << _BITS, 2, n).to_bytes(_BYTES, "little")
    return base64.b64encode(packed + struct.pack("<I", numbers.e))


def _make(path: Path) -> None:
    """Creates a pair; when two programs do so at the same time, the first one stays."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with files.os_errors(str(path)):
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        scratch = path.with_name(f".adbkey.{secrets.token_hex(8)}")
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(pem)
            with suppress(FileExistsError):
                os.link(scratch, path)
                path.with_name("adbkey.pub").write_bytes(AdbKey(key).GetPublicKey() + b"\n")
        finally:
            scratch.unlink()
