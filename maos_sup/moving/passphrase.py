"""Files of age that a passphrase opens, in pieces of 64 KiB: `age -d` reads what is written here, and back.

pyrage does as much only for what is whole in memory. This is age's format v1 with its one scrypt stanza
(https://age-encryption.org/v1); other recipients are pyrage's. Nothing of a piece is given out before it is
authenticated, and a file that was cut off between two pieces is one without its last.
"""

from __future__ import annotations

import hmac
import os
import re
from base64 import b64decode, b64encode
from hashlib import scrypt, sha256
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from state_layout.errors import BadInput, Damaged, StorageError

_VERSION = b"age-encryption.org/v1"
_LABEL = _VERSION + b"/scrypt"
_WORK, _MOST_WORK = 18, 20  # as log2: 256 MiB and a second, as age itself; up to 1 GiB is taken
_BLOCK = 8
_KEY_BYTES, _SALT_BYTES, _TAG_BYTES = 16, 16, 16
_CHUNK_BYTES = 1 << 16
_LONGEST_HEADER = 1 << 10
_BASE64 = rb"([A-Za-z0-9+/]+)"
_HEADER = re.compile(
    rb"(%s\n-> scrypt %s ([1-9][0-9]?)\n%s\n---) %s\n" % (re.escape(_VERSION), *[_BASE64] * 3), re.DOTALL
)
_BEGIN = _VERSION + b"\n-> scrypt "


def encrypt(source: IO[bytes], target: IO[bytes], passphrase: str) -> None:
    """Write what `source` holds to `target`, for whom knows `passphrase`.

    Raises StorageError where there is no memory for it.
    """
    key, salt, nonce = os.urandom(_KEY_BYTES), os.urandom(_SALT_BYTES), os.urandom(_SALT_BYTES)
    wrapped = ChaCha20Poly1305(_wrapping_key(passphrase, salt, _WORK)).encrypt(bytes(12), key, None)
    header = b"%s%s %d\n%s\n---" % (_BEGIN, _encoded(salt), _WORK, _encoded(wrapped))
    target.write(b"%s %s\n" % (header, _encoded(_mac(key, header))))
    target.write(nonce)
    cipher = ChaCha20Poly1305(_derived(key, nonce, b"payload"))
    number, data = 0, source.read(_CHUNK_BYTES)
    while True:
        following = source.read(_CHUNK_BYTES) if len(data) == _CHUNK_BYTES else b""
        target.write(cipher.encrypt(_nonce(number, is_last=not following), data, None))
        if not following:
            return
        number, data = number + 1, following


def decrypt(source: IO[bytes], target: IO[bytes], passphrase: str) -> None:
    """Write to `target` what `source` was made of. Raises BadInput for another passphrase, Damaged,
    StorageError where there is no memory for it.
    """
    key = _file_key(source, passphrase)
    nonce = source.read(_SALT_BYTES)
    cipher = ChaCha20Poly1305(_derived(key, nonce, b"payload"))
    size = _CHUNK_BYTES + _TAG_BYTES
    number, data = 0, source.read(size)
    while True:
        following = source.read(size) if len(data) == size else b""
        try:
            plain = cipher.decrypt(_nonce(number, is_last=not following), data, None)
        except (InvalidTag, ValueError) as cause:
            raise Damaged("what is encrypted was altered or cut off; get it again") from cause
        if number and not plain:
            raise Damaged("what is encrypted was altered: its last piece is empty; get it again")
        target.write(plain)
        if not following:
            return
        number, data = number + 1, following


def _file_key(source: IO[bytes], passphrase: str) -> bytes:
    lines = [source.readline(_LONGEST_HEADER) for _ in range(4)]
    found = _HEADER.fullmatch(b"".join(lines))
    if found is None:
        raise Damaged("its head is not in form: it was altered or cut off; get it again")
    header, salt, work, wrapped, mac = found.groups()
    if int(work) > _MOST_WORK:
        raise BadInput(f"its passphrase asks for 2^{int(work) - 10} MiB of memory; open it with age -d")
    try:
        wrapping = ChaCha20Poly1305(_wrapping_key(passphrase, _decoded(salt, _SALT_BYTES), int(work)))
        key = wrapping.decrypt(bytes(12), _decoded(wrapped, _KEY_BYTES + _TAG_BYTES), None)
    except InvalidTag as cause:
        raise BadInput("this is not the passphrase that it was made with, or its head was altered") from cause
    if not hmac.compare_digest(_mac(key, header), _decoded(mac, sha256().digest_size)):
        raise Damaged("its head was altered; get it again")
    return key


def _wrapping_key(passphrase: str, salt: bytes, work: int) -> bytes:
    memory = (_BLOCK * 128 << work) + (1 << 20)
    words = passphrase.encode("utf-8", "surrogateescape")
    try:
        return scrypt(words, salt=_LABEL + salt, n=1 << work, r=_BLOCK, p=1, maxmem=memory, dklen=32)
    except (MemoryError, ValueError) as cause:  # OpenSSL says it as a ValueError
        raise StorageError(
            f"a passphrase needs {memory >> 20} MiB of memory, and they are not free"
        ) from cause


def _derived(key: bytes, salt: bytes, info: bytes) -> bytes:
    """Derive 32 bytes by HKDF-SHA-256 (RFC 5869)."""
    return hmac.digest(hmac.digest(salt or bytes(32), key, "sha256"), info + b"\1", "sha256")


def _mac(key: bytes, header: bytes) -> bytes:
    return hmac.digest(_derived(key, b"", b"header"), header, "sha256")


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\1" if is_last else b"\0")


def _encoded(data: bytes) -> bytes:
    return b64encode(data).rstrip(b"=")


def _decoded(text: bytes, size: int) -> bytes:
    """The `size` bytes that `text` stands for. Raises Damaged for what age would not write."""
    try:
        data = b64decode(text + b"=" * (-len(text) % 4))
    except ValueError:  # no bytes make a text of this length
        data = b""
    if len(data) != size or _encoded(data) != text:
        raise Damaged("its head is not in form: it was altered or cut off; get it again")
    return data
