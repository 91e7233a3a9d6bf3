"""Lustre's statistics files: every version's way to write them."""

from exporters.lustre_stats import Line, RpcStats, parse_lnet, parse_rpc_stats, parse_stats, parse_version
from tests.exporters import lustre_texts as texts


def test_an_old_file() -> None:
    """Units [regs], a sum of squares or none; names of any length; no time since when it counts."""
    result = parse_stats(texts.OLD_STATS)
    assert result.malformed == 0
    assert result.value is not None
    assert result.value.start_time is None
    assert result.value.lines == {
        "read_bytes": Line(2, "bytes", 12288),
        "write_bytes": Line(3, "bytes", 5),
        "open": Line(7, "regs", None),
        "llog_origin_handle_next_block": Line(4, "regs", None),
    }


def test_a_new_file() -> None:
    """Names match wholly (hybrid_read_bytes is no read_bytes), seconds come of [usecs], squares may run over."""
    stats = parse_stats(texts.NEW_STATS).value
    assert stats is not None
    assert stats.start_time == 1748858812.5
    assert stats.lines["read_bytes"].total == 96
    assert stats.lines["hybrid_read_bytes"].total == 40
    assert stats.lines["open"].seconds == 0.01814
    assert stats.lines["opencount"].seconds is None


def test_names_with_blanks() -> None:
    """Old versions name the events of read-ahead with blanks."""
    stats = parse_stats(texts.READ_AHEAD).value
    assert stats is not None
    assert stats.lines["readpage not consecutive"].samples == 3


def test_switched_off() -> None:
    """A file that says that it is disabled is neither empty nor an error."""
    assert parse_stats(texts.DISABLED).value is None
    assert parse_rpc_stats(texts.DISABLED).value is None
    assert parse_stats(texts.DISABLED).malformed == 0


def test_what_cannot_be_read_is_counted() -> None:
    """A count that is none, a line twice, a sum that ran over its 64 bits: counted, and no number made of it."""
    result = parse_stats(
        "open 1x samples [regs]\nclose 1 samples [regs]\nclose 9 samples [regs]\n"
        "read_bytes 5 samples [bytes] 1 2 9223372036854775807\nwrite_bytes 5 samples [bytes] 1 2 -7\nnonsense\n"
    )
    assert result.malformed == 5
    assert result.value is not None
    assert result.value.lines == {
        "close": Line(1, "regs", None),
        "read_bytes": Line(5, "bytes", None),
        "write_bytes": Line(5, "bytes", None),
    }


def test_rpc_stats() -> None:
    """Only the table of pages is kept, by the directions in the line above it."""
    result = parse_rpc_stats(texts.RPC_STATS)
    assert result.malformed == 0
    assert result.value is not None
    assert result.value.in_flight == {"read": 1, "write": 6}
    assert result.value.pending_pages == {"write": 1244, "read": 0}
    assert result.value.pages == {("read", 1): 2, ("write", 1): 0, ("read", 1024): 2, ("write", 1024): 9}


def test_a_broken_row_of_a_table_is_counted() -> None:
    """A row with a column too few is left out."""
    result = parse_rpc_stats("\tread\twrite\npages per rpc rpcs | rpcs\n1:\t5 1 1\n2:\t5 1 1 | 6 1 1\n4:\tx | 7\n")
    assert result.malformed == 2
    assert result.value is not None
    assert result.value.pages == {("read", 2): 5, ("write", 2): 6, ("write", 4): 7}


def test_an_oldest_file() -> None:
    """A time whose part after the point is padded with blanks is a time, not a broken line."""
    result = parse_stats(texts.OLDEST_STATS)
    assert result.malformed == 0
    assert result.value is not None
    assert result.value.lines["brw_read"] == Line(4, "pages", 7)


def test_rpc_stats_with_latencies() -> None:
    """Their table, whose head says `count`, is not taken for one of pages; RPCs of direct I/O are passed over."""
    result = parse_rpc_stats(texts.LATENCY_RPC_STATS)
    assert result.malformed == 0
    assert result.value is not None
    assert result.value.pages == {("read", 1): 7, ("write", 1): 8, ("read", 1024): 7, ("write", 1024): 8}
    assert result.value.in_flight == {"read": 1, "write": 2}


def test_rpc_stats_of_changes_alone() -> None:
    """An mdc device of 2.8 to 2.12 has no pages."""
    result = parse_rpc_stats(texts.MODIFY_RPC_STATS)
    assert (result.malformed, result.value) == (0, RpcStats(in_flight={"modify": 3}))


def test_rpc_stats_that_are_none() -> None:
    """A file in which nothing is known is counted; an empty one is not."""
    assert parse_rpc_stats("nonsense\n").malformed == 1
    assert parse_rpc_stats("").malformed == 0


def test_lnet() -> None:
    """The line of the stats file and lnetctl's YAML tell the same."""
    line, yaml = parse_lnet(texts.LNET_LINE).value, parse_lnet(texts.LNET_YAML).value
    assert line["send_count"] == yaml["send_count"] == 100
    assert line["recv_count"] == yaml["recv_count"] == 90
    assert line["drop_length"] == 44
    assert parse_lnet("no such thing\n").malformed == 1


def test_version() -> None:
    """sysfs has the bare version, old /proc a line of it."""
    assert parse_version("2.12.5\n") == "2.12.5"
    assert parse_version("lustre: 2.5.3\nkernel: patchless_client\nbuild: x\n") == "2.5.3"
