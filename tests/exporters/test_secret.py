"""The token and its file."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.secret import TokenError, presents, read_token
from tests.exporters.sidecar import TOKEN, token_file


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_ones_own(tmp_path: Path, mode: int) -> None:
    """The token is its content without the line end."""
    assert read_token(token_file(tmp_path, mode)) == TOKEN


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o610, 0o601])
def test_a_file_that_others_can_get_at(tmp_path: Path, mode: int) -> None:
    """It is refused with the command that mends it."""
    with pytest.raises(TokenError, match=r"chmod 600"):
        read_token(token_file(tmp_path, mode))


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"caf\xc3\xa9", b"x" * 5000, b"a\x00b"])
def test_contents_that_are_no_token(tmp_path: Path, content: bytes) -> None:
    """They could not be sent in a header."""
    path = token_file(tmp_path)
    path.write_bytes(content)
    with pytest.raises(TokenError, match=str(path)):
        read_token(path)


def test_what_is_not_a_file(tmp_path: Path) -> None:
    """Absent, a folder, a FIFO: an error, not a traceback and not a wait."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path / "none", tmp_path, tmp_path / "fifo"):
        with pytest.raises(TokenError):
            read_token(path)


@given(st.text())
def test_no_other_header_presents_it(header: str) -> None:
    """Only the very token does."""
    assert not presents(header, "a-long-made-up-secret")


def test_headers() -> None:
    """The scheme's letters may be large or small; nothing else may differ."""
    for header in ("Bearer abc", "bearer abc", " BEARER  abc "):
        assert presents(header, "abc")
    assert not presents("Bearer " + "x" * 100_000, "abc")
    for header in ("", "abc", "Basic abc", "Bearer abcd", "Bearer ab", "Bearer ABC", "Bearer", "Bearer a bc"):
        assert not presents(header, "abc"), header
