"""Observations from an image and its files; an observer adds what the files do not contain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from render_fit.core.cameras import Camera
from render_fit.core.errors import InputError, NoPersonError
from render_fit.core.parts import NBF_12_OF_OUTLINE, PartSpace
from render_fit.core.skeletons import Skeleton
from render_fit.observations.agreement import (
    Named,
    check_visible,
    compare_boxes,
    compare_maps,
    compare_with_keypoints,
    contradicting_labels,
    labels_contradict,
)
from render_fit.observations.camera_source import resolve_camera
from render_fit.observations.choice import PersonChoice, choose_people
from render_fit.observations.images import Photo, read_photo
from render_fit.observations.keypoint_files import Person, read_people
from render_fit.observations.label_maps import read_labels
from render_fit.observations.mask_images import MaskImage, hidden_pixels, person_mask, read_mask_image
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
from render_fit.observations.observed_labels import labels_within
from render_fit.observations.observers import Observer, PeopleObserver, gives_labels, make_observer
from render_fit.observations.parts_from_keypoints import parts_from_keypoints

T = TypeVar("T")


ROOM_AROUND_JOINTS = 0.15
"""Margin that is added to boxes of keypoints before they are observed, as a share of the longer side: hands, shoes and
the top of the head lie outside of the joints."""


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
        observer: Observer for what the files do not contain, or its name (`make_observer`); None: nothing is added.
        always_observe_3d: Let the observer add 3D keypoints even if mask and keypoints are given.
        parts_from_keypoints: Without a label map, compute one from mask and keypoints (`parts_from_keypoints`).

    Returns:
        One observation per selected person.

    Raises:
        InputError: If an argument or a file cannot be used.
        NoPersonError: If no person is found.
    """
    if isinstance(observer, str):
        observer = make_observer(observer)
    photo = read_photo(image)
    base = _photo_alone(photo, camera, focal_35mm, None if box is None else _checked_box(box, photo))
    box = None if box is None else base.box
    if occluders is not None:
        hidden = hidden_pixels(read_mask_image(occluders, photo.file_size))
        base = replace(base, valid=_fitted(hidden.float(), photo) < 0.5)
    if parts is not None:
        if part_space is None:
            raise InputError(f"{parts}: expected a label space with it (part labels: smpl24, atr, lip, …)")
        base = _with_labels(base, parts, part_space, photo)
    mask_image = None if mask is None else read_mask_image(mask, photo.file_size)
    if mask_image is not None and not mask_image.needs_points:
        base = _with_mask(base, mask_image, photo)
    elif mask_image is None and base.labels is not None:
        person_labels = torch.tensor(base.part_space.person_labels if base.part_space else ())
        source = {**base.source, "mask": f"labels of {base.source['parts']}"}
        base = replace(base, mask=torch.isin(base.labels, person_labels).float(), source=source)
    if base.mask is not None and mask is not None and parts is not None and base.labels is not None:
        compare_maps(base.mask, str(mask), base.labels > 0, str(parts))
    if base.mask is not None and occluders is not None:
        check_visible(base.mask, base.valid, str(occluders))
    if base.mask is not None and (around := box_of_mask(base.mask)) is not None:
        compare_boxes(around, box, f"mask of {base.source['mask']}")
    chosen: list[tuple[Observation, Box | None]]
    if keypoints is not None:
        people = _people(keypoints, photo, person, box, base.mask)
        chosen = [(_with_person(base, one, Path(keypoints).name), box) for one in people]
    elif person == "largest" or mask is not None or base.mask is not None or box is not None:
        chosen = [(base, box)]
    else:
        chosen = _found_people(base, person, observer)
    if person == "all" and len(chosen) == 1 and (mask or box):
        given = "mask" if mask else "box"
        chosen = [
            (_noted(one, f"--person all: the {given} is about one person, who was fitted"), its) for one, its in chosen
        ]
    if mask_image is not None and mask_image.needs_points:
        chosen = [(_with_mask(one, mask_image, photo, its_box, observer), its_box) for one, its_box in chosen]
    if keypoints is not None and (mask or parts):
        chosen = [
            (_compared(one, str(mask or parts), "mask" if mask else "part map", str(keypoints)), b) for one, b in chosen
        ]
    completed = [_compared_labels(one) for one in _all_completed(chosen, observer, always_observe_3d)]
    return [_with_parts(one) for one in completed] if parts_from_keypoints else completed


def _photo_alone(photo: Photo, camera: Camera | Path | None, focal_35mm: float | None, box: Box | None) -> Observation:
    """The observation of a photo without any file about the person in it; the box is the whole image if None."""
    height, width = photo.image.shape[1:]
    decided, camera_source, camera_notes = resolve_camera(
        (height, width),
        camera=camera,
        focal_35mm=focal_35mm,
        exif_focal_px=photo.focal_px,
        file_size=photo.file_size,
    )
    return Observation(
        image_size=(height, width),
        valid=torch.ones(height, width, dtype=torch.bool),
        box=box or (0.0, 0.0, float(width), float(height)),
        image=photo.image,
        camera=decided,
        file_size=photo.file_size,
        source={"camera": camera_source},
        notes=(*photo.notes, *camera_notes),
    )


