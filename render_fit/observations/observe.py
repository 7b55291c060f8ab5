"""From an image and whatever files came with it to observations: what is not given is observed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.cameras import Camera
from render_fit.core.errors import InputError, NoPersonError
from render_fit.core.parts import NBF_12, PartSpace
from render_fit.core.skeletons import Skeleton
from render_fit.observations.camera_source import resolve_camera
from render_fit.observations.files import (
    Person,
    PersonChoice,
    choose_people,
    read_labels,
    read_mask,
    read_people,
)
from render_fit.observations.images import Photo, read_photo
from render_fit.observations.mediapipe.observer import MediapipeObserver
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


@runtime_checkable
class Observer(Protocol):
    """Finds one person in an image."""

    name: str

    def observe(self, image: Float[Tensor, "3 h w"], box: Box | None = None) -> Observation:
        """Observes the person in the box (pixels), or the most prominent one; raises NoPersonError if
        none."""
        ...

    def find_people(self, image: Float[Tensor, "3 h w"], everyone: bool = False) -> list[Box]:
        """Boxes (pixels) of the people that it sees, the most prominent first."""
        ...


ROOM_AROUND_JOINTS = 0.15
"""Keypoints' boxes are observed with this share of their longer side added on each side: joints end at wrists, ankles
and eyes, the person goes on."""

OBSERVERS: dict[str, Callable[[], Observer]] = {"mediapipe": MediapipeObserver}
"""Observers by name. Making one may raise MissingDependencyError."""


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
    observer: Observer | None = None,
    always_observe_3d: bool = False,
    parts_from_keypoints: bool = False,
) -> list[Observation]:
    """Reads one image and its files, and has the observer fill in what they do not say.

    All pixels given here are those of the upright image file; a large photograph is reduced while reading and
    everything is scaled with it (`Observation.file_size`).

    Args:
        image: Photograph.
        mask: Mask of the person.
        keypoints: OpenPose or COCO JSON.
        parts: Label map.
        part_space: What the label map means; needed with ``parts``.
        occluders: Mask of what hides the person (other people, things): not valid there.
        box: The person's box (left, top, width, height).
        person: Which of several people of the keypoint file, or else of those that the observer finds (``"all"``, or
            a number, 0 being the most prominent). With a mask or a box and no number, the one there.
        camera: Camera of the photo, or the path of a camera JSON file, if known (see `resolve_camera`).
        focal_35mm: 35 mm equivalent focal length, mm, if known; otherwise EXIF's.
        observer: Who observes what the files do not give; nobody if None.
        always_observe_3d: Have the observer add its 3D keypoints even if mask and keypoints are given.
        parts_from_keypoints: Without a part map, make one from mask and keypoints (`parts_from_keypoints`).

    Returns:
        One observation per chosen person.

    Raises:
        InputError: If something given cannot be used; NoPersonError if nobody is found.
    """
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
            raise InputError(f"{parts}: say what its labels mean (part labels: smpl24, atr, lip, …)")
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
        chosen = [(_with_person(base, one, Path(keypoints).name), box) for one in people]
    elif person == "largest" or base.mask is not None or box is not None:
        chosen = [(base, box)]
    else:
        chosen = [(base, found) for found in _found_people(photo, person, observer)]
    completed = [_completed(one, its_box, observer, always_observe_3d) for one, its_box in chosen]
    return [_with_parts(one) for one in completed] if parts_from_keypoints else completed


def _found_people(photo: Photo, person: PersonChoice, observer: Observer | None) -> list[Box]:
    """The boxes of the chosen people, as the observer finds them."""
    found = [] if observer is None else observer.find_people(photo.image, everyone=True)
    if not found:
        raise NoPersonError("image: no person found; give a box, or a mask and keypoints")
    if person == "all":
        return found
    assert isinstance(person, int)
    if not 0 <= person < len(found):
        raise InputError(f"person {person}: found {len(found)} people, numbered from 0, the most prominent first")
    return [found[person]]


def _with_parts(seen: Observation) -> Observation:
    """Adds a part map made from mask and keypoints, if there is none."""
    if seen.labels is not None or seen.mask is None or seen.keypoints_px is None:
        return seen
    assert seen.confidence is not None and seen.skeleton is not None
    labels = parts_from_keypoints(seen.mask, seen.keypoints_px, seen.confidence, seen.skeleton)
    if labels is None:
        return seen
    source = {**seen.source, "parts": "made from mask and keypoints"}
    return replace(seen, labels=labels, part_space=NBF_12, source=source)


def _completed(given: Observation, box: Box | None, observer: Observer | None, always_observe_3d: bool) -> Observation:
    """Adds what the observer sees where the files say nothing, and the person's box."""
    missing = given.mask is None or given.keypoints_px is None
    if observer is not None and (missing or always_observe_3d):
        known_box = box or _observed_box(given)
        try:
            given = _merged(given, observer.observe(_image(given), known_box))
        except NoPersonError:
            if given.mask is None and given.keypoints_px is None:
                raise
    if given.mask is None and given.keypoints_px is None:
        raise InputError("image: neither a mask nor keypoints are given, and there is no observer to find them")
    return replace(given, box=box_union(_tight_box(given), None if given.mask is not None else box) or given.box)


