"""Observations from an image and its files; an observer adds what the files do not contain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.cameras import Camera
from render_fit.core.errors import InputError, NoPersonError
from render_fit.core.parts import NBF_12_OF_OUTLINE, PartSpace
from render_fit.core.registry import Registry
from render_fit.core.skeletons import Skeleton
from render_fit.observations.blazepose.observer import BlazePoseObserver
from render_fit.observations.camera_source import resolve_camera
from render_fit.observations.files import Person, PersonChoice, choose_people, read_labels, read_mask, read_people
from render_fit.observations.images import Photo, read_photo
from render_fit.observations.mediapipe_observer import MediapipeObserver
from render_fit.observations.observation import (
    Box,
    Observation,
    box_grown,
    box_of_keypoints,
    box_of_mask,
    box_union,
    resample,
    resample_labels,
)
from render_fit.observations.parts_from_keypoints import parts_from_keypoints

T = TypeVar("T")


@runtime_checkable
class Observer(Protocol):
    """Finds people in an image, and observes one person."""

    name: str

    def observe(self, image: Float[Tensor, "3 h w"], box: Box | None = None) -> Observation:
        """Observes the person in the box (pixels), or the largest one; raises NoPersonError if none is found."""
        ...

    def find_people(self, image: Float[Tensor, "3 h w"], everyone: bool = False) -> list[Box]:
        """Boxes (pixels) of the people in the image, the largest first; ``everyone``: search parts of it too."""
        ...


@runtime_checkable
class PeopleObserver(Observer, Protocol):
    """An observer that observes everybody at once. With others, the people found are observed one by one."""

    def observe_people(self, images: Sequence[Float[Tensor, "3 _ _"]]) -> list[list[Observation]]:
        """Observes all people of several photos, in each the largest first."""
        ...


ROOM_AROUND_JOINTS = 0.15
"""Margin that is added to boxes of keypoints before they are observed, as a share of the longer side: hands, shoes and
the top of the head lie outside of the joints."""

OBSERVERS: Registry[Observer] = Registry(
    "observer", "render_fit.observers", {"blazepose": BlazePoseObserver, "mediapipe": MediapipeObserver}
)
"""Observers by name, the default first. Making one may raise MissingDependencyError."""


def observe(
    image: str | Path,
    *,
    mask: str | Path | None = None,
    keypoints: str | Path | None = None,
    parts: str | Path | None = None,
    part_space: PartSpace | str | None = None,
    occluders: str | Path | None = None,
    box: Box | None = None,
    person: PersonChoice = "largest",
    camera: Camera | Path | None = None,
    focal_35mm: float | None = None,
    observer: Observer | str | None = None,
    always_observe_3d: bool = False,
    parts_from_keypoints: bool = False,
) -> list[Observation]:
    """Reads one image and its files; the observer adds what they do not contain.

    All pixels given here are pixels of the upright image file. A large photo is reduced while reading, and everything
    is scaled with it (`Observation.file_size`).

    Args:
        image: Image file.
        mask: Image file with the mask of the person.
        keypoints: OpenPose or COCO JSON file.
        parts: Image file with a label map.
        part_space: Label space of the label map, or its name; required with ``parts``.
        occluders: Image file with the mask of everything in front of the person; these pixels are not valid.
        box: Box of the person (left, top, width, height), pixels.
        person: Selection among several people of the keypoint file, or else of the observer (``"all"``, or a number;
            0 is the largest person). With a mask or a box and no number: the person there.
        camera: Camera of the photo, or the path of a camera JSON file, if known (see `resolve_camera`).
        focal_35mm: 35 mm equivalent focal length, mm, if known; otherwise the one in EXIF.
        observer: Observer for what the files do not contain; None: nothing is added.
        always_observe_3d: Let the observer add 3D keypoints even if mask and keypoints are given.
        parts_from_keypoints: Without a label map, compute one from mask and keypoints (`parts_from_keypoints`).

    Returns:
        One observation per selected person.

    Raises:
        InputError: If an argument or a file cannot be used.
        NoPersonError: If no person is found.
    """
    if isinstance(observer, str):
        observer = OBSERVERS[observer]()
    photo = read_photo(image)
    height, width = photo.image.shape[1:]
    decided, camera_source = resolve_camera(
        (height, width),
        camera=camera,
        focal_35mm=focal_35mm,
        exif_focal_px=photo.focal_px,
        file_size=photo.file_size,
    )
    if box is not None:
        box = _checked_box(box, photo)
    person_mask = None if mask is None else _fitted(read_mask(mask, photo.file_size), photo)
    base = Observation(
        image_size=(height, width),
        valid=torch.ones(height, width, dtype=torch.bool),
        box=box or (0.0, 0.0, float(width), float(height)),
        image=photo.image,
        mask=person_mask,
        camera=decided,
        file_size=photo.file_size,
        source={"camera": camera_source} | ({} if mask is None else {"mask": Path(mask).name}),
    )
    if occluders is not None:
        base = replace(base, valid=_fitted(read_mask(occluders, photo.file_size), photo) < 0.5)
    if parts is not None:
        if part_space is None:
            raise InputError(f"{parts}: expected a label space with it (part labels: smpl24, atr, lip, …)")
        labels, space = read_labels(parts, part_space, photo.file_size)
        whole = (0.0, 0.0, float(photo.file_size[1]), float(photo.file_size[0]))
        base = replace(
            base,
            labels=resample_labels(labels, whole, height, width),
            part_space=space,
            source={**base.source, "parts": Path(parts).name},
        )
    if base.labels is not None and base.mask is None:
        person_labels = torch.tensor(base.part_space.person_labels if base.part_space else ())
        base = replace(
            base,
            mask=torch.isin(base.labels, person_labels).float(),
            source={**base.source, "mask": f"labels of {base.source['parts']}"},
        )
    if keypoints is not None:
        people = _people(keypoints, photo, person, box, base.mask)
        given = [_with_person(base, one, Path(keypoints).name) for one in people]
        completed = [_completed(one, box, observer, always_observe_3d) for one in given]
    elif person == "largest" or base.mask is not None or box is not None:
        completed = [_completed(base, box, observer, always_observe_3d)]
    else:
        merged = [_merged(base, one) for one in _found_people(photo.image, person, observer)]
        completed = [replace(one, box=_tight_box(one) or one.box) for one in merged]
    return [_with_parts(one) for one in completed] if parts_from_keypoints else completed


def _found_people(image: Tensor, person: PersonChoice, observer: Observer | None) -> list[Observation]:
    """The selected people among all whom the observer finds."""
    if isinstance(observer, PeopleObserver):
        return _selected(observer.observe_people([image])[0], person)
    if observer is None:
        raise NoPersonError("image: no person found; give a box, or a mask and keypoints")
    boxes = observer.find_people(image, everyone=True)
    return [observer.observe(image, box) for box in _selected(boxes, person)]


def _selected(found: list[T], person: PersonChoice) -> list[T]:
    """Everyone, or the person with a number."""
    if not found:
        raise NoPersonError("image: no person found; give a box, or a mask and keypoints")
    if not isinstance(person, int):
        return found
    if not 0 <= person < len(found):
        raise InputError(f"person {person}: found {len(found)} people, numbered from 0, the largest first")
    return [found[person]]


def _with_parts(person: Observation) -> Observation:
    """Adds a part map from mask and keypoints, if there is none."""
    if person.labels is not None or person.mask is None or person.keypoints_px is None:
        return person
    assert person.confidence is not None and person.skeleton is not None
    labels = parts_from_keypoints(person.mask, person.keypoints_px, person.confidence, person.skeleton)
    if labels is None:
        return person
    source = {**person.source, "parts": "made from mask and keypoints"}
    return replace(person, labels=labels, part_space=NBF_12_OF_OUTLINE, source=source)


def _completed(given: Observation, box: Box | None, observer: Observer | None, always_observe_3d: bool) -> Observation:
    """Adds what the files do not contain, by the observer, and the box of the person."""
    missing = given.mask is None or given.keypoints_px is None
    if observer is not None and (missing or always_observe_3d):
        known_box = box or _observed_box(given)
        try:
            assert given.image is not None
            given = _merged(given, observer.observe(given.image, known_box))
        except NoPersonError:
            if given.mask is None and given.keypoints_px is None:
                raise
    if given.mask is None and given.keypoints_px is None:
        raise InputError("image: neither a mask nor keypoints are given, and there is no observer to find them")
    return replace(given, box=box_union(_tight_box(given), None if given.mask is not None else box) or given.box)


def _merged(given: Observation, found: Observation) -> Observation:
    """The given observation, with missing entries from the observer's."""
    source = dict(given.source)
    merged = given
    if given.mask is None and found.mask is not None:
        merged = replace(merged, mask=found.mask, valid=merged.valid & found.valid)
        source["mask"] = found.source["mask"]
    if given.keypoints_px is None and found.keypoints_px is not None:
        merged = replace(merged, keypoints_px=found.keypoints_px, confidence=found.confidence, skeleton=found.skeleton)
        source["keypoints"] = found.source["keypoints"]
    if found.keypoints_3d is not None and found.skeleton is not None and merged.skeleton is not None:
        points, confidence = _in_skeleton(found, merged.skeleton)
        merged = replace(merged, keypoints_3d=points, confidence_3d=confidence)
        source["keypoints_3d"] = found.source["keypoints"]
    return replace(merged, source=source)


