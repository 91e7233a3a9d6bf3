"""The secret that clients send, and the file it comes from."""

import hashlib
import hmac
import os
import stat
from pathlib import Path

_LARGEST = 4096


class TokenError(Exception):
    """The token cannot be used; the text says why and the mend."""


def read_token(path: Path) -> str:
    """Read a token that nobody else can read. Raises TokenError."""
    try:
        # Looked at and read through one descriptor; a FIFO in its place must not make us wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise TokenError(f"the token file {path} cannot be read: {error.strerror}") from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise TokenError(f"the token file {path} is not a regular file: write the secret into one")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise TokenError(
                f"the token file {path} is open to others (mode {stat.S_IMODE(mode):04o}): run `chmod 600 {path}`"
            )
        content = os.read(descriptor, _LARGEST + 1)
    except OSError as error:
        raise TokenError(f"the token file {path} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    token = content.decode("ascii", errors="replace").strip()
    if not token:
        raise TokenError(f"the token file {path} is empty: write a secret into it")
    if len(content) > _LARGEST or not token.isascii() or not token.isprintable() or " " in token:
        raise TokenError(f"the token file {path} must hold one printable ASCII word of at most {_LARGEST} bytes")
    return token


def presents(header: str, token: str) -> bool:
    """Tell whether an Authorization header (RFC 6750) presents `token`; takes equally long wherever they differ.

    Digests are compared: of words of different lengths compare_digest would tell at once that they differ.
    """
    scheme, _, presented = header.strip().partition(" ")
    words = (presented.strip().encode("utf-8", "replace"), token.encode())
    same = hmac.compare_digest(*(hashlib.sha256(word).digest() for word in words))
    return same and scheme.lower() == "bearer"
