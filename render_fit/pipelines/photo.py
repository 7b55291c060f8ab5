"""One photo: read, observe, fit, write a folder for each person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch

from render_fit.bodies import BodyParameters
from render_fit.bodies.body import Body
from render_fit.core.errors import InputError, MissingDependencyError, NoPersonError, OutputError, is_interruption
from render_fit.core.observer_choice import parse_observer
from render_fit.datasets.photo_folder import PhotoFiles, PhotoJob
from render_fit.exchange.files import file_for
from render_fit.export.fit_folder import write_failure, write_fit
from render_fit.export.overlays import Pixels, overlay, panel
from render_fit.export.views import person_turns, side_view
from render_fit.fitting.beginning import Start
from render_fit.fitting.fit import fit_all
from render_fit.fitting.recipe import Recipe, load_recipe
from render_fit.fitting.regressor_initialisation import with_regressor
from render_fit.fitting.resolve import ResolvedRecipe, resolve
from render_fit.fitting.result import FitReport, FitResult
from render_fit.fitting.stages import StageProgress
from render_fit.losses.registry import make_term
from render_fit.observations import OBSERVERS, Observer, make_observer, observe
from render_fit.observations.observation import Observation
from render_fit.observations.observers import gives_labels
from render_fit.pipelines.inputs import fingerprints
from render_fit.pipelines.options import FitOptions
from render_fit.renderers.base import Renderer

DEFAULT_OBSERVER = next(iter(OBSERVERS))
"""The observer that needs nothing but this package."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class WrittenFit:
    """Fit of one person, written to a folder.

    Attributes:
        name: Name of the folder.
        folder: Path of the folder.
        report: Status and quality of the fit.
        about_files: What is odd about the photo and the files about it, sentences; also in the report's notes.
    """

    name: str
    folder: Path
    report: FitReport
    about_files: tuple[str, ...] = ()


class FitComponents:
    """Recipe, body, renderer and observer that all fits of a run share; loaded when first needed.

    Args:
        options: Options of the run.

    Raises:
        InputError: if the recipe is not valid, or the regressor does not exist.
    """

    def __init__(self, options: FitOptions) -> None:
        self.options = options
        recipe = with_regressor(load_recipe(options.recipe), options.regressor)
        given = {"body": options.body, "renderer": options.renderer, "observer": options.observer}
        self.recipe: Recipe = recipe.model_copy(update={key: name for key, name in given.items() if name})

    @cached_property
    def resolved(self) -> ResolvedRecipe:
        """The recipe with its objects."""
        return resolve(self.recipe)

    @property
    def body(self) -> Body:
        """Body model."""
        return self.resolved.body

    @property
    def renderer(self) -> Renderer:
        """Renderer."""
        return self.resolved.renderer

    @cached_property
    def observer(self) -> Observer:
        """Observer of the recipe."""
        return make_observer(self.recipe.observer)

    @cached_property
    def observes_labels(self) -> bool:
        """Whether the recipe's observer gives label maps; it is not made for the answer."""
        return gives_labels(OBSERVERS[parse_observer(self.recipe.observer).name])

    def check_observer(self, files: Iterable[PhotoFiles] = ()) -> None:
        """Makes the observer before the run: it may lack a package, a model or the network.

        The default observer needs nothing, and is made when it is used. Another one is made if the options name it, or
        if the recipe does and files are missing.

        Args:
            files: The files about each photo.

        Raises:
            InputError: if it cannot be made.
            MissingDependencyError: if it needs a package that is not installed.
        """
        if self.options.observer is not None:
            _ = self.observer
        elif self.recipe.observer != DEFAULT_OBSERVER:
            _ = any(self.observer_for(each) is not None for each in files)

    @cached_property
    def uses_3d_keypoints(self) -> bool:
        """Whether a loss term of the recipe needs the observer's 3D keypoints, which no file contains."""
        return any(
            "keypoints_3d" in getattr(make_term(name, term.options), "requires", ())
            for stage in self.recipe.stages
            for name, term in stage.terms.items()
        )

    def observer_for(self, files: PhotoFiles) -> Observer | None:
        """Observer of what the files do not contain; None if they contain all that the fit needs."""
        if files.mask is None or files.keypoints is None or (files.parts is None and self.observes_labels):
            return self.observer
        try:
            return self.observer if self.uses_3d_keypoints else None
        except MissingDependencyError:
            return None