def _in_skeleton(found: Observation, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """3D keypoints of the observer, converted to another skeleton; confidence 0 for joints that the observer lacks."""
    points, confidence = torch.zeros(len(skeleton), 3), torch.zeros(len(skeleton))
    assert found.keypoints_3d is not None and found.confidence_3d is not None and found.skeleton is not None
    for i, j in found.skeleton.map_to(skeleton):
        points[j], confidence[j] = found.keypoints_3d[i], found.confidence_3d[i]
    return points, confidence


def _people(
    keypoints: str | Path, photo: Photo, person: PersonChoice, box: Box | None, mask: Tensor | None
) -> list[Person]:
    """Selected people of a keypoint file, in pixels of the photo as it was read."""
    people = [
        replace(one, keypoints_px=one.keypoints_px * photo.scale, box=_scaled(one.box, photo.scale))
        for one in read_people(keypoints, photo.file_size, photo.path.name)
    ]
    if mask is not None and box is None and not isinstance(person, int):
        return [max(people, key=lambda one: _share_in_mask(one, mask))]
    return choose_people(people, person, box)


def _share_in_mask(person: Person, mask: Tensor) -> float:
    """Sum of the confidence of a person's keypoints inside a mask."""
    observed = person.confidence > 0
    columns, rows = person.keypoints_px[observed].long().unbind(dim=1)
    inside = mask[rows.clamp(0, mask.shape[0] - 1), columns.clamp(0, mask.shape[1] - 1)]
    return float((inside * person.confidence[observed]).sum())


def _with_person(base: Observation, person: Person, file_name: str) -> Observation:
    return replace(
        base,
        keypoints_px=person.keypoints_px,
        confidence=person.confidence,
        skeleton=person.skeleton,
        box=person.box,
        source={**base.source, "keypoints": file_name},
    )


def _tight_box(given: Observation) -> Box | None:
    """Box of mask and keypoints, or the box in the keypoint file."""
    points = None
    if given.keypoints_px is not None and given.confidence is not None:
        points = box_of_keypoints(given.keypoints_px, given.confidence)
    if given.mask is not None:
        return box_union(box_of_mask(given.mask), points)
    return box_union(points, given.box) if points is not None else None


def _observed_box(given: Observation) -> Box | None:
    """Box for an observer: the box of the mask, or the box of the keypoints with a margin (`ROOM_AROUND_JOINTS`)."""
    tight = _tight_box(given)
    if tight is None or given.mask is not None:
        return tight
    return box_grown(tight, ROOM_AROUND_JOINTS * max(tight[2:]))


def _fitted(values: Tensor, photo: Photo) -> Tensor:
    """Resizes a map of the size of the file to the size of the photo as it was read."""
    height, width = photo.image.shape[1:]
    if values.shape == (height, width):
        return values
    return resample(values[None], (0.0, 0.0, float(values.shape[1]), float(values.shape[0])), height, width)[0]


def _scaled(box: Box, scale: float) -> Box:
    return (box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale)


def _checked_box(box: Box, photo: Photo) -> Box:
    """Box in pixels of the photo as it was read; raises InputError if it lies outside."""
    left, top, width, height = box
    in_image = left < photo.file_size[1] and top < photo.file_size[0] and left + width > 0 and top + height > 0
    if not (width > 0 and height > 0 and in_image):
        raise InputError(
            f"box {left:g},{top:g},{width:g},{height:g}: expected left,top,width,height in pixels, inside the "
            f"image of {photo.file_size[1]}×{photo.file_size[0]} px"
        )
    return _scaled(box, photo.scale)
