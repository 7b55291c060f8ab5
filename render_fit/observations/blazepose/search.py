"""Search for all people in photos: detections in parts of each, verified by landmarks and by a second detection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.observations.blazepose.passes import Networks, People, Pyramid, View
from render_fit.observations.blazepose.regions import Regions
from render_fit.observations.observation import Box
from render_fit.observations.surroundings import search_squares

MIN_DETECTION = 0.3
"""Smallest score of a detection that is looked at. MediaPipe's default of 0.5 is meant for video."""

MIN_PRESENCE = 0.5
"""Smallest probability of the landmark network that a region shows a person, as in MediaPipe."""

MIN_SECOND_DETECTION = 0.5
"""Smallest score of a second detection, in the square around the person; MediaPipe's default."""

MIN_SCORE = 0.55
"""Smallest mean of the scores of both detections. In COCO, CCP and UP-3D the annotated people have at least 0.60;
scikit-image's pictures without people at most 0.52 (a cup)."""

SAME_CENTRE, SAME_SIZE = 0.15, 1.4
"""Regions whose centres are nearer than this share of the larger side, and whose sides differ by less than this factor,
are the same. Those of neighbours can differ by little more."""

AGREEING_CENTRE, AGREEING_SIZE = 0.25, 1.6
"""The same limits between the region of a person and a second detection of that person."""

SAME_MASK = 0.6
"""Share of the smaller of two masks that the larger one covers, at which both are of one person."""

MIN_PERSON_PX = 8.0
"""Smallest side of a person's box, pixels of the image with its longer side reduced to 768 px."""

MAX_CANDIDATES = 30
"""Detections in one image that are looked at, by score."""


@dataclass(frozen=True)
class Found:
    """People of one image, the largest first.

    Attributes:
        people: What the landmark network found.
        score: (N,) mean score of both detections, in [0, 1].
        boxes: Boxes, pixels.
    """

    people: People
    score: Float[Tensor, "n"]
    boxes: list[Box]


def search(networks: Networks, pyramids: Sequence[Pyramid], everyone: bool) -> list[Found]:
    """Finds people in photos.

    Args:
        networks: The networks.
        pyramids: The photos.
        everyone: Whether to search parts of a photo although there is somebody in the whole photo.

    Returns:
        People of each photo.
    """
    rounds = [search_squares(*pyramid.image.shape[1:]) for pyramid in pyramids]
    everywhere = [list(chain(*of_photo)) for of_photo in rounds]
    if everyone:
        return _searched(networks, pyramids, everywhere)
    found = _searched(networks, pyramids, [list(chain(*of_photo[:2])) for of_photo in rounds])
    return [
        one if one.boxes else _searched(networks, [pyramid], [squares])[0]
        for one, pyramid, squares in zip(found, pyramids, everywhere, strict=True)
    ]


def _searched(networks: Networks, pyramids: Sequence[Pyramid], squares: Sequence[list[Box]]) -> list[Found]:
    """People who are detected in the given squares of each photo."""
    views = [View(pyramid, Regions.squares(boxes)) for pyramid, boxes in zip(pyramids, squares, strict=True)]
    candidates, scores = [], []
    for of_photo in networks.detect(views, MIN_DETECTION):
        regions, score = Regions.joined([one for one, _ in of_photo]), torch.cat([one for _, one in of_photo])
        kept = _distinct_regions(regions, score)[:MAX_CANDIDATES]
        candidates.append(regions[kept])
        scores.append(score[kept])
    first = networks.look([View(pyramid, regions) for pyramid, regions in zip(pyramids, candidates, strict=True)])
    refined, kept_scores = [], []
    for people, score in zip(first, scores, strict=True):
        around = Regions.around(people.alignment_px)
        present = (people.presence >= MIN_PRESENCE) & (around.side_px >= MIN_PERSON_PX)
        refined.append(around[present])
        kept_scores.append(score[present])
    views = [View(pyramid, regions) for pyramid, regions in zip(pyramids, refined, strict=True)]
    seen = networks.look(views)
    again = networks.detect([View(view.pyramid, _upright(view.regions)) for view in views], MIN_DETECTION)
    results = []
    for pyramid, people, score, detected in zip(pyramids, seen, kept_scores, again, strict=True):
        second = torch.tensor([_score_at(people.regions[[i]], *one) for i, one in enumerate(detected)])
        mean = torch.where(second >= MIN_SECOND_DETECTION, (score + second) / 2, 0.0)
        results.append(_accepted(people, mean, *pyramid.image.shape[1:]))
    return results


def _accepted(people: People, score: Tensor, height: int, width: int) -> Found:
    """People with a sufficient score, each once, the largest first."""
    smallest = MIN_PERSON_PX * max(1.0, max(height, width) / 768)
    boxes, areas = people.boxes, []
    for left, top, box_width, box_height in boxes:
        across = min(left + box_width, width) - max(left, 0.0)
        down = min(top + box_height, height) - max(top, 0.0)
        areas.append(max(across, 0.0) * max(down, 0.0) if min(across, down) >= smallest else 0.0)
    chosen: list[int] = []
    for i in score.argsort(descending=True).tolist():
        sure = float(score[i]) >= MIN_SCORE and float(people.presence[i]) >= MIN_PRESENCE and areas[i] > 0
        if sure and not any(_same_person(people, i, j) for j in chosen):
            chosen.append(i)
    chosen.sort(key=lambda i: -areas[i])
    return Found(people[chosen], score[chosen], [boxes[i] for i in chosen])


def _distinct_regions(regions: Regions, score: Tensor) -> list[int]:
    """Regions that differ from all with a higher score, those with the highest scores first."""
    kept: list[int] = []
    for i in score.argsort(descending=True).tolist():
        if not bool(_alike(regions[[i]], regions[kept], SAME_CENTRE, SAME_SIZE).any()):
            kept.append(i)
    return kept


def _score_at(region: Regions, detected: Regions, score: Tensor) -> float:
    """Highest score of the detections that agree with a region; 0 without one."""
    agreeing = score[_alike(region, detected, AGREEING_CENTRE, AGREEING_SIZE)]
    return float(agreeing.max()) if len(agreeing) else 0.0


def _alike(region: Regions, others: Regions, centre: float, size: float) -> Bool[Tensor, "n"]:
    """Whether regions differ from one by less than a share of the larger side, and by less than a factor in size."""
    larger = others.side_px.maximum(region.side_px)
    near = (others.centre_px - region.centre_px).norm(dim=1) < centre * larger
    return near & (larger / others.side_px.minimum(region.side_px) < size)


def _same_person(people: People, i: int, j: int) -> bool:
    """Whether the smaller of two masks lies in the larger one."""
    if float(people.regions.side_px[i]) > float(people.regions.side_px[j]):
        i, j = j, i
    inside = people.regions[[j]].resampled(people.mask[[j]], people.regions[[i]])[0]
    smaller = people.mask[i] >= 0.5
    return float((smaller & (inside >= 0.5)).sum()) >= SAME_MASK * max(1.0, float(smaller.sum()))


def _upright(regions: Regions) -> Regions:
    return Regions(regions.centre_px, regions.side_px, torch.zeros_like(regions.angle))
