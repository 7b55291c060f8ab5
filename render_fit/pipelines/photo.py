"""One photo to its output folders: read, observe, fit, write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from render_fit.bodies import BodyParameters, load_body_or_fail
from render_fit.bodies.body import Body
from render_fit.core.errors import InputError, MissingDependencyError, NoPersonError
from render_fit.datasets.photo_folder import PhotoFiles, PhotoJob
from render_fit.export.fit_folder import write_fit
from render_fit.export.overlays import Pixels, overlay, panel, side_view
from render_fit.fitting.fit import fit_image
from render_fit.fitting.recipe import Recipe, load_recipe
from render_fit.fitting.regressor_initialisation import with_regressor
from render_fit.fitting.result import FitReport, FitResult
from render_fit.observations import OBSERVERS, Observer, observe
from render_fit.pipelines.options import FitOptions
from render_fit.renderers import make_renderer
from render_fit.renderers.base import Renderer

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class WrittenFit:
    """One person's fit, as it was written.

    Attributes:
        name: Of its folder.
        folder: The folder.
        report: How good it is.
    """

    name: str
    folder: Path
    report: FitReport


class FitComponents:
    """What the fits of one run share, loaded when first needed.

    Args:
        options: The run's.

    Raises:
        InputError: if the recipe is not valid, or there is no such regressor.
    """

    def __init__(self, options: FitOptions) -> None:
        self.options = options
        self.recipe: Recipe = with_regressor(load_recipe(options.recipe), options.regressor)

    @cached_property
    def body(self) -> Body:
        """M."""
        return load_body_or_fail(self.options.body or self.recipe.body, self.recipe.n_betas)

    @cached_property
    def renderer(self) -> Renderer:
        """R."""
        try:
            return make_renderer(self.options.renderer or self.recipe.renderer)
        except ValueError as error:
            raise InputError(str(error)) from error

    @cached_property
    def observer(self) -> Observer:
        """z."""
        if self.recipe.observer not in OBSERVERS:
            raise InputError(f"observer {self.recipe.observer!r}: not known; known are {', '.join(OBSERVERS)}")
        return OBSERVERS[self.recipe.observer]()

    @property
    def uses_3d_keypoints(self) -> bool:
        """Whether the recipe compares with the observer's rough 3D keypoints, which no file gives."""
        return any("bone_directions" in stage.terms for stage in self.recipe.stages)

    def observer_for(self, given: PhotoFiles) -> Observer | None:
        """Who observes what files do not give; nobody where the files give all that cannot be done without."""
        if given.mask is None or given.keypoints is None:
            return self.observer
        try:
            return self.observer if self.uses_3d_keypoints else None
        except MissingDependencyError:
            return None


def fit_photo(job: PhotoJob, out: Path, tools: FitComponents, progress: Progress | None = None) -> list[WrittenFit]:
    """Fit the chosen people of one photo and write a folder for each.

    Args:
        job: The photo and what is known about it.
        out: Where the folders go.
        tools: Body, renderer, observer.
        progress: Called with (stage, iterations done, all iterations).

    Returns:
        The fits: one, or several with ``--person all``.

    Raises:
        InputError: if the photo or a file about it cannot be used, nobody is found, or the output cannot be written.
    """
    options, given = tools.options, job.given
    try:
        people = observe(
            job.image,
            mask=given.mask,
            keypoints=given.keypoints,
            parts=given.parts,
            part_space=given.part_labels,
            occluders=given.occluders,
            person=options.person_choice,
            box=options.box,
            camera=options.camera,
            focal_35mm=options.focal_mm,
            observer=tools.observer_for(given),
            always_observe_3d=tools.uses_3d_keypoints,
            parts_from_keypoints=options.parts_from_keypoints,
        )
    except NoPersonError as error:
        raise NoPersonError(f"{job.image}: {str(error).removeprefix('image: ')}") from error
    file_size = people[0].file_size or people[0].image_size
    fits = []
    for number, observation in enumerate(people):
        states: list[tuple[str, BodyParameters]] = []
        result = fit_image(
            observation,
            tools.recipe,
            body=tools.body,
            renderer=tools.renderer,
            height_m=options.height_m,
            clothing=options.clothing,
            seed=options.seed,
            progress=progress,
            watch=lambda stage, parameters, seen=states: seen.append((stage, parameters)),
        )
        name = job.name if len(people) == 1 else f"{job.name}_{number}"
        about = {"image": str(job.image), "image_size": list(file_size), "person": number, "people": len(people)}
        folder = write_fit(
            out / name,
            result,
            tools.renderer,
            save=options.save,
            file_size=file_size,
            frames=_film(states, result, tools) if "gif" in options.save else (),
            about={**about, "options": options.plain()},
        )
        fits.append(WrittenFit(name, folder, result.report))
    return fits


@torch.no_grad()
def _film(states: list[tuple[str, BodyParameters]], result: FitResult, tools: FitComponents) -> list[Pixels]:
    """A picture of each state of a fit: over the photo, and from the side."""
    image = result.observation.image
    assert image is not None
    frames = []
    for stage, parameters in states:
        vertices = tools.body(parameters).vertices[0]
        drawn = overlay(image, vertices, tools.body.faces, result.camera, tools.renderer, max_side_px=512)
        side = side_view(vertices, tools.body.faces, tools.renderer)
        frames.append(panel([drawn, side], height_px=384, captions=[stage, ""]))
    return frames
