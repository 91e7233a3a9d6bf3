"""Every request of a run, as columns of numbers."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reports.statistics import Counts, Flags, Floats
from runs.records import SCHEMA

_MOMENTS = ("intended", "sent", "first_byte", "first_token", "done")
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Words:
    """A column of words, stored once each: `codes` are places in `words`, -1 for none."""

    words: tuple[str, ...]
    codes: Counts

    def among(self, names: set[str]) -> Flags:
        """Tell which rows hold one of `names`."""
        return np.isin(self.codes, [code for code, word in enumerate(self.words) if word in names])

    def select(self, mask: Flags) -> "Words":
        """Return the rows that `mask` names."""
        return Words(self.words, self.codes[mask])

    def counts(self, missing: str) -> dict[str, int]:
        """Return how often each word stands, most frequent first; `missing` is what rows without one count as."""
        found: dict[str, int] = {}
        for code, number in zip(*np.unique(self.codes, return_counts=True), strict=True):
            word = self.words[code] if code >= 0 else missing
            found[word] = found.get(word, 0) + int(number)
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True)
class Requests:
    """Columns of `runs.records.SCHEMA`. Moments are UTC nanoseconds; numbers that are not there are NaN."""

    number: Counts
    phase: Words
    error: Words
    operation: Words
    ok: Flags
    moments: dict[str, Counts]
    user: Floats
    tokens_in: Floats
    tokens_out: Floats
    recall: Floats
    received: Floats
    retries: Floats
    sent_bytes: Floats
    gaps: Floats
    gap_counts: Counts

    def __len__(self) -> int:
        return len(self.ok)

    def select(self, mask: Flags) -> "Requests":
        """Return the requests that `mask` names."""
        return Requests(
            number=self.number[mask],
            phase=self.phase.select(mask),
            error=self.error.select(mask),
            operation=self.operation.select(mask),
            ok=self.ok[mask],
            moments={name: values[mask] for name, values in self.moments.items()},
            user=self.user[mask],
            tokens_in=self.tokens_in[mask],
            tokens_out=self.tokens_out[mask],
            recall=self.recall[mask],
            received=self.received[mask],
            retries=self.retries[mask],
            sent_bytes=self.sent_bytes[mask],
            gaps=self.gaps[np.repeat(mask, self.gap_counts)],
            gap_counts=self.gap_counts[mask],
        )

    @cached_property
    def streaming(self) -> Floats:
        """Seconds from the first to the last piece of content of each answer; 0 where there was one at most."""
        sums = np.zeros(len(self))
        np.add.at(sums, np.repeat(np.arange(len(self)), self.gap_counts), self.gaps)
        return sums

    @cached_property
    def good(self) -> "Requests":
        """The requests that succeeded."""
        return self.select(self.ok)

    def at(self, moment: str) -> Floats:
        """Return a moment of each request in UTC seconds (to 0.25 µs), NaN where it never came."""
        values = self.moments[moment]
        return np.where(values == _NEVER, np.nan, values / 1e9)

    def between(self, first: str, last: str) -> Floats:
        """Return the seconds from one moment to another, exact to the nanosecond, NaN where one never came."""
        begin, end = self.moments[first], self.moments[last]
        known = (begin != _NEVER) & (end != _NEVER)
        return np.where(known, np.where(known, end - begin, 0) / 1e9, np.nan)


def read(path: Path) -> Requests:
    """Read the Parquet records; without a file there are no requests. Raises OSError, KeyError, ArrowException."""
    return of(pq.read_table(path) if path.is_file() else SCHEMA.empty_table())


def of(table: pa.Table) -> Requests:
    """Take the columns of a table with `runs.records.SCHEMA`. Raises KeyError, ArrowException."""
    gaps = table["gaps"].combine_chunks()
    return Requests(
        number=np.asarray(table["request"].to_numpy(), dtype=np.int64),
        phase=_words(table["phase"]),
        error=_words(table["error"]),
        operation=_words(table["operation"]),
        ok=np.asarray(table["ok"].to_numpy(), dtype=np.bool_),
        moments={name: _moments(table[name]) for name in _MOMENTS},
        user=_floats(table["user"]),
        tokens_in=_floats(table["tokens_in"]),
        tokens_out=_floats(table["tokens_out"]),
        recall=_floats(table["recall"]),
        received=_floats(table["received"]),
        retries=_floats(table["retries"]),
        sent_bytes=_floats(table["sent_bytes"]),
        gaps=np.asarray(pc.list_flatten(gaps).to_numpy(zero_copy_only=False), dtype=np.float64),
        gap_counts=np.asarray(pc.fill_null(pc.list_value_length(gaps), 0).to_numpy(zero_copy_only=False), np.int64),
    )


def _floats(column: Any) -> Floats:
    return np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64)


def _moments(column: Any) -> Counts:
    return np.asarray(pc.fill_null(column.cast(pa.int64()), int(_NEVER)).to_numpy(), dtype=np.int64)


def _words(column: Any) -> Words:
    plain = pa.concat_arrays([pa.array([], pa.string()), *pc.cast(column, pa.string()).chunks])
    encoded = plain.dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    return Words(tuple(encoded.dictionary.to_pylist()), np.asarray(codes, dtype=np.int64))