ENDS_THE_RUN = (MissingDependencyError, OutputError)
"""Errors that every other photo of the run would meet as well."""


def fit_photo(
    job: PhotoJob, out: Path, components: FitComponents, progress: StageProgress | None = None
) -> list[WrittenFit]:
    """Fits the chosen people of one photo and writes a folder for each.

    Args:
        job: Photo and the files about it.
        out: Output folder, in which the folders are written.
        components: Body, renderer and observer.
        progress: Called with (stage, iterations done, all iterations).

    Returns:
        The fits: one, or several with ``person="all"``.

    Raises:
        InputError: if the photo or a file about it cannot be used, no person is found, or the output cannot be written.
    """
    (found,) = fit_photos([job], out, components, progress)
    if isinstance(found, Exception):
        raise found
    return found


def fit_photos(
    jobs: Sequence[PhotoJob], out: Path, components: FitComponents, progress: StageProgress | None = None
) -> list[list[WrittenFit] | Exception]:
    """`fit_photo` for several photos, whose people are fitted side by side.

    Returns:
        For each photo its fits, or the error that it ended with; the others are fitted nevertheless.

    Raises:
        MissingDependencyError: if a package is needed that is not installed.
    """
    seen = [_attempt(_beginnings, job, components) for job in jobs]
    people = [beginning for found in seen if not isinstance(found, Exception) for beginning in found]
    fitted = iter(_fitted(people, components, progress))
    results: list[list[WrittenFit] | Exception] = []
    for job, found in zip(jobs, seen, strict=True):
        if isinstance(found, Exception):
            results.append(found)
        else:
            results.append(_attempt(_written, job, [next(fitted) for _ in found], out, components))
    return results


def _attempt(work: Callable[..., Result], *arguments: Any) -> Result | Exception:
    """The result, or the error if it concerns this photo only."""
    try:
        return work(*arguments)
    except Exception as error:  # one photo's bug must not cost the other photos their results
        if isinstance(error, ENDS_THE_RUN):
            raise
        if is_interruption(error):
            raise KeyboardInterrupt from error
        return error


def observed(job: PhotoJob, components: FitComponents, everybody: bool = False) -> list[Observation]:
    """z(I) of the chosen people of a photo, or of everybody in it.

    Raises:
        InputError: if the photo or a file about it cannot be used, or no person is found.
    """
    options, files = components.options, job.files
    try:
        return observe(
            job.image,
            mask=files.mask,
            keypoints=files.keypoints,
            parts=files.parts,
            part_space=files.part_labels,
            occluders=files.occluders,
            person="all" if everybody else options.person_choice,
            box=options.box,
            camera=options.camera,
            focal_35mm=options.focal_35mm,
            observer=components.observer_for(files),
            always_observe_3d=components.uses_3d_keypoints,
            parts_from_keypoints=options.parts_from_keypoints,
        )
    except NoPersonError as error:
        raise NoPersonError(f"{job.image}: {str(error).removeprefix('image: ')}") from error


@dataclass(frozen=True)
class _Beginning:
    """What was observed of one person, and where the fit starts if not at the regressor's hypotheses."""

    observation: Observation
    start: Start | None


def _beginnings(job: PhotoJob, components: FitComponents) -> list[_Beginning]:
    """Beginnings of the fits of a photo.

    Raises:
        InputError: as `observed`, or if the result to start from cannot be used.
    """
    options = components.options
    file, start = file_for(options.start, job.image), None
    if file is not None:
        from render_fit.exchange.starting import starting_results  # fits without it need not wait for its imports

        start = starting_results(file, job.image.name, options.start_frame)
    return [_Beginning(observation, start) for observation in observed(job, components)]


