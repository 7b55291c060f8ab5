"""The observer ``transformers``: a person detector, a pose network and a human parser of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.errors import InputError, NoPersonError
from render_fit.core.skeletons import COCO_17
from render_fit.observations.hub.detector import PersonDetector
from render_fit.observations.hub.human_parser import HumanParser
from render_fit.observations.hub.networks import load_network
from render_fit.observations.hub.pose import PoseNetwork
from render_fit.observations.hub.separation import PersonPoints, nearest_person
from render_fit.observations.hub.settings import HubSettings
from render_fit.observations.observation import (
    Box,
    Observation,
    box_grown,
    box_of_keypoints,
    box_of_mask,
    box_overlap,
    box_union,
    resample,
    resample_labels,
)
from render_fit.observations.surroundings import valid_pixels, window

SAME_PERSON = 0.5
"""IoU from which a detection is the person in a given box."""

MIN_MASK_PX = 64
"""Fewer pixels of a person are no mask."""

MIN_KEYPOINTS = 4
"""Fewer keypoints do not show a person where the parser shows none."""


class TransformersObserver:
    """Observes boxes, COCO's 17 keypoints, masks and label maps of people, with models of the Hugging Face hub.

    It gives no 3D keypoints. Not thread-safe.

    Attributes:
        name: Name of this observer.
        settings_class: Class of its settings, for ``--observer transformers:FILE``.
        observes_labels: It gives label maps, also where mask and keypoints are known.
        needs_download: Its default models are fetched when it is made.
        settings: Models and thresholds.
    """

    name = "transformers"
    settings_class: ClassVar[type[HubSettings]] = HubSettings
    observes_labels = True
    needs_download = True

    def __init__(self, settings: HubSettings | None = None) -> None:
        """Loads the networks.

        Args:
            settings: Models and thresholds; the defaults if None.

        Raises:
            InputError: if a model is not found, cannot be loaded, or is not of the kind that is needed.
            MissingDependencyError: if a model needs a package that is not installed.
        """
        self.settings = settings = settings or HubSettings()
        device = _device(settings.device)
        self._detector = PersonDetector(
            load_network("person detector", settings.detector, device), settings.min_detection
        )
        self._pose = PoseNetwork(load_network("pose network", settings.pose, device), settings.mirrored)
        self._parser = HumanParser(load_network("human parser", settings.parser, device), settings.label_space)

    def observe(self, image: Float[Tensor, "3 h w"], box: Box | None = None) -> Observation:
        """Observes one person.

        Args:
            image: (3, H, W) RGB in [0, 1].
            box: Box of the person (left, top, width, height), pixels; the largest person if None.

        Returns:
            Keypoints, mask and label map of the person.

        Raises:
            NoPersonError: If no person is found.
        """
        boxes = self.find_people(image)
        if box is None:
            if not boxes:
                raise NoPersonError("image: no person found; give a mask and keypoints or a box")
            box, others = boxes[0], boxes[1:]
        else:
            given = box
            others = sorted(boxes, key=lambda one: -box_overlap(one, given))
            if others and box_overlap(others[0], given) >= SAME_PERSON:
                box, *others = others
        people = self._points(image, [box, *(one for one in others if self._are_near(box, one, image))])
        seen = self._observation(image, people)
        if seen is None:
            where = ",".join(f"{value:.0f}" for value in box)
            raise NoPersonError(f"image: no person found in the box {where}; give a mask and keypoints")
        return seen

    def find_people(self, image: Float[Tensor, "3 h w"], everyone: bool = False) -> list[Box]:
        """Searches for people.

        Args:
            image: (3, H, W) RGB in [0, 1].
            everyone: Makes no difference: the detector finds everyone at once.

        Returns:
            Boxes of the people, pixels; the largest first.
        """
        return self._detector(image)

    def observe_people(self, images: Sequence[Float[Tensor, "3 _ _"]]) -> list[list[Observation]]:
        """Observes all people of several photos.

        Args:
            images: (3, H, W) photos, RGB in [0, 1], of any sizes.

        Returns:
            Observations of the people of each photo, the largest first; an empty list where nobody is found.
        """
        found: list[list[Observation]] = []
        for image in images:
            people = self._points(image, self.find_people(image))
            found.append([])
            for person in people:
                near = [one for one in people if one is not person and self._are_near(person.box, one.box, image)]
                seen = self._observation(image, [person, *near])
                found[-1] += [] if seen is None else [seen]
        return found

    def _points(self, image: Tensor, boxes: Sequence[Box]) -> list[PersonPoints]:
        """Keypoints of the people in boxes; those of a low score or outside of the image have confidence 0."""
        points, scores = self._pose(image, boxes)
        height, width = image.shape[1:]
        inside = ((points >= 0) & (points <= torch.tensor([width, height]))).all(dim=2)
        scores = torch.where(inside & (scores >= self.settings.min_keypoint), scores, torch.zeros_like(scores))
        return [PersonPoints(*each) for each in zip(boxes, points, scores, strict=True)]

    def _window(self, box: Box, image: Tensor) -> Box:
        """The pixels that the parser sees of a person."""
        rows, columns = window(box_grown(box, self.settings.parser_margin * max(box[2:])), *image.shape[1:])
        left, top = float(columns.start), float(rows.start)
        return left, top, columns.stop - left, rows.stop - top

    def _are_near(self, box: Box, other: Box, image: Tensor) -> bool:
        """Whether the parser sees pixels in the boxes of both of two people."""
        return box_overlap(self._window(box, image), self._window(other, image)) > 0

    def _observation(self, image: Tensor, people: Sequence[PersonPoints]) -> Observation | None:
        """Observation of the first of people who stand near each other; None if it is nobody."""
        person = people[0]
        height, width = image.shape[1:]
        around = self._window(person.box, image)
        if min(around[2:]) < 1:
            return None
        rows, columns = window(around, height, width)
        parsed = self._parser(image[:, rows, columns])
        own = nearest_person(people, around, *parsed.labels.shape)
        size = (rows.stop - rows.start, columns.stop - columns.start)
        whole = (0.0, 0.0, float(parsed.labels.shape[1]), float(parsed.labels.shape[0]))
        mask = torch.zeros(height, width)
        labels, valid = torch.zeros(height, width, dtype=torch.long), torch.ones(height, width, dtype=torch.bool)
        mask[rows, columns] = resample((parsed.person * own)[None], whole, *size)[0].clamp(0, 1)
        labels[rows, columns] = resample_labels(parsed.labels * own, whole, *size)
        valid[rows, columns] = ~resample_labels((parsed.person >= 0.5) & ~own, whole, *size)
        valid &= valid_pixels(mask, around)
        has_mask = int((mask >= 0.5).sum()) >= MIN_MASK_PX
        if not has_mask and int((person.confidence > 0).sum()) < MIN_KEYPOINTS:
            return None
        points_box = box_of_keypoints(person.keypoints_px, person.confidence)
        sources = {"keypoints": self.settings.pose}
        if has_mask:
            sources |= {"mask": self.settings.parser, "parts": self.settings.parser}
        return Observation(
            image_size=(height, width),
            valid=valid if has_mask else torch.ones_like(valid),
            box=box_union(box_of_mask(mask) if has_mask else None, points_box) or person.box,
            image=image,
            mask=mask if has_mask else None,
            keypoints_px=person.keypoints_px,
            confidence=person.confidence,
            skeleton=COCO_17,
            labels=labels if has_mask else None,
            part_space=self._parser.part_space if has_mask else None,
            source={entry: f"{self.name}: {model}" for entry, model in sources.items()},
        )


def _device(name: str | None) -> torch.device:
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r}: {str(error).splitlines()[0]}") from error
    return device
