"""Selection among the people of a keypoint file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from render_fit.core.errors import InputError, NoPersonError
from render_fit.observations.keypoint_files import Person
from render_fit.observations.observation import Box, box_overlap

PersonChoice = Literal["largest", "all"] | int


def choose_people(people: Sequence[Person], person: PersonChoice = "largest", box: Box | None = None) -> list[Person]:
    """Selects people of a file.

    Args:
        people: People of the file.
        person: ``"largest"`` (box area), ``"all"``, or a position in the file, from 0.
        box: If given, pixels: the person whose box overlaps it most is selected instead.

    Returns:
        Selected people.

    Raises:
        InputError: If there is no such person.
        NoPersonError: If no person overlaps the box.
    """
    if box is not None:
        best = max(people, key=lambda candidate: box_overlap(candidate.box, box))
        if box_overlap(best.box, box) == 0:
            raise NoPersonError(
                f"box {format_box(box)}: none of the {len(people)} people in the keypoint file is there"
            )
        return [best]
    if person == "all":
        return list(people)
    if person == "largest":
        return [max(people, key=lambda candidate: candidate.box[2] * candidate.box[3])]
    chosen = [candidate for candidate in people if candidate.index == person]
    if not chosen:
        raise InputError(f"person {person}: the keypoint file has usable people {[p.index for p in people]}")
    return chosen


def format_box(box: Box) -> str:
    """Formats a box in the form of the command line, ``x,y,w,h``."""
    return ",".join(f"{value:g}" for value in box)
