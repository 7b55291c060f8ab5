"""The default observer: all people of a photo, by BlazePose's networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.core.errors import NoPersonError
from render_fit.core.skeletons import MEDIAPIPE_33
from render_fit.core.threads import one_torch_thread
from render_fit.observations.blazepose.clothing import ClothingFeatures
from render_fit.observations.blazepose.passes import Networks, People, Pyramid, View
from render_fit.observations.blazepose.regions import Regions
from render_fit.observations.blazepose.search import MIN_DETECTION, MIN_PRESENCE, search
from render_fit.observations.observation import (
    Box,
    Observation,
    box_grown,
    box_of_keypoints,
    box_of_mask,
    box_overlap,
    box_union,
)
from render_fit.observations.surroundings import square_around, valid_pixels, window

FIRST_ZOOM = 1.35
"""Side of the first region around a given box, as a multiple of the box's longer side."""

ZOOM_ALONE, ZOOM_IN_CONTEXT = 0.9, 1.05
"""Sides of the regions of the averaged passes, as multiples of the network's own: with the surroundings greyed out,
which keeps to the right person, and with the surroundings, which gives better outlines. Each is repeated on the mirror
image."""

DETECTION_ZOOM = 1.6
"""Side of the square around a given box in which people are detected if the first region did not show the person, as a
multiple of the box's longer side."""

FOUND_OVERLAP = 0.2
"""Smallest IoU between the person's box and the given box; below, another person was found."""

SURE_OVERLAP = 0.5
"""IoU between the person's box and the given box at which the person counts as found without a detection."""

GIVEN_BOX_SHARE, FOUND_BOX_SHARE = 0.05, 0.1
"""Margins around a given box and around one that the observer found, which may cut off a hand, as shares of the longer
side. The image outside is greyed out."""


AGREEING_OVERLAP = 0.5
"""IoU with the mask of the best pass at which passes show the same person and are averaged."""

AGREEING_DISTANCE = 0.1
"""Mean distance from the keypoints of the best pass, as a share of the region, up to which passes are averaged."""

MIN_PASSES = 2
"""Passes of four that must agree on a person whom the observer has found itself."""


@dataclass(frozen=True)
class Target:
    """A person to observe: a photo, what the landmark network found, the box, and the margin that is visible around it
    (share of the box's longer side)."""

    pyramid: Pyramid
    person: People
    box: Box
    margin: float

    @property
    def visible(self) -> Box:
        return box_grown(self.box, self.margin * max(self.box[2:]))


@dataclass(frozen=True)
class Seen:
    """Observation of a person, the number of passes that agree on it, and where the person was looked for."""

    observation: Observation
    n_passes: int
    target: Target


