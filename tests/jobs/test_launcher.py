"""Flags of srun: what a launcher refuses goes, one by one; what it never refused, or must be, stays."""

import pytest

from jobs import launcher
from runs.site import Launcher

FLAGS = Launcher(step=("--overlap", "--mem=0", "--cpu-bind=none", "--unbuffered"), may_drop=("--unbuffered", "--mem=0"))


class Refused(Exception):  # noqa: N818
    """What srun said."""


def srun(words):
    """Make an attempt that is refused for each flag that has words, the first found first."""
    tried = []

    def attempt(flags):
        tried.append(flags)
        for flag, said in words.items():
            if flag in flags:
                raise Refused(said)
        return "answer"

    return attempt, tried


def test_nothing_refused():
    """All flags, one attempt."""
    attempt, tried = srun({})
    assert launcher.settle(FLAGS, attempt, Refused) == (FLAGS.step, "answer")
    assert len(tried) == 1


def test_the_named_flag_goes():
    """The flag that srun names goes, and not the first of the list."""
    attempt, tried = srun({"--mem=0": "srun: unrecognized option '--mem=0'"})
    assert launcher.settle(FLAGS, attempt, Refused)[0] == ("--overlap", "--cpu-bind=none", "--unbuffered")
    assert len(tried) == 2


def test_unnamed_flags_go_in_order():
    """Words that name no flag cost the next of those that may go, until it works."""
    attempt, tried = srun({"--mem=0": "psrun: Invalid argument"})
    assert launcher.settle(FLAGS, attempt, Refused)[0] == ("--overlap", "--cpu-bind=none")
    assert len(tried) == 3


@pytest.mark.parametrize(
    ("flag", "said", "attempts"),
    [
        ("--overlap", "srun: unrecognized option '--overlap'", 3),
        ("--overlap", "srun: error: Node failure on node2", 1),
    ],
)
def test_what_must_be(flag, said, attempts):
    """A flag that must be, or a failure that no flag is to blame for, is told in srun's first words."""
    attempt, tried = srun({flag: said})
    with pytest.raises(Refused, match=said.replace("(", r"\(")):
        launcher.settle(FLAGS, attempt, Refused)
    assert len(tried) == attempts
