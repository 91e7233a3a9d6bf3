"""Mutates real-looking inputs of every parser; DASHCAM_FUZZ says how many times (10,000 unless given)."""

import importlib
import os
import pkgutil
import random

import pytest

from tests.exporters import fuzz
from tests.exporters.fuzz import Case

CASES: list[Case] = [
    case
    for module in pkgutil.iter_modules(fuzz.__path__)
    for case in importlib.import_module(f"tests.exporters.fuzz.{module.name}").CASES
]
TIMES = int(os.environ.get("DASHCAM_FUZZ", "10000"))
SEED = int(os.environ.get("DASHCAM_FUZZ_SEED", "1"))

_TOKENS = [
    b"0",
    b"-1",
    b"18446744073709551616",
    b"1e309",
    b"NaN",
    b"\xff\xfe",
    b"\0",
    b"\n",
    b" ",
    b"[",
    b"=",
    b":",
    b'"',
]


def mutated(seed: bytes, chance: random.Random) -> bytes:
    """Return `seed` with up to four changes: a part lost, doubled, moved, swapped for a token, or a bit turned."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((1, 1, 2, 8, 64)))
        match chance.randrange(5):
            case 0:
                del data[start:end]
            case 1:
                data[start:start] = data[start:end]
            case 2:
                data[start:end] = chance.choice(_TOKENS)
            case 3 if data:
                data[start % len(data)] ^= 1 << chance.randrange(8)
            case _:
                other = chance.randrange(len(data) + 1)
                data[other:other] = data[start:end]
    return bytes(data)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_no_input_crashes_a_parser_or_makes_it_tell_nonsense(case: Case) -> None:
    """The case's own assertions hold for every mutation; a failure names the input."""
    chance = random.Random(f"{SEED} {case.name}")
    for seed in case.seeds:
        case.check(seed)
    for _ in range(TIMES):
        data = mutated(chance.choice(case.seeds), chance)
        try:
            case.check(data)
        except Exception as error:
            error.add_note(f"input: {data!r}")
            raise