def _with_labels(base: Observation, parts: str | Path, part_space: PartSpace | str, photo: Photo) -> Observation:
    """Adds a label map; pixels that nobody labelled are not valid."""
    found = read_labels(parts, part_space, photo.file_size)
    whole, size = (0.0, 0.0, float(photo.file_size[1]), float(photo.file_size[0])), base.image_size
    return replace(
        base,
        labels=resample_labels(found.labels, whole, *size),
        part_space=found.part_space,
        valid=base.valid & resample_labels(found.valid, whole, *size),
        source={**base.source, "parts": Path(parts).name},
        notes=(*base.notes, *found.notes),
    )


def _with_mask(
    base: Observation, image: MaskImage, photo: Photo, box: Box | None = None, observer: Observer | None = None
) -> Observation:
    """Adds the mask of a person. Of several labels it is that under the keypoints, if need be the observer's."""
    points, confidence = base.keypoints_px, base.confidence
    if image.needs_points and points is None and observer is not None:
        seen = observer.observe(photo.image, box)
        points, confidence = seen.keypoints_px, seen.confidence
    found = person_mask(image, None if points is None else points / photo.scale, confidence)
    return replace(
        base,
        mask=_fitted(found.mask, photo),
        valid=base.valid & (_fitted(found.valid.float(), photo) > 0.5),
        source={**base.source, "mask": image.path.name},
        notes=(*base.notes, *found.notes),
    )


def _noted(person: Observation, *notes: str) -> Observation:
    return replace(person, notes=(*person.notes, *notes))


def _compared(person: Observation, mask_of: str, what: str, keypoints_of: str) -> Observation:
    """A person whose mask and keypoints, both from files, were compared."""
    if person.mask is None or person.keypoints_px is None or person.confidence is None:
        return person
    notes = compare_with_keypoints(
        person.mask, Named(mask_of, what), person.keypoints_px, person.confidence, keypoints_of, both_given=True
    )
    return _noted(person, *notes)


def _compared_labels(person: Observation) -> Observation:
    """A person whose label map was compared with the keypoints."""
    if not labels_contradict(person):
        return person
    wrong, counted = contradicting_labels(person)
    parts, keypoints = person.source.get("parts"), person.source.get("keypoints")
    return _noted(person, f"{parts}: {wrong} of {counted} keypoints of {keypoints} lie on labels of other body parts")


def _all_completed(
    chosen: list[tuple[Observation, Box | None]], observer: Observer | None, always_observe_3d: bool
) -> list[Observation]:
    """People to whom the observer has added what files do not contain; of several, those who are nobody are left
    out."""
    completed, errors = [], []
    for person, box in chosen:
        try:
            completed.append(_completed(person, box, observer, always_observe_3d))
        except NoPersonError as error:
            errors.append(error)
    if not completed and errors:
        raise errors[0]
    if errors:
        reasons = "; ".join(str(error).removeprefix("image: ").partition(";")[0] for error in errors)
        left_out = f"{len(errors)} of {len(chosen)} candidates left out: {reasons}"
        completed = [_noted(person, left_out) for person in completed]
    return completed


def _found_people(
    base: Observation, person: PersonChoice, observer: Observer | None
) -> list[tuple[Observation, Box | None]]:
    """The selected people among all whom the observer finds: observed already, or with the box to observe."""
    assert base.image is not None
    if isinstance(observer, PeopleObserver):
        found = _selected(observer.observe_people([base.image])[0], person)
        return [(_merged(base, one), None) for one in found]
    boxes = [] if observer is None else observer.find_people(base.image, everyone=True)
    return [(base, box) for box in _selected(boxes, person)]


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
    missing = given.mask is None or given.keypoints_px is None or (given.labels is None and gives_labels(observer))
    if observer is not None and (missing or (always_observe_3d and given.keypoints_3d is None)):
        known_box = box or _observed_box(given)
        try:
            assert given.image is not None
            given = _merged(given, observer.observe(given.image, known_box))
        except NoPersonError:
            if given.mask is None and given.keypoints_px is None:
                raise
            files = " and ".join(given.source[key] for key in ("mask", "keypoints") if key in given.source)
            given = _noted(given, f"{observer.name} sees no person where {files} says that there is one")
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
    if given.labels is None and found.labels is not None and found.part_space is not None:
        labels = found.labels
        if given.mask is not None:
            labels = labels_within(labels, given.mask, found.part_space)
        if labels is None:
            merged = _noted(
                merged, f"label map of {found.source['parts']} left out: it is not of the person of the mask"
            )
        else:
            merged = replace(merged, labels=labels, part_space=found.part_space)
            source["parts"] = found.source["parts"]
    merged = replace(merged, source=source)
    one_observed = source.get("mask") != source.get("keypoints")
    if not one_observed or merged.mask is None or merged.keypoints_px is None or merged.confidence is None:
        return merged
    if (given.mask is None) == (given.keypoints_px is None):
        return merged
    notes = compare_with_keypoints(
        merged.mask,
        Named(source["mask"], "mask"),
        merged.keypoints_px,
        merged.confidence,
        source["keypoints"],
        both_given=False,
    )
    return _noted(merged, *notes)


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
        notes=(*base.notes, *person.notes),
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
