"""Several images of one person: read, observe, fit with one shape and one set of clothes, write one folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from render_fit.core.errors import InputError
from render_fit.core.files import prepare_output, remove_leftovers
from render_fit.core.text_files import read_json
from render_fit.datasets.photo_folder import PhotoFiles
from render_fit.export.fit_folder import REPORT
from render_fit.export.meshes import MESH_FORMATS
from render_fit.export.person_folder import write_person
from render_fit.fitting.person import PersonFit, fit_person, joint_stages
from render_fit.fitting.person_report import PersonReport, image_reports, person_report
from render_fit.fitting.unfinished import UnfinishedFits
from render_fit.observations.images import read_photo
from render_fit.observations.packed import PackedObservations
from render_fit.pipelines.inputs import fingerprints
from render_fit.pipelines.options import FitOptions, check_box
from render_fit.pipelines.person_images import OnProgress, VideoRange, find_images, see_person
from render_fit.pipelines.photo import FitComponents

UNFINISHED = ".unfinished"
"""Folder in the output folder for fits of single images, from which a stopped run goes on."""


@dataclass(frozen=True)
class WrittenPerson:
    """A person whose folder has been written.

    Attributes:
        folder: The folder.
        report: Its report.
        left_out: What was not taken for a photo or not used, and why; sentences.
        kept: Whether it was done already and kept.
    """

    folder: Path
    report: PersonReport
    left_out: tuple[str, ...] = ()
    kept: bool = False


def fit_person_in(
    paths: Sequence[Path],
    options: FitOptions = FitOptions(),
    out: Path = Path("out"),
    *,
    files: PhotoFiles = PhotoFiles(),
    observations: Path | None = None,
    taken: VideoRange = VideoRange(),
    still_camera: bool = False,
    same_lens: bool | None = None,
    resume: bool | None = None,
    on_progress: OnProgress | None = None,
) -> WrittenPerson:
    """Fits one person in several photos, or in a video, and writes a folder, as ``render-fit fit-person`` does.

    Args:
        paths: Photos, or folders of photos, or a video.
        options: Options of the fit.
        out: Output folder.
        files: Label space of the part maps in ``observations``; files of a single photo.
        observations: Folder with files about the photos, as in `fit_folder`.
        taken: Frames of a video.
        still_camera: Whether the camera of a video stands still.
        same_lens: Whether all images were taken with one focal length, which is estimated if it is not known; None:
            if they are a video.
        resume: Whether a finished result of the same files and options is kept, and a stopped run goes on; None: yes.
        on_progress: Called with (what is done, steps done, all steps).

    Returns:
        The written person. A photo in which nobody is found is told in the report; the others go on.

    Raises:
        InputError: if nobody is found in any photo, or a path or a value cannot be used.
        MissingDependencyError: if a package is needed that is not installed.
    """
    emit = on_progress or (lambda what, done, total: None)
    for folder in (out, out / "frames"):
        remove_leftovers(folder)
    components = FitComponents(options)
    joint_stages(components.resolved, options.clothing)  # what the recipe lacks is told before any work
    components.check_observer()
    images = find_images(paths, out, files, observations, taken, emit)
    prepare_output(out)
    jobs, names = images.jobs, [job.name for job in images.jobs]
    components.check_observer(job.files for job in jobs)
    check_box(options.box, len(jobs))
    made_from = {
        "inputs": {job.name: fingerprints(job, options) for job in jobs},
        "options": options.plain(),
        "still_camera": still_camera,
        "same_lens": same_lens,
    }
    before = _finished(out, made_from) if resume is not False else None
    if before is not None:
        return WrittenPerson(out, before, images.notes, kept=True)
    unfinished = UnfinishedFits(out / UNFINISHED, {**made_from, "taken": asdict(taken)})
    if resume is False:
        unfinished.remove()
    person = see_person(images, components, emit)
    seen, missing = person.observations, person.missing
    if not seen:
        raise InputError(f"no person in any of {len(jobs)} images; {next(iter(missing.values()))}")
    resolved = components.resolved
    times = None if images.seconds is None else dict(zip(names, images.seconds, strict=True))
    fit = fit_person(
        PackedObservations(seen[name] for name in names if name in seen),
        resolved,
        height_m=options.height_m,
        weight_kg=options.weight_kg,
        clothing=options.clothing,
        seconds=None if times is None else [times[name] for name in names if name in seen],
        still_camera=still_camera,
        same_lens=images.seconds is not None if same_lens is None else same_lens,
        seed=options.seed,
        progress=emit,
        unfinished=unfinished,
    )
    report = person_report(image_reports(names, missing, fit), fit, resolved.record())
    sizes = {name: one.rest.file_size or one.rest.image_size for name, one in seen.items()}
    some = next(iter(sizes.values()))
    write_person(
        out,
        names,
        _with_missing(fit, names, missing),
        components.body,
        components.renderer,
        photo=lambda index: read_photo(jobs[index].image).image,
        observed=lambda index: seen[names[index]].unpacked(),
        file_sizes=[sizes.get(name, some) for name in names],
        report={
            **report.model_dump(mode="json"),
            **made_from,
            "notes": [*report.notes, *images.notes, *person.notes],
            "image_paths": {job.name: str(job.image) for job in jobs},
        },
        fps=images.fps,
        choice=person.sheet,
        save=[kind for kind in options.save if kind in MESH_FORMATS] if options.save != FitOptions().save else (),
        progress=lambda done, total: emit("writing", done, total),
    )
    unfinished.remove()
    return WrittenPerson(out, report, (*images.notes, *person.notes))


def _finished(out: Path, made_from: dict[str, Any]) -> PersonReport | None:
    """The report of a finished result that was made from these files with these options."""
    path = out / REPORT
    if not path.is_file():
        return None
    content = read_json(path, "the report of a fit")
    if not isinstance(content, dict) or any(content.get(key) != value for key, value in made_from.items()):
        return None
    try:
        report = PersonReport.model_validate({key: content.get(key) for key in PersonReport.model_fields})
    except ValueError:  # the report of something else
        return None
    return None if report.status == "failed" else report


def _with_missing(fit: PersonFit, names: Sequence[str], missing: dict[str, str]) -> PersonFit:
    """The fit with None for images without an observation."""
    results = iter(fit.results)
    return replace(fit, results=[None if name in missing else next(results) for name in names])
