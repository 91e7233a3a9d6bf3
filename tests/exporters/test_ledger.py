"""The counters of process trees."""

import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.ledger import Account, Ledger


def account(pid: int, parent: int, own: int, waited: int = 0, *, service: str = "s", io: int | None = None) -> Account:
    """Return an account with CPU time, and I/O whose inherited part is unknown."""
    spent = {"user": own + waited}
    if io is not None:
        spent["read_bytes"] = io
    return Account((pid, pid), parent, service, spent, {"user": waited})


def user(ledger: Ledger, *accounts: Account, service: str = "s") -> int:
    """Take a look; returns the service's user time."""
    return ledger.advance(accounts)[service]["user"]


def test_a_child_that_is_waited_for_is_counted_once() -> None:
    """What the child had used moves to its parent."""
    ledger = Ledger()
    assert user(ledger, account(1, 0, 5), account(2, 1, 10)) == 15
    assert user(ledger, account(1, 0, 5, waited=12)) == 17
    assert user(ledger, account(1, 0, 6, waited=12)) == 18


def test_children_that_nobody_saw_are_counted() -> None:
    """They lived between two looks, and their parent waited for them."""
    ledger = Ledger()
    assert user(ledger, account(1, 0, 5)) == 5
    assert user(ledger, account(1, 0, 5, waited=100)) == 105


def test_a_child_that_nobody_waits_for_stays_counted() -> None:
    """SIGCHLD ignored, or a double fork: the kernel drops its time, the ledger keeps it."""
    ledger = Ledger()
    assert user(ledger, account(1, 0, 5), account(2, 1, 10)) == 15
    for _ in range(3):
        assert user(ledger, account(1, 0, 5)) == 15
    assert user(ledger, account(1, 0, 7)) == 17


def test_a_parent_read_before_it_waited() -> None:
    """The child is gone and its parent does not have its time yet: at the next look it has, and nothing is twice."""
    ledger = Ledger()
    assert user(ledger, account(1, 0, 5), account(2, 1, 10)) == 15
    assert user(ledger, account(1, 0, 5)) == 15
    assert user(ledger, account(1, 0, 5, waited=11)) == 16
    assert user(ledger, account(1, 0, 5, waited=11)) == 16


def test_a_whole_tree_that_ends_stays_counted_and_a_new_one_adds() -> None:
    """Killed and started again under the same name, the service's counter goes on."""
    ledger = Ledger()
    assert user(ledger, account(1, 0, 5), account(2, 1, 10)) == 15
    assert user(ledger) == 15
    assert user(ledger, account(3, 0, 2)) == 17


def test_the_parent_ends_too() -> None:
    """The grandparent inherits both through the chain."""
    ledger = Ledger()
    assert user(ledger, account(1, 0, 1), account(2, 1, 10), account(3, 2, 20)) == 31
    assert user(ledger, account(1, 0, 1, waited=33)) == 34


def test_an_adopting_ancestor_inherits() -> None:
    """The parent ends, an ancestor (a subreaper) adopts the child, which ends as well: nothing is twice."""
    ledger = Ledger()
    look = (account(1, 0, 1), account(2, 1, 0), account(3, 2, 10), account(4, 3, 20))
    assert user(ledger, *look) == 31
    # 2 waited for 3; 1 adopted and waited for 4.
    assert user(ledger, account(1, 0, 1, waited=20), account(2, 1, 0, waited=10)) == 31
    assert user(ledger, account(1, 0, 1, waited=20), account(2, 1, 0, waited=10)) == 31


def test_a_pid_given_again_is_another_process() -> None:
    """The old one's time stays, the new one's adds."""
    ledger = Ledger()
    assert user(ledger, account(1, 0, 5)) == 5
    again = Account((1, 99), 0, "s", {"user": 2}, {"user": 0})
    assert user(ledger, again) == 7


def test_a_launcher_does_not_inherit_another_service() -> None:
    """A process of service a that waits for service b keeps its own counter, and b keeps b's."""
    ledger = Ledger()
    look = (account(1, 0, 5, service="a"), account(2, 1, 50, service="b"))
    ledger.advance(look)
    totals = ledger.advance([account(1, 0, 6, waited=50, service="a")])
    assert (totals["a"]["user"], totals["b"]["user"]) == (6, 50)