@dataclass(frozen=True)
class _Fitted:
    """Fit of one person, not written yet, and its state after each stage."""

    result: FitResult
    states: list[tuple[str, BodyParameters]]


def _fitted(
    people: Sequence[_Beginning], components: FitComponents, progress: StageProgress | None
) -> list[_Fitted | Exception]:
    """Fits people side by side; if that fails, each alone, so that each error is that of one person."""
    if not people:
        return []
    options = components.options
    states: list[list[tuple[str, BodyParameters]]] = [[] for _ in people]
    found = _attempt(
        lambda: fit_all(
            [person.observation for person in people],
            components.resolved,
            starts=[person.start for person in people],
            height_m=options.height_m,
            weight_kg=options.weight_kg,
            clothing=options.clothing,
            seed=options.seed,
            progress=progress,
            watch=lambda index, stage, parameters: states[index].append((stage, parameters)),
        )
    )
    if not isinstance(found, Exception):
        return [_Fitted(*each) for each in zip(found, states, strict=True)]
    if len(people) == 1:
        return [found]
    return [alone for person in people for alone in _fitted([person], components, progress)]


def _written(
    job: PhotoJob, people: Sequence[_Fitted | Exception], out: Path, components: FitComponents
) -> list[WrittenFit]:
    """Writes the folder of each person of a photo."""
    options = components.options
    fits: list[WrittenFit] = []
    errors: list[str] = []
    for number, fitted in enumerate(people):
        name = job.name if len(people) == 1 else f"{job.name}_{number}"
        about = {"image": str(job.image), "person": number, "people": len(people)}
        about |= {"options": options.plain(), "inputs": fingerprints(job, options)}
        written = fitted if isinstance(fitted, Exception) else _attempt(_write, fitted, out / name, about, components)
        if not isinstance(written, Exception):
            fits.append(written)
        elif len(people) == 1:
            raise written
        else:
            errors.append(f"person {number}: {written}")
            write_failure(out / name, str(written), {**about, "image_size": None})
    for option, value in (("--height-m", options.height_m), ("--weight-kg", options.weight_kg)):
        if value is not None and len(fits) > 1:
            note = f"{option} {value:g} was taken for each of {len(fits)} people"
            fits[0] = replace(fits[0], about_files=(*fits[0].about_files, note))
    if not fits:
        raise InputError(f"{job.image}: {errors[0]}")
    if errors:
        fits[0] = replace(fits[0], about_files=(*fits[0].about_files, *errors))
    return fits


def _write(fitted: _Fitted, folder: Path, about: dict[str, Any], components: FitComponents) -> WrittenFit:
    """Writes the folder of one person."""
    result, options = fitted.result, components.options
    file_size = result.observation.file_size or result.observation.image_size
    write_fit(
        folder,
        result,
        components.renderer,
        save=options.save,
        file_size=file_size,
        frames=_frames(fitted.states, result, components) if "gif" in options.save else (),
        about={**about, "image_size": list(file_size)},
    )
    return WrittenFit(folder.name, folder, result.report, result.observation.notes)


@torch.no_grad()
def _frames(states: list[tuple[str, BodyParameters]], result: FitResult, components: FitComponents) -> list[Pixels]:
    """An image of the body after each stage of a fit: over the photo, and from the side of the fitted person."""
    image = result.observation.image
    assert image is not None
    body, renderer, frames = components.body, components.renderer, []
    side_turn = person_turns(result.parameters.rotations[0, 0])["side"]
    for stage, parameters in states or [("prediction", result.parameters)]:  # recipes without stages have one
        vertices, parts = body(parameters).vertices[0], body.face_parts
        drawn = overlay(image, vertices, body.faces, result.camera, renderer, max_side_px=512, face_parts=parts)
        side = side_view(vertices, body.faces, renderer, turn=side_turn, face_parts=parts)
        frames.append(panel([drawn, side], height_px=384, captions=[stage, ""]))
    return frames
