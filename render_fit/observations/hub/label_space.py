"""Which known label space the classes of a human parser are."""

from __future__ import annotations

from collections.abc import Sequence

from render_fit.core.errors import InputError
from render_fit.core.parts import PART_SPACES, PartSpace, part_space_named


def label_space_of(labels: Sequence[str], what: str, name: str | None = None) -> tuple[PartSpace, tuple[int, ...]]:
    """The label space of a parser, by the names of its classes, in whatever order they are.

    Args:
        labels: Names of its classes, in order: ``Upper-clothes`` and ``upper_clothes`` are the same.
        what: The parser, for messages.
        name: Name of a label space if it is known; then the classes are its labels in order, whatever their names.

    Returns:
        The label space, and for each of its labels the index of the class.

    Raises:
        InputError: if the classes are those of no known label space, or not as many as those of the named one.
    """
    if name is not None:
        space = part_space_named(name)
        if len(labels) != len(space.labels):
            raise InputError(
                f"{what}: has {len(labels)} classes; label space {space.name!r} has {len(space.labels)} labels"
            )
        return space, tuple(range(len(labels)))
    plain = [_plain(label) for label in labels]
    for space in PART_SPACES.values():
        expected = [_plain(label) for label in space.labels]
        if len(plain) == len(expected) and set(plain) == set(expected):
            return space, tuple(plain.index(label) for label in expected)
    raise InputError(
        f"{what}: its {len(labels)} classes ({', '.join(labels[:6])}, …) are those of no known label space: "
        f"{', '.join(PART_SPACES)}; name the one that they are in order with label_space"
    )


def _plain(label: str) -> str:
    return "".join(letter for letter in label.lower() if letter.isalnum())
