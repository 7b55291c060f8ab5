"""Names of the label spaces, in any usual spelling; without torch, for checks before it is imported."""

from __future__ import annotations

from render_fit.core.errors import InputError

PART_SPACE_NAMES = ("smpl24", "nbf12", "nbf12-outline", "atr", "lip", "cihp", "pascal", "densepose24")
"""Keys of `render_fit.core.parts.PART_SPACES`."""

_OTHER_NAMES = {
    "smpl": "smpl24", "nbf": "nbf12", "densepose": "densepose24", "densepose_coco": "densepose24",
    "look_into_person": "lip", "graphonomy": "cihp", "pgn": "cihp", "pascal_person_part": "pascal",
    "pascal_part": "pascal",
    **{f"schp_{name}": name for name in ("atr", "lip", "pascal")},
}  # fmt: skip


def part_space_name(name: str) -> str:
    """The name of a label space, from any spelling of it: ``PASCAL-Person-Part``, ``SCHP LIP``.

    Raises:
        InputError: if the name is unknown; the message lists the known ones.
    """

    def plain(text: str) -> str:
        return "".join(c for c in text.lower() if c.isalnum())

    known = {plain(key): key for key in PART_SPACE_NAMES} | {plain(other): key for other, key in _OTHER_NAMES.items()}
    if plain(name) not in known:
        raise InputError(f"part labels {name!r}: unknown label space; known are {', '.join(PART_SPACE_NAMES)}")
    return known[plain(name)]
