"""What a panel needs of a run to have data, as far as the recipe decides it."""

from dataclasses import dataclass

from runs.recipe import Recipe


@dataclass(frozen=True)
class Facts:
    """What a recipe says of a run: kinds of its services, its generator, its sidecars.

    A service of kind `command` counts as what it speaks too: its program is not known, its protocol is.
    """

    kinds: frozenset[str]
    generator: str
    exporters: frozenset[str]

    @classmethod
    def of(cls, recipe: Recipe) -> "Facts":
        """Read a recipe."""
        kinds = {service.kind for service in recipe.services.values()}
        kinds |= {
            str(service.options.get("protocol", "openai"))
            for service in recipe.services.values()
            if service.kind == "command"
        }
        return cls(frozenset(kinds), recipe.load.generator, frozenset(recipe.watch.exporters))


@dataclass(frozen=True)
class Needs:
    """One of all that is named must be in the run; where nothing is named, any run will do."""

    kinds: frozenset[str] = frozenset()
    generators: frozenset[str] = frozenset()
    exporters: frozenset[str] = frozenset()

    def met(self, facts: Facts) -> bool:
        """Tell whether a run can have the data."""
        named = self.kinds | self.generators | self.exporters
        return not named or bool(
            self.kinds & facts.kinds or facts.generator in self.generators or self.exporters & facts.exporters
        )

    def __str__(self) -> str:
        parts = (
            ("a service of kind", self.kinds),
            ("the load", self.generators),
            ("the exporter", self.exporters),
        )
        return " or ".join(f"{what} {' or '.join(sorted(words))}" for what, words in parts if words) or "any run"


ANY = Needs()


def kinds(*names: str) -> Needs:
    """Need a service of one of these kinds; `command` services count by their protocol."""
    return Needs(kinds=frozenset(names))


def generators(*names: str) -> Needs:
    """Need one of these loads."""
    return Needs(generators=frozenset(names))


def exporters(*names: str) -> Needs:
    """Need one of these sidecars."""
    return Needs(exporters=frozenset(names))
