"""Who is the same person in the frames of a video: people are linked into tracks by place and clothes.

In each frame the people are assigned to the tracks so that the log odds that they are the same people are largest
(Hungarian method). The odds compare "the same person, who moved on at constant velocity" with "somebody else, who may
be anywhere in the image". Only boxes, keypoints and histograms are kept, no images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from render_fit.core.errors import InputError, NoPersonError
from render_fit.observations.appearance import (
    SURE,
    Appearance,
    appearance_of,
    same_person_log_odds,
)
from render_fit.observations.observation import Box, Observation, box_overlap

PLACE_NOISE = 0.05
"""Standard deviation of keypoints between two frames of a person who stands still, in sizes (longer sides of the
person's box)."""

FIRST_SPEED, SPEED_CHANGE = 1.0, 0.5
"""Standard deviation of the speed, sizes a second: of a person seen once, and of the change of one whose velocity is
known. People walk at 0.8 body heights a second."""

VELOCITY_S = 0.2
"""Time over which the velocity is averaged, seconds."""

STOPS_S = 1.0
"""Time after which a person who is not seen is assumed to stop, seconds."""

JUMP = 1e-4
"""Share of frames between which a person is anywhere: cuts, and errors of the observer."""

NEWCOMERS = 0.2
"""Newcomers a second. After a gap so long that one is expected, nothing speaks for the person who was there before."""

LEAST_KEYPOINTS = 4
"""Common keypoints from which people are compared by them, not by their boxes."""

SEEN_ONCE_S, SEEN_ONCE_FRAMES = 2.0, 3
"""Seconds and frames after which a person who was seen in one frame only is forgotten."""

HIDDEN = 0.2
"""IoU with another person's box from which the clothes are not learnt: the other's may have been counted."""

LEARNT = 0.1
"""Share of a new frame in what is known of the clothes."""

LEAST_ODDS_TO_LINK = math.log(3)
"""Log odds from which people are linked: two people in one track do more harm than one person in two."""

SURE_MARGIN = math.log(10)
"""Difference of log odds from the next best assignment, under which an assignment is unsure."""

NAMED = 4
"""Images that a note names before it counts the rest."""


@dataclass(frozen=True)
class Detection:
    """A person in a frame, as far as tracking needs it.

    Attributes:
        box: Left, top, width, height, pixels.
        keypoints_px: (K, 2) pixels; None if there are none.
        confidence: (K,) in [0, 1].
        appearance: Colours of the clothes.
    """

    box: Box
    keypoints_px: Float[np.ndarray, "k 2"] | None = None
    confidence: Float[np.ndarray, "k"] | None = None
    appearance: Appearance = field(default_factory=Appearance)

    @property
    def size_px(self) -> float:
        """Longer side of the box."""
        return max(self.box[2], self.box[3], 1.0)

    @property
    def area_px(self) -> float:
        """Area of the box."""
        return self.box[2] * self.box[3]


@dataclass(frozen=True)
class Track:
    """One person in several frames or photos.

    Attributes:
        frames: Numbers of the frames that show the person, ascending.
        people: For each, the person's number among the people of that frame.
        detections: For each, the person.
        unsure: Those frames where it may as well be somebody else, or nobody of the others.
    """

    frames: tuple[int, ...]
    people: tuple[int, ...]
    detections: tuple[Detection, ...]
    unsure: tuple[int, ...] = ()

    def person_in(self, frame: int) -> int | None:
        """The person's number among the people of a frame; None if the frame does not show the person."""
        return self.people[self.frames.index(frame)] if frame in self.frames else None


def detection_of(person: Observation) -> Detection:
    """What tracking needs of an observed person: a few kilobytes, without the image."""
    points, confidence = person.keypoints_px, person.confidence
    return Detection(
        box=person.box,
        keypoints_px=None if points is None else points.cpu().numpy().copy(),
        confidence=None if confidence is None else confidence.cpu().numpy().copy(),
        appearance=appearance_of(person),
    )


def track_people(
    frames: Sequence[Sequence[Detection]], times_s: Sequence[float], image_size: tuple[int, int]
) -> list[Track]:
    """Links the people of a video's frames into tracks.

    A person who is hidden or missed for some frames continues the track when place and clothes fit.

    Args:
        frames: People of each frame, in the order of time.
        times_s: Time of each frame, seconds.
        image_size: (H, W) of the frames, pixels.

    Returns:
        Tracks, the one with the largest sum of box areas first.
    """
    live: list[_Live] = []
    for number, (people, time_s) in enumerate(zip(frames, times_s, strict=True)):
        open_to = [track for track in live if track.may_go_on(number, time_s)]
        odds = np.array([[track.log_odds(one, time_s, image_size) for one in people] for track in open_to])
        pairs = _assignment(odds) if open_to and people else {}
        for index, one in enumerate(people):
            alone = all(box_overlap(one.box, other.box) < HIDDEN for other in people if other is not one)
            if index in pairs:
                track, unsure = pairs[index]
                open_to[track].go_on(number, index, one, time_s, alone=alone, unsure=unsure)
            else:
                live.append(_Live(number, index, one, time_s))
    tracks = [Track(tuple(one.frames), tuple(one.people), tuple(one.seen), tuple(one.unsure)) for one in live]
    return sorted(tracks, key=lambda track: -sum(one.area_px for one in track.detections))


def choose_track(tracks: Sequence[Track], person: Literal["largest"] | int = "largest") -> Track:
    """Selects a person.

    Args:
        tracks: Tracks, the largest first.
        person: ``"largest"``: the largest and longest seen, or a number from 0 in the order of the tracks.

    Returns:
        The track.

    Raises:
        NoPersonError: if there is no track.
        InputError: if there is no such track.
    """
    if not tracks:
        raise NoPersonError("no person found in any of the images")
    number = 0 if person == "largest" else person
    if not 0 <= number < len(tracks):
        raise InputError(f"person {number}: found {len(tracks)} people, numbered from 0, the largest first")
    return tracks[number]


def unsure_note(track: Track, names: Sequence[str]) -> str | None:
    """A sentence about the images in which a track may show somebody else; None if there are none.

    Args:
        track: The chosen track.
        names: Name of each image.
    """
    if not track.unsure:
        return None
    first = ", ".join(names[frame] for frame in track.unsure[:NAMED])
    more = f" and {len(track.unsure) - NAMED} more" if len(track.unsure) > NAMED else ""
    return f"unsure whether {first}{more} show{'s' if len(track.unsure) == 1 else ''} the same person"


class _Live:
    """A track that is being made."""

    def __init__(self, frame: int, index: int, one: Detection, time_s: float) -> None:
        self.frames, self.people, self.seen, self.unsure = [frame], [index], [one], []
        self._time_s, self._velocity, self._appearance = time_s, np.zeros(2), one.appearance

    def may_go_on(self, frame: int, time_s: float) -> bool:
        """Whether people are still compared: not for long with one who was seen once, most often an error."""
        recent = time_s - self._time_s <= SEEN_ONCE_S or frame - self.frames[-1] <= SEEN_ONCE_FRAMES
        return len(self.seen) > 1 or recent

    def log_odds(self, one: Detection, time_s: float, image_size: tuple[int, int]) -> float:
        """Log odds that a detection is this person, not somebody else."""
        gap_s = max(time_s - self._time_s, 1e-3)
        before = self.seen[-1]
        moved = self._velocity * STOPS_S * (1 - math.exp(-gap_s / STOPS_S))
        shifts = _shifts(before, one) - moved
        speed = FIRST_SPEED if len(self.seen) == 1 else SPEED_CHANGE
        area = image_size[0] * image_size[1]
        variance = before.size_px**2 * (PLACE_NOISE**2 + (speed * gap_s) ** 2)
        variance = min(variance, area / (2 * math.pi))  # nobody leaves the image
        density = math.exp(-float((shifts**2).sum(axis=1).mean()) / (2 * variance)) / (2 * math.pi * variance)
        place = math.log((1 - JUMP) * density * area + JUMP)
        there_before = max(0.0, -math.log(NEWCOMERS * gap_s))
        clothes = max(
            same_person_log_odds(known, one.appearance, same_light=True)
            for known in (self._appearance, before.appearance)
        )
        return place + there_before + clothes

    def go_on(self, frame: int, index: int, one: Detection, time_s: float, *, alone: bool, unsure: bool) -> None:
        """Adds a frame."""
        gap_s = max(time_s - self._time_s, 1e-3)
        share = 1 - math.exp(-gap_s / VELOCITY_S)
        observed = _shifts(self.seen[-1], one).mean(axis=0) / gap_s
        self._velocity = (1 - share) * self._velocity + share * observed
        if alone:
            self._appearance = _learnt(self._appearance, one.appearance)
        self.frames.append(frame)
        self.people.append(index)
        self.seen.append(one)
        self._time_s = time_s
        if unsure:
            self.unsure.append(frame)


def _shifts(before: Detection, after: Detection) -> Float[np.ndarray, "n 2"]:
    """Ways of the keypoints that both show, or else of two corners of the box, pixels."""
    if before.keypoints_px is not None and after.keypoints_px is not None:
        assert before.confidence is not None and after.confidence is not None
        common = (before.confidence >= SURE) & (after.confidence >= SURE)
        if common.sum() >= LEAST_KEYPOINTS:
            return (after.keypoints_px - before.keypoints_px)[common].astype(float)
    return _corners(after.box) - _corners(before.box)


def _corners(box: Box) -> Float[np.ndarray, "2 2"]:
    return np.array([[box[0], box[1]], [box[0] + box[2], box[1] + box[3]]])


def _learnt(known: Appearance, new: Appearance) -> Appearance:
    """What is known of the clothes after a new frame."""
    halves = []
    for old, seen in zip(known.halves, new.halves, strict=True):
        if old is None or seen is None:
            halves.append(seen if old is None else old)
        else:
            halves.append((1 - LEARNT) * old + LEARNT * seen)
    return Appearance(*halves)


def _assignment(odds: Float[np.ndarray, "t d"]) -> dict[int, tuple[int, bool]]:
    """For each detection that continues a track, the track, and whether that is unsure."""
    gains = np.maximum(odds - LEAST_ODDS_TO_LINK, 0.0)
    fit = np.flatnonzero(gains.max(axis=1) > 0)  # in a long video most tracks have ended
    gains = gains[fit]
    chosen = [(track, index) for track, index in zip(*linear_sum_assignment(-gains), strict=True)]
    best = sum(gains[pair] for pair in chosen)
    pairs = {}
    for track, index in chosen:
        if gains[track, index] > 0:
            others = gains.copy()
            others[track, index] = 0.0
            second = others[linear_sum_assignment(-others)].sum()
            pairs[int(index)] = (int(fit[track]), bool(best - second < SURE_MARGIN))
    return pairs