def test_io_of_a_child_that_was_waited_for_moves_with_its_time() -> None:
    """The kernel adds the child's I/O to the parent's own."""
    ledger = Ledger()
    ledger.advance([account(1, 0, 1, io=100), account(2, 1, 10, io=1000)])
    totals = ledger.advance([account(1, 0, 1, waited=10, io=1105)])
    assert totals["s"]["read_bytes"] == 1105


def test_io_of_a_child_that_nobody_waited_for_is_kept_beside_the_parents_own() -> None:
    """The parent's I/O grew, but no time came from children: the growth is the parent's own."""
    ledger = Ledger()
    ledger.advance([account(1, 0, 1, io=100), account(2, 1, 10, io=1000)])
    ledger.advance([account(1, 0, 1, io=5100)])
    totals = ledger.advance([account(1, 0, 1, io=9100)])
    assert totals["s"]["read_bytes"] == 10100


@dataclass
class _Process:
    pid: int
    parent: "_Process | None"
    own: int = 0
    waited: int = 0
    io: int = 0
    children: "list[_Process]" = field(default_factory=list)


class _Kernel:
    """What the kernel does with a tree below process 1. The root outside of the tree inherits nothing that we see."""

    def __init__(self, seed: int, *, adopts: bool) -> None:
        self.random = random.Random(seed)
        self.root = _Process(1, None)
        self.alive = {1: self.root}
        self.next = 2
        self.worked = 0
        self.adopts = adopts

    def step(self, *, unwaited: bool) -> None:
        """Do one thing."""
        one = self.random.choice(list(self.alive.values()))
        match self.random.randrange(5):
            case 0 | 1:
                amount = self.random.randrange(1, 20)
                one.own += amount
                one.io += amount
                self.worked += amount
            case 2 | 3:
                child = _Process(self.next, one)
                self.next += 1
                one.children.append(child)
                self.alive[child.pid] = child
            case 4 if one is not self.root:
                self.end(one, waited=not (unwaited and self.random.random() < 0.3))

    def end(self, one: _Process, *, waited: bool) -> None:
        """End a process; its children go to the root or to nobody in the tree."""
        del self.alive[one.pid]
        heir = self.root if self.adopts else None
        for child in one.children:
            child.parent = heir
            if heir is not None:
                heir.children.append(child)
        parent = one.parent
        if parent is None:
            return
        parent.children.remove(one)
        if waited:
            parent.waited += one.own + one.waited
            parent.io += one.io

    def account(self, pid: int) -> Account | None:
        """Read a process."""
        one = self.alive.get(pid)
        if one is None:
            return None
        parent = one.parent.pid if one.parent else 0
        return account(pid, parent, one.own, one.waited, io=one.io)


@settings(max_examples=300)
@given(st.integers(0, 10**6), st.booleans(), st.booleans(), st.booleans())
def test_never_falls_never_too_much(seed: int, torn: bool, unwaited: bool, adopts: bool) -> None:
    """Whatever a tree does, also between the readings of one look, the counter neither falls nor overstates.

    Where every child is waited for within the tree, it is exact once the tree holds still for a look. Both hold but
    where orphans are adopted inside of the tree between the readings of one look, as the module says.
    """
    kernel, ledger, shown = _Kernel(seed, adopts=adopts), Ledger(), {"user": 0, "read_bytes": 0}
    for _ in range(12):
        for _ in range(kernel.random.randrange(12)):
            kernel.step(unwaited=unwaited)
        accounts = []
        for pid in sorted(kernel.alive):
            if torn and kernel.random.random() < 0.5:
                kernel.step(unwaited=unwaited)
            one = kernel.account(pid)
            if one is not None:
                accounts.append(one)
        now = dict(ledger.advance(accounts)["s"])
        for name, value in now.items():
            assert shown[name] <= value
            assert value <= kernel.worked or (torn and adopts)
        shown = now
    for _ in range(2):
        now = dict(ledger.advance([one for pid in sorted(kernel.alive) if (one := kernel.account(pid))])["s"])
    if adopts and not unwaited and not torn:
        assert now["user"] == kernel.worked