class BlazePoseObserver:
    """Observes 33 keypoints, mask and rough 3D keypoints of people with BlazePose's networks.

    Not thread-safe.

    Attributes:
        name: Name of this observer in `Observation.source`.
    """

    name = "blazepose"

    def __init__(self, device: str | torch.device | None = None) -> None:
        """Loads the networks.

        Args:
            device: Device of the networks; CUDA if there is one, else the CPU.
        """
        self._networks = Networks(torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")))

    def observe(self, image: Float[Tensor, "3 h w"], box: Box | None = None) -> Observation:
        """Observes one person.

        Args:
            image: (3, H, W) RGB in [0, 1].
            box: Box of the person (left, top, width, height), pixels; the largest person if None.

        Returns:
            Keypoints, mask and 3D keypoints of the person.

        Raises:
            NoPersonError: If no person is found.
        """
        return self.see(image, box).observation

    @one_torch_thread()
    def see(self, image: Float[Tensor, "3 h w"], box: Box | None = None) -> Seen:
        """Observes one person as `observe` does; the result also tells the region around the person."""
        pyramid = Pyramid(image)
        if box is not None:
            return self._in_box(pyramid, box)
        (found,) = search(self._networks, [pyramid], everyone=False)
        for i, found_box in enumerate(found.boxes):
            seen = self._passes([Target(pyramid, found.people[[i]], found_box, FOUND_BOX_SHARE)])[0]
            if seen.n_passes >= MIN_PASSES:
                return seen
        raise NoPersonError("image: no person found; give a mask and keypoints or a box")

    @one_torch_thread()
    def find_people(self, image: Float[Tensor, "3 h w"], everyone: bool = False) -> list[Box]:
        """Searches for people.

        Args:
            image: (3, H, W) RGB in [0, 1].
            everyone: Search parts of the image even if the whole image contains a person.

        Returns:
            Boxes of the people, pixels; the largest person first.
        """
        return search(self._networks, [Pyramid(image)], everyone)[0].boxes

    @one_torch_thread()
    def observe_people(self, images: Sequence[Float[Tensor, "3 _ _"]]) -> list[list[Observation]]:
        """Observes all people of several photos, whose regions pass through the networks together.

        Args:
            images: (3, H, W) photos, RGB in [0, 1], of any sizes.

        Returns:
            Observations of the people of each photo, the largest first; an empty list where nobody is found.
        """
        if not images:
            return []
        pyramids = [Pyramid(image) for image in images]
        found = search(self._networks, pyramids, everyone=True)
        targets = [
            Target(pyramid, one.people[[i]], box, FOUND_BOX_SHARE)
            for pyramid, one in zip(pyramids, found, strict=True)
            for i, box in enumerate(one.boxes)
        ]
        seen = iter(self._passes(targets))
        people = [[next(seen) for _ in one.boxes] for one in found]
        return [[one.observation for one in of_photo if one.n_passes >= MIN_PASSES] for of_photo in people]

    def clothing_features(self, view: View) -> ClothingFeatures:
        """Features of the person in each region and, after those, in the mirror image of each region."""
        return self._networks.clothing_features(view)

    def _in_box(self, pyramid: Pyramid, box: Box) -> Seen:
        """Observes the person in a given box."""
        visible = box_grown(box, GIVEN_BOX_SHARE * max(box[2:]))
        guess = Regions.squares([square_around(box, FIRST_ZOOM)])
        tried = self._networks.look([View(pyramid, guess, visible)])[0]
        person, overlap = _best(tried, box)
        if overlap < SURE_OVERLAP:
            square = Regions.squares([square_around(box, DETECTION_ZOOM)])
            views = [View(pyramid, square, visible), View(pyramid, square)]
            detected = [regions for view in self._networks.detect(views, MIN_DETECTION) for regions, _ in view]
            further = self._networks.look([View(pyramid, Regions.joined(detected), visible)])[0]
            person, overlap = _best(People.joined([tried, further]), box)
        if overlap >= FOUND_OVERLAP:
            seen = self._passes([Target(pyramid, person, box, GIVEN_BOX_SHARE)])[0]
            if seen.observation.mask is not None and bool((seen.observation.mask >= 0.5).any()):
                return seen
        where = ",".join(f"{value:.0f}" for value in box)
        raise NoPersonError(f"image: no person found in the box {where}; give a mask and keypoints")

    def _passes(self, targets: Sequence[Target]) -> list[Seen]:
        """Means of four passes for each person: with the surroundings and without, each also mirrored."""
        if not targets:
            return []
        views = [
            View(target.pyramid, Regions.around(target.person.alignment_px).scaled(zoom), visible)
            for target in targets
            for zoom, visible in ((ZOOM_ALONE, target.visible), (ZOOM_IN_CONTEXT, None))
        ]
        seen = [*self._networks.look(views), *self._networks.look(views, mirrored=True)]
        step = 2 * len(targets)
        return [
            _mean(target, People.joined([*seen[2 * i : 2 * i + 2], *seen[step + 2 * i : step + 2 * i + 2]]))
            for i, target in enumerate(targets)
        ]


def _best(people: People, box: Box) -> tuple[People, float]:
    """The person who matches a box best, and the IoU of the boxes; 0 if that is nobody."""
    overlaps = torch.tensor([box_overlap(one, box) for one in people.boxes])
    overlaps = overlaps * (people.presence >= MIN_PRESENCE)
    best = int((overlaps**2 * people.confidence.mean(dim=1)).argmax())
    return people[[best]], float(overlaps[best])


def _agreeing(passes: People, best: int) -> Bool[Tensor, "n"]:
    """Passes that show the same person in the same pose as the best one."""
    masks = passes.regions.resampled(passes.mask, passes.regions[[best]]) >= 0.5
    shared = (masks & masks[best]).sum(dim=(1, 2)) / (masks | masks[best]).sum(dim=(1, 2)).clamp(min=1)
    weights = passes.confidence * passes.confidence[best] + 1e-6
    distances = (passes.keypoints_px - passes.keypoints_px[best]).norm(dim=2) / passes.regions.side_px[best]
    apart = (weights * distances).sum(dim=1) / weights.sum(dim=1)
    agreeing = (shared >= AGREEING_OVERLAP) & (apart <= AGREEING_DISTANCE)
    agreeing[best] = True
    return agreeing


def _mean(target: Target, passes: People) -> Seen:
    """Mean of the passes that show the same person as the one that matches the target's box best."""
    image, visible = target.pyramid.image, target.visible
    height, width = image.shape[1:]
    overlaps = torch.tensor([box_overlap(one, target.box) for one in passes.boxes])
    passes = passes[_agreeing(passes, int((overlaps**2 * passes.confidence.mean(dim=1)).argmax()))]
    weights = passes.confidence + 1e-3
    weights = (weights / weights.sum(dim=0))[..., None]
    keypoints, confidence = (weights * passes.keypoints_px).sum(dim=0), passes.confidence.mean(dim=0)
    rows, columns = window(visible, height, width)
    corner = torch.tensor([float(columns.start), float(rows.start)])
    moved = replace(passes.regions, centre_px=passes.regions.centre_px - corner)
    mask = torch.zeros(height, width)
    size = (rows.stop - rows.start, columns.stop - columns.start)
    mask[rows, columns] = moved.paste_mean(passes.mask, *size)
    sure = torch.where(confidence >= 0.5, confidence, 0.0)
    x, y = keypoints.unbind(dim=1)
    inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    observation = Observation(
        image_size=(height, width),
        valid=valid_pixels(mask, visible),
        box=box_union(box_of_mask(mask), box_of_keypoints(keypoints, sure)) or target.box,
        image=image,
        mask=mask,
        keypoints_px=keypoints,
        confidence=torch.where(inside, confidence, 0.0),
        skeleton=MEDIAPIPE_33,
        keypoints_3d=(weights * passes.keypoints_3d).sum(dim=0),
        confidence_3d=confidence,
        source={name: BlazePoseObserver.name for name in ("mask", "keypoints", "keypoints_3d")},
    )
    return Seen(observation, len(passes), target)