def _merged(given: Observation, seen: Observation) -> Observation:
    """What was given, completed by what was seen."""
    source = dict(given.source)
    merged = given
    if given.mask is None:
        merged = replace(merged, mask=seen.mask, valid=merged.valid & seen.valid)
        source["mask"] = seen.source["mask"]
    if given.keypoints_px is None:
        merged = replace(merged, keypoints_px=seen.keypoints_px, confidence=seen.confidence, skeleton=seen.skeleton)
        source["keypoints"] = seen.source["keypoints"]
    if seen.keypoints_3d is not None and seen.skeleton is not None and merged.skeleton is not None:
        points, confidence = _in_skeleton(seen, merged.skeleton)
        merged = replace(merged, keypoints_3d=points, confidence_3d=confidence)
        source["keypoints_3d"] = seen.source["keypoints"]
    return replace(merged, source=source)


def _in_skeleton(seen: Observation, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """3D keypoints of the observer's skeleton in another one; confidence 0 where it has no such joint."""
    points, confidence = torch.zeros(len(skeleton), 3), torch.zeros(len(skeleton))
    assert seen.keypoints_3d is not None and seen.confidence_3d is not None and seen.skeleton is not None
    for i, j in seen.skeleton.map_to(skeleton):
        points[j], confidence[j] = seen.keypoints_3d[i], seen.confidence_3d[i]
    return points, confidence


def _people(
    keypoints: str | Path, photo: Photo, person: PersonChoice, box: Box | None, mask: Tensor | None
) -> list[Person]:
    """The chosen people of a keypoint file, in pixels of the photograph as it was read."""
    people = [
        replace(one, keypoints_px=one.keypoints_px * photo.scale, box=_scaled(one.box, photo.scale))
        for one in read_people(keypoints, photo.file_size, photo.path.name)
    ]
    if mask is not None and box is None and not isinstance(person, int):
        return [max(people, key=lambda one: _share_in_mask(one, mask))]
    return choose_people(people, person, box)


def _share_in_mask(person: Person, mask: Tensor) -> float:
    """How much of a person's confidence lies inside a mask."""
    seen = person.confidence > 0
    columns, rows = person.keypoints_px[seen].long().unbind(dim=1)
    inside = mask[rows.clamp(0, mask.shape[0] - 1), columns.clamp(0, mask.shape[1] - 1)]
    return float((inside * person.confidence[seen]).sum())


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
    """The box of what is known of the person: the mask and the keypoints, or the keypoint file's own box."""
    points = None
    if given.keypoints_px is not None and given.confidence is not None:
        points = box_of_keypoints(given.keypoints_px, given.confidence)
    if given.mask is not None:
        return box_union(box_of_mask(given.mask), points)
    return box_union(points, given.box) if points is not None else None


def _observed_box(given: Observation) -> Box | None:
    """Where an observer should look: joints' box with room for hands, shoes and the top of the head, or the mask's."""
    tight = _tight_box(given)
    if tight is None or given.mask is not None:
        return tight
    return box_grown(tight, ROOM_AROUND_JOINTS * max(tight[2:]))


def _image(given: Observation) -> Tensor:
    assert given.image is not None
    return given.image


def _fitted(values: Tensor, photo: Photo) -> Tensor:
    """A map of the file's size, in the size that the photograph was read in."""
    height, width = photo.image.shape[1:]
    if values.shape == (height, width):
        return values
    return resample(values[None], (0.0, 0.0, float(values.shape[1]), float(values.shape[0])), height, width)[0]


def _scaled(box: Box, scale: float) -> Box:
    return (box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale)


def _checked_box(box: Box, photo: Photo) -> Box:
    """The box in pixels of the photograph as it was read, if it lies in it at all."""
    left, top, width, height = box
    in_image = left < photo.file_size[1] and top < photo.file_size[0] and left + width > 0 and top + height > 0
    if not (width > 0 and height > 0 and in_image):
        raise InputError(
            f"box {left:g},{top:g},{width:g},{height:g}: expected left,top,width,height in pixels, inside the "
            f"image of {photo.file_size[1]}×{photo.file_size[0]} px"
        )
    return _scaled(box, photo.scale)
