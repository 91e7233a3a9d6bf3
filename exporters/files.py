"""Small files of /proc and /sys, read without Python's file objects: a scrape reads hundreds of them."""

import os

_CHUNK = 65536


def read(path: str) -> bytes:
    """Return the content of the file. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # To the end, always: the kernel hands out longer files (mountinfo) a page at a time.
        parts = []
        while part := os.read(descriptor, _CHUNK):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def read_text(path: str) -> str:
    """Return the content as text; bytes that are no UTF-8 become U+FFFD. Raises OSError."""
    return read(path).decode(errors="replace")
