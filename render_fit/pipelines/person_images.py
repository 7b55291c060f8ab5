"""Images of one person: photos or frames of a video, and who is the person among several people in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from render_fit.core.errors import InputError, MissingDependencyError, of_the_system
from render_fit.datasets.photo_folder import PhotoFiles, PhotoJob, plan_jobs, unused_observations
from render_fit.datasets.photo_search import find_photos
from render_fit.datasets.video import is_video
from render_fit.datasets.video_frames import extract_frames
from render_fit.export.overlays import Pixels, to_pixels
from render_fit.export.person_choice import choice_sheet
from render_fit.observations.images import read_photo
from render_fit.observations.packed import PackedObservation
from render_fit.observations.same_person import same_person_in_photos
from render_fit.observations.tracking import Detection, Track, choose_track, detection_of, track_people, unsure_note
from render_fit.pipelines.photo import FitComponents, observed

FRAME_SIDE_PX = 960
"""Longest side of frames, pixels."""

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class VideoRange:
    """Which frames of a video are taken.

    Attributes:
        every: One of so many frames.
        start: Beginning, seconds or ``mm:ss``.
        end: End.
    """

    every: int = 1
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class PersonImages:
    """Photos of a person, or frames of a video.

    Attributes:
        jobs: The images in their order, and the files about them.
        notes: What was not taken or is odd; sentences.
        seconds: Time of each, for a video.
        fps: Frames a second, for a video of several frames.
    """

    jobs: list[PhotoJob]
    notes: tuple[str, ...] = ()
    seconds: list[float] | None = None
    fps: float | None = None


@dataclass(frozen=True)
class SeenPerson:
    """The person in the images.

    Attributes:
        observations: z(I) by the image's name, without the image.
        missing: Why there is none, by name.
        notes: Where it is unsure who it is.
        sheet: Picture of the choice; None where nothing was to be chosen.
    """

    observations: dict[str, PackedObservation]
    missing: dict[str, str]
    notes: tuple[str, ...] = ()
    sheet: Pixels | None = None


def find_images(
    paths: Sequence[Path],
    out: Path,
    files: PhotoFiles,
    observations: Path | None,
    taken: VideoRange,
    emit: OnProgress,
) -> PersonImages:
    """Finds photos, or extracts the frames of a video into ``out/frames``.

    Args:
        paths: A video, or photos and folders of photos.
        out: Output folder.
        files: Label space of part maps; files of a single photo.
        observations: Folder with files about the images.
        taken: Frames of a video.
        emit: Called with (what is done, steps done, all steps).

    Raises:
        InputError: if there is no image, or a video comes with other images.
    """
    videos = [path for path in paths if path.is_file() and is_video(path)]
    if not videos:
        if taken != VideoRange():
            raise InputError("--every, --start and --end belong to a video; these are photos")
        found = find_photos(list(paths), observations)
        jobs = plan_jobs(found.images, files=files, observations=observations)
        unused = () if observations is None else unused_observations(jobs, observations)
        return PersonImages(jobs, found.left_out + unused)
    if len(paths) > 1:
        raise InputError(f"{videos[0]}: a video is fitted alone; give it without other images")
    extracted = extract_frames(
        videos[0],
        out / "frames",
        every=taken.every,
        start=taken.start,
        end=taken.end,
        max_side_px=FRAME_SIDE_PX,
        on_frame=lambda done, total: emit("reading the video", done, total),
    )
    jobs = [PhotoJob(frame.path, frame.name, files) for frame in extracted.frames]
    seconds = [frame.time_s for frame in extracted.frames]
    return PersonImages(jobs, extracted.notes, seconds, extracted.fps)


def see_person(images: PersonImages, components: FitComponents, emit: OnProgress) -> SeenPerson:
    """Observes the person in every image; of several people, the one who is in most of them.

    Images with a mask or keypoints from files show the person of these files.

    Args:
        images: The images.
        components: Observer and options.
        emit: Called with (what is done, steps done, all steps).

    Raises:
        InputError: if ``--person`` names nobody.
        MissingDependencyError: if a package is needed that is not installed.
    """
    people: dict[str, list[PackedObservation]] = {}
    found: dict[str, list[Detection]] = {}
    missing: dict[str, str] = {}
    choice = components.options.person_choice
    for number, job in enumerate(images.jobs):
        emit("observing", number, len(images.jobs))
        given = job.files.mask is not None or job.files.keypoints is not None
        try:
            seen = observed(job, components, everybody=not given and components.options.box is None)
        except MissingDependencyError:
            raise
        except (InputError, OSError) as error:
            told = error if isinstance(error, InputError) else of_the_system(error)
            if told is None:
                raise
            missing[job.name] = str(told)
            seen = []
        found[job.name] = [detection_of(one) for one in seen]
        people[job.name] = [PackedObservation.of(one) for one in seen]
    if all(len(seen) <= 1 for seen in people.values()):
        return SeenPerson({name: seen[0] for name, seen in people.items() if seen}, missing)
    detections = list(found.values())
    if images.seconds is not None:
        size = next(seen[0].rest.image_size for seen in people.values() if seen)
        tracks = track_people(detections, images.seconds, size)
    else:
        tracks = same_person_in_photos(detections)
    track = choose_track(tracks, "largest" if choice == "all" else choice)
    names = list(people)
    chosen = {name: people[name][who] for i, name in enumerate(names) if (who := track.person_in(i)) is not None}
    missing |= {
        name: "the person is not among those found in this image"
        for name in names
        if name not in chosen and name not in missing
    }
    note = unsure_note(track, names)
    return SeenPerson(chosen, missing, () if note is None else (note,), _sheet(images, detections, track, tracks))


def _sheet(images: PersonImages, detections: list[list[Detection]], track: Track, tracks: list[Track]) -> Pixels:
    def picture(index: int) -> Pixels:
        return to_pixels(read_photo(images.jobs[index].image).image.permute(1, 2, 0).numpy())

    return choice_sheet(detections, track, picture, [job.name for job in images.jobs], tracks=tracks)
