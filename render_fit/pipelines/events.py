"""Events of a run over photos, in the order in which they happen: planned, progress of a photo, photo finished."""

from __future__ import annotations

from dataclasses import dataclass

from render_fit.datasets.photo_folder import PhotoJob
from render_fit.pipelines.photo import WrittenFit


@dataclass(frozen=True)
class RunPlanned:
    """The run's photos are known; comes once, before the first fit.

    Attributes:
        jobs: Photos left to fit.
        kept: Number of photos whose finished results are kept.
        kept_with_other_options: Number of those that were fitted with other options than this run's.
        single: Whether the run was given one photo rather than a folder or a list of photos.
    """

    jobs: tuple[PhotoJob, ...]
    kept: int
    kept_with_other_options: int
    single: bool


@dataclass(frozen=True)
class PhotoProgress:
    """Progress within one photo. Worker processes send none.

    Attributes:
        job: The photo.
        stage: Name of the stage of the fit.
        done: Number of iterations of the stage so far.
        total: Largest number of iterations of the stage.
    """

    job: PhotoJob
    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class PhotoOutcome:
    """Result of one photo.

    Attributes:
        job: The photo.
        fits: Fit of each person in the photo; empty if the photo could not be fitted.
        error: Reason why the photo could not be fitted, else empty.
    """

    job: PhotoJob
    fits: tuple[WrittenFit, ...] = ()
    error: str = ""

    @property
    def statuses(self) -> tuple[str, ...]:
        """Status of each person's fit; one ``failed`` if the photo could not be fitted."""
        return ("failed",) if self.error else tuple(fit.report.status for fit in self.fits)

    @property
    def reason(self) -> str:
        """The error, or the reason of the first fit whose status is not ``ok``, else empty."""
        return self.error or next((fit.report.reason for fit in self.fits if fit.report.status != "ok"), "")

    @property
    def failed(self) -> bool:
        """Whether any fit of this photo failed."""
        return "failed" in self.statuses


FolderEvent = RunPlanned | PhotoProgress | PhotoOutcome
