"""Lustre's files and lctl's output."""

import re
from itertools import chain

from exporters.lustre_params import LNET_STATS, owner, parse_get_param, split
from exporters.lustre_stats import parse_lnet, parse_number, parse_rpc_stats, parse_stats, parse_version
from tests.exporters import lustre_texts as texts
from tests.exporters.fuzz import Case


def _stats(data: bytes) -> None:
    text = data.decode(errors="replace")
    result = parse_stats(text)
    if result.value is None:
        assert "disabled" in text
        return
    for name, line in result.value.lines.items():
        assert re.search(rf"{re.escape(name)}\s+0*{line.samples}\s+samples\s", text), name
        assert line.total is None or str(line.total) in text
        assert line.seconds is None or line.seconds >= 0
    # Each line is read, or counted, or tells a time.
    rows = [row for row in text.splitlines() if row.strip()]
    times = sum(row.strip().startswith(("snapshot_time", "start_time", "elapsed_time")) for row in rows)
    assert len(result.value.lines) + result.malformed + times >= len(rows)


def _rpc_stats(data: bytes) -> None:
    text = data.decode(errors="replace")
    result = parse_rpc_stats(text)
    if result.value is not None:
        value = result.value
        numbers = chain(value.in_flight.values(), value.pending_pages.values(), value.pages.values())
        assert all(str(number) in text for number in numbers)
        assert set(value.in_flight) | {direction for direction, _ in value.pages} <= {"read", "write", "modify"}


def _lnet(data: bytes) -> None:
    text = data.decode(errors="replace")
    result = parse_lnet(text)
    assert all(str(number) in text for number in result.value.values())
    assert result.value or result.malformed or not text.strip()


def _get_param(data: bytes) -> None:
    text = data.decode(errors="replace")
    rows = set(text.splitlines())
    heads = {row.partition("=")[0] for row in rows}
    for name, value in parse_get_param(text).items():
        assert split(name) or "." not in name or name == LNET_STATS
        assert name in heads or name == LNET_STATS
        # A parameter's lines are whole lines of the output, and it has those of no other.
        for row in value.split("\n"):
            assert not row or row in rows or any(other.endswith(f"={row}") for other in rows)
        parse_stats(value)
        parts = split(name)
        found = owner(parts[0], parts[1]) if parts else None
        if found is not None and parts is not None:
            assert found.mount
            assert found.fs
            assert found.mount not in found.fs or parts[1].count(found.mount) > 1


def _single(data: bytes) -> None:
    text = data.decode(errors="replace")
    number = parse_number(text)
    assert (number.value is None) == bool(number.malformed)
    assert len(parse_version(text)) <= 64


_STATS = (texts.OLD_STATS, texts.NEW_STATS, texts.READ_AHEAD, texts.OLDEST_STATS, texts.HYBRID_STATS)
_RPC_STATS = (texts.RPC_STATS, texts.LATENCY_RPC_STATS, texts.MODIFY_RPC_STATS)
CASES = [
    Case("lustre-stats", [t.encode() for t in _STATS], _stats),
    Case("lustre-rpc-stats", [t.encode() for t in _RPC_STATS], _rpc_stats),
    Case("lustre-lnet", [texts.LNET_LINE.encode(), texts.LNET_YAML.encode()], _lnet),
    Case("lustre-get-param", [texts.GET_PARAM.encode(), texts.ODD_NAMES.encode()], _get_param),
    Case("lustre-single-values", [b"283010362368\n", b"2.10.1\n", b"lustre: 2.5.3\nkernel: x\n"], _single),
]
