"""Who is the same person in unrelated photos: by the clothes only, since place says nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from render_fit.observations.appearance import mean_appearance, same_person_log_odds
from render_fit.observations.tracking import SURE_MARGIN, Detection, Track

ROUNDS = 10
"""Rounds in which the choice in each photo and the mean of the chosen are adapted to each other."""

Choice = dict[int, int]
"""For each photo, the number of the person."""


def same_person_in_photos(photos: Sequence[Sequence[Detection]]) -> list[Track]:
    """Links the people of unrelated photos.

    The first track is the person who is in all photos: in each the one who is dressed most like those chosen in the
    others, and large. The others are linked where their clothes speak for it.

    Args:
        photos: People of each photo.

    Returns:
        Tracks. `Track.unsure` are photos in which another person may be meant, or the clothes are unlike the others'.
    """
    left = {photo: dict(enumerate(people)) for photo, people in enumerate(photos) if people}
    tracks: list[Track] = []
    while left:
        choice = _best_choice(left, everywhere=not tracks)
        tracks.append(_track(left, choice))
        for photo, index in choice.items():
            del left[photo][index]
        left = {photo: people for photo, people in left.items() if people}
    return tracks


def _best_choice(photos: Mapping[int, Mapping[int, Detection]], everywhere: bool) -> Choice:
    """The choice of one person in each photo that fits best, begun from each person of the photo with the fewest."""
    fewest = min(photos, key=lambda photo: len(photos[photo]))
    tried = []
    for begin in photos[fewest]:
        choice = {fewest: begin}
        for _ in range(ROUNDS):
            scores = _scores(photos, choice)
            new = {photo: max(people, key=people.__getitem__) for photo, people in scores.items()}
            if not everywhere:
                new = {photo: index for photo, index in new.items() if _odds(photos, choice, photo, index) > 0}
                new[fewest] = begin
            if new == choice:
                break
            choice = new
        scores = _scores(photos, choice)
        tried.append((sum(scores[photo][index] for photo, index in choice.items()), choice))
    return max(tried, key=lambda one: one[0])[1]


def _scores(photos: Mapping[int, Mapping[int, Detection]], choice: Choice) -> dict[int, dict[int, float]]:
    """For each person of each photo, the log odds to be who was chosen in the others, and the log share of size."""
    scores = {}
    for photo, people in photos.items():
        largest = max(one.area_px for one in people.values())
        scores[photo] = {
            index: _odds(photos, choice, photo, index) + math.log(max(one.area_px / max(largest, 1.0), 1e-6))
            for index, one in people.items()
        }
    return scores


def _odds(photos: Mapping[int, Mapping[int, Detection]], choice: Choice, photo: int, index: int) -> float:
    """Log odds that a person is who was chosen in the other photos; 0 if there are none."""
    others = [photos[other][chosen].appearance for other, chosen in choice.items() if other != photo]
    if not others:
        return 0.0
    return same_person_log_odds(mean_appearance(others), photos[photo][index].appearance, same_light=False)


def _track(photos: Mapping[int, Mapping[int, Detection]], choice: Choice) -> Track:
    """The track of a choice, with the photos where it is unsure."""
    scores, unsure = _scores(photos, choice), []
    for photo, index in sorted(choice.items()):
        rivals = [score for other, score in scores[photo].items() if other != index]
        unlike = len(choice) > 1 and _odds(photos, choice, photo, index) < 0
        if unlike or (rivals and scores[photo][index] - max(rivals) < SURE_MARGIN):
            unsure.append(photo)
    order = sorted(choice)
    return Track(
        frames=tuple(order),
        people=tuple(choice[photo] for photo in order),
        detections=tuple(photos[photo][choice[photo]] for photo in order),
        unsure=tuple(unsure),
    )
