"""Seals values with a key that is not in the database.

The key is derived from the installation's ``secret.key`` by HKDF-SHA-256 with a label of its own,
so it differs from that secret and from every key that signs. AES-256-GCM with a random nonce of 96
bits; account, worker and name are authenticated with the value, so a value that is copied to
another row cannot be opened. ``key_id`` is derived in the same way with another label: it
identifies the key that a value was sealed with, and reveals nothing about it.
"""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_LABEL = b"fyke worker secrets: key, version 1"
_ID_LABEL = b"fyke worker secrets: id of the key, version 1"
_NONCE_BYTES = 12


class UnsealError(Exception):
    """The value was sealed with another key, moved or changed."""


class Sealer:
    """Seals and opens with the key of one installation."""

    def __init__(self, master: bytes) -> None:
        if not master:
            raise ValueError("sealing needs the installation's secret")
        self._master = master
        self._key_id = ""

    @property
    def key_id(self) -> str:
        """16 hexadecimal digits that name the key."""
        if not self._key_id:
            self._key_id = self._derive(_ID_LABEL, 8).hex()
        return self._key_id

    def seal(self, location: tuple[str, str, str], value: str) -> str:
        """Return base64 of nonce and ciphertext. ``location`` is account, worker and name."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher().encrypt(nonce, value.encode(), _associated_data(location))
        return base64.b64encode(nonce + sealed).decode()

    def open(self, location: tuple[str, str, str], sealed: str) -> str:
        """Return the value. Raise ``UnsealError``."""
        from cryptography.exceptions import InvalidTag

        try:
            data = base64.b64decode(sealed, validate=True)
            value = self._cipher().decrypt(
                data[:_NONCE_BYTES], data[_NONCE_BYTES:], _associated_data(location)
            )
            return value.decode()
        except (InvalidTag, ValueError) as error:
            raise UnsealError(f"{location[2]} cannot be opened") from error

    # ``cryptography`` takes longer to import than most commands run, and most processes never
    # use a secret, so it is imported on demand.
    def _cipher(self) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._derive(_KEY_LABEL, 32))

    def _derive(self, label: bytes, length: int) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), length, salt=None, info=label).derive(self._master)


def _associated_data(location: tuple[str, str, str]) -> bytes:
    return json.dumps(location).encode()
