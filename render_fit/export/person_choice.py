"""A contact sheet that shows who was chosen in a video or a set of photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
from PIL import Image, ImageDraw

from render_fit.export.overlays import Pixels, around_box, contact_sheet
from render_fit.observations.tracking import Detection, Track

CHOSEN, OTHERS = (20, 110, 220), (150, 150, 150)
"""Colours of the boxes."""

MOST_FRAMES = 24
"""Frames on a sheet, evenly spread."""

MARGIN = 1.8
"""Side of a crop, in sides of the chosen box, so that people beside are seen."""


def choice_sheet(
    frames: Sequence[Sequence[Detection]],
    track: Track,
    picture: Callable[[int], Pixels],
    names: Sequence[str],
    *,
    tracks: Sequence[Track] = (),
    most: int = MOST_FRAMES,
) -> Pixels:
    """One crop per frame with the box of the chosen person; the boxes of the others are thin and grey.

    A frame that does not show the chosen person is shown whole.

    Args:
        frames: People of each frame.
        track: The chosen person.
        picture: Gives the picture of a frame by its number, in the pixels of the boxes; called for one at a time.
        names: Name of each frame.
        tracks: All tracks in the order in which ``--person`` numbers them, to write the numbers into the boxes.
        most: Frames that are shown at most.

    Returns:
        (h, w, 3) RGB 0–255.
    """
    shown = np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int)) if frames else []
    rows = []
    for frame in map(int, shown):
        chosen = track.person_in(frame)
        drawn = _drawn(picture(frame), frames[frame], chosen, _numbers(tracks, frame))
        height, width = drawn.shape[:2]
        box = (0.0, 0.0, float(width), float(height)) if chosen is None else frames[frame][chosen].box
        mark = " not found" if chosen is None else " ?" if frame in track.unsure else ""
        rows.append((f"{names[frame]}{mark}", [around_box(drawn, box, margin=1.0 if chosen is None else MARGIN)]))
    return contact_sheet(rows, columns=6)


def _drawn(pixels: Pixels, people: Sequence[Detection], chosen: int | None, numbers: dict[int, int]) -> Pixels:
    """A picture with the boxes of its people, the chosen one's last."""
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    for index in sorted(range(len(people)), key=lambda index: index == chosen):
        left, top, width, height = people[index].box
        # lines and letters are as wide on the sheet for people of every size
        unit = max(1, round((people[index] if chosen is None else people[chosen]).size_px / 120))
        colour, line = (CHOSEN, 2 * unit) if index == chosen else (OTHERS, unit)
        draw.rectangle((left, top, left + width, top + height), outline=colour, width=line)
        if index in numbers:
            with suppress(ImportError, OSError, ValueError):  # Pillow without FreeType
                corner = (left + 3 * unit, top + 2 * unit)
                edge = {"stroke_fill": colour, "stroke_width": unit}
                draw.text(corner, str(numbers[index]), fill=(255, 255, 255), font_size=12 * unit, **edge)
    return np.asarray(image)


def _numbers(tracks: Sequence[Track], frame: int) -> dict[int, int]:
    """Number of the track of each person of a frame."""
    found = ((track.person_in(frame), number) for number, track in enumerate(tracks))
    return {person: number for person, number in found if person is not None}
