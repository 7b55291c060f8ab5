"""Objects by name: those of this package, and those that other installed packages register as entry points."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from render_fit.core.errors import InputError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names of one kind of object, and the factory of each.

    Iterating gives all names, those of this package first. Entry points are read when a name is not one of this
    package's, and imported only when that name is requested.

    Args:
        kind: What the objects are called in messages, e.g. ``term``.
        group: Group of entry points, e.g. ``render_fit.terms``.
        own: Name → factory. Entry points cannot replace these.
    """

    def __init__(self, kind: str, group: str, own: Mapping[str, Callable[..., T]]) -> None:
        self.kind = kind
        self.group = group
        self.own = own

    def _plugins(self) -> list[EntryPoint]:
        return [entry for entry in entry_points(group=self.group) if entry.name not in self.own]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.own, *(entry.name for entry in self._plugins())]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: str) -> bool:
        return name in self.own or any(entry.name == name for entry in self._plugins())

    def __getitem__(self, name: str) -> Callable[..., T]:
        """The factory of a name.

        Raises:
            InputError: if the name is not known, several packages register it, or its package cannot be imported.
        """
        if name in self.own:
            return self.own[name]
        found = [entry for entry in self._plugins() if entry.name == name]
        if not found:
            close = difflib.get_close_matches(name, list(self), n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise InputError(f"unknown {self.kind} {name!r}; known: {', '.join(self)}{hint}")
        packages = [entry.dist.name if entry.dist else entry.value for entry in found]
        if len(found) > 1:
            raise InputError(f"{self.kind} {name!r}: registered by {' and '.join(packages)}; uninstall all but one")
        try:
            return found[0].load()
        except Exception as error:  # whatever the other package's module raises while it is imported
            raise InputError(
                f"{self.kind} {name!r}: package {packages[0]} registers {found[0].value!r}, which cannot be imported: "
                f"{type(error).__name__}: {error}"
            ) from error

    def make(self, name: str, options: Mapping[str, Any] | None = None) -> T:
        """Makes the object of a name.

        Args:
            name: Name of this package's, or of an entry point.
            options: Keyword arguments of the factory; lists, as YAML has them, become tuples.

        Raises:
            InputError: as indexing, or if the factory does not have one of the options; lists those that it has.
        """
        factory, options = self[name], options or {}
        known = inspect.signature(factory).parameters
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
            for option in options:
                if option not in known:
                    listed = ", ".join(known) or "none"
                    raise InputError(f"{self.kind} {name!r} has no option {option!r}; known: {listed}")
        return factory(**{key: tuple(value) if isinstance(value, list) else value for key, value in options.items()})


def check_callable(kind: str, thing: object, arguments: Sequence[str], named: Sequence[str] = ()) -> None:
    """Checks that an object that a user passed can be called as objects of its kind are.

    Args:
        kind: What the object was passed as, e.g. ``renderer``.
        thing: The object.
        arguments: Names of the arguments that it is called with, in order.
        named: Names of those that it is called with by keyword.

    Raises:
        InputError: if it is a class, no callable, or takes other arguments.
    """
    called = ", ".join((*arguments, *(f"{key}=" for key in named)))
    expected = f"{kind}: expected an object that is called as ({called})"
    if isinstance(thing, type):
        raise InputError(f"{expected}, got the class {thing.__name__}; make an object of it: {thing.__name__}(...)")
    if not callable(thing):
        raise InputError(f"{expected}, got {thing!r}")
    try:
        inspect.signature(thing).bind(*arguments, **dict.fromkeys(named))
    except TypeError as error:
        raise InputError(f"{expected}, got {type(thing).__name__}{inspect.signature(thing)}: {error}") from None
    except ValueError:  # it has no signature that can be read
        return
