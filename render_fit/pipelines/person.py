"""Several images of one person: read, observe, fit with one shape and one set of clothes, write one folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from render_fit.core.errors import InputError, MissingDependencyError, of_the_system
from render_fit.core.files import prepare_output, remove_leftovers
from render_fit.core.text_files import read_json
from render_fit.datasets.photo_folder import PhotoFiles, PhotoJob, plan_jobs, unused_observations
from render_fit.datasets.photo_search import find_photos
from render_fit.export.fit_folder import REPORT
from render_fit.export.person_folder import write_person
from render_fit.fitting.person import PersonFit, fit_person, joint_stages
from render_fit.fitting.person_report import PersonReport, image_reports, person_report
from render_fit.observations.images import read_photo
from render_fit.observations.observation import Observation
from render_fit.pipelines.inputs import fingerprints
from render_fit.pipelines.options import FitOptions, check_box
from render_fit.pipelines.photo import FitComponents, observed

OnProgress = Callable[[str, int, int], None]


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
    resume: bool | None = None,
    on_progress: OnProgress | None = None,
) -> WrittenPerson:
    """Fits one person in several photos and writes a folder, as ``render-fit fit-person`` does.

    Args:
        paths: Photos, or folders of photos.
        options: Options of the fit.
        out: Output folder.
        files: Label space of the part maps in ``observations``; files of a single photo.
        observations: Folder with files about the photos, as in `fit_folder`.
        resume: Whether a finished result of the same files and options is kept; None: yes.
        on_progress: Called with (what is done, steps done, all steps).

    Returns:
        The written person. A photo in which nobody is found is told in the report; the others go on.

    Raises:
        InputError: if nobody is found in any photo, or a path or a value cannot be used.
        MissingDependencyError: if a package is needed that is not installed.
    """
    emit = on_progress or (lambda what, done, total: None)
    remove_leftovers(out)
    found = find_photos(list(paths), observations)
    check_box(options.box, len(found.images))
    jobs = plan_jobs(found.images, files=files, observations=observations)
    left_out = found.left_out if observations is None else found.left_out + unused_observations(jobs, observations)
    inputs = {job.name: fingerprints(job, options) for job in jobs}
    before = _finished(out, options, inputs) if resume is not False else None
    if before is not None:
        return WrittenPerson(out, before, left_out, kept=True)
    components = FitComponents(options)
    joint_stages(components.resolved, options.clothing)  # what the recipe lacks is told before any work
    prepare_output(out)
    seen, missing = _observed(jobs, components, emit)
    if not seen:
        raise InputError(f"no person in any of {len(jobs)} images; {next(iter(missing.values()))}")
    resolved = components.resolved
    fit = fit_person(
        list(seen.values()),
        resolved,
        height_m=options.height_m,
        weight_kg=options.weight_kg,
        clothing=options.clothing,
        seed=options.seed,
        progress=emit,
    )
    names = [job.name for job in jobs]
    report = person_report(image_reports(names, missing, fit), fit, resolved.record())
    every = _with_missing(fit, names, missing)
    sizes = [one.file_size or one.image_size for one in seen.values()]
    size_of = dict(zip(seen, sizes, strict=True))
    write_person(
        out,
        names,
        every,
        components.body,
        components.renderer,
        photo=lambda index: read_photo(jobs[index].image).image,
        file_sizes=[size_of.get(name, sizes[0]) for name in names],
        report={
            **report.model_dump(mode="json"),
            "options": options.plain(),
            "inputs": inputs,
            "image_paths": {job.name: str(job.image) for job in jobs},
        },
        save=[kind for kind in options.save if kind != "gif"] if options.save != FitOptions().save else (),
        progress=lambda done, total: emit("writing", done, total),
    )
    return WrittenPerson(out, report, left_out)


def _finished(out: Path, options: FitOptions, inputs: dict[str, dict[str, str]]) -> PersonReport | None:
    """The report of a finished result that was made from these files with these options."""
    path = out / REPORT
    if not path.is_file():
        return None
    content = read_json(path, "the report of a fit")
    if not isinstance(content, dict) or content.get("inputs") != inputs:
        return None
    given = content.get("options")
    if not isinstance(given, dict) or not options.equals_plain(given):
        return None
    try:
        report = PersonReport.model_validate({key: content.get(key) for key in PersonReport.model_fields})
    except ValueError:  # the report of something else
        return None
    return None if report.status == "failed" else report


def _observed(
    jobs: Sequence[PhotoJob], components: FitComponents, emit: OnProgress
) -> tuple[dict[str, Observation], dict[str, str]]:
    """z(I) of the person in each photo, without the photo itself, by name; and why there is none."""
    seen: dict[str, Observation] = {}
    missing: dict[str, str] = {}
    for number, job in enumerate(jobs):
        emit("observing", number, len(jobs))
        try:
            (seen[job.name],) = observed(job, components)
            seen[job.name] = replace(seen[job.name], image=None)
        except MissingDependencyError:
            raise
        except InputError as error:
            missing[job.name] = str(error)
        except OSError as error:
            if (mistake := of_the_system(error)) is None:
                raise
            missing[job.name] = str(mistake)
    return seen, missing


def _with_missing(fit: PersonFit, names: Sequence[str], missing: dict[str, str]) -> PersonFit:
    """The fit with None for images without an observation."""
    results = iter(fit.results)
    return replace(fit, results=[None if name in missing else next(results) for name in names])
