"""Formats of annotated data sets by name: how each is recognised, read, and evaluated by custom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from render_fit.core.errors import InputError
from render_fit.core.registry import Registry
from render_fit.datasets.benchmarks.agora import looks_like_agora, read_agora
from render_fit.datasets.benchmarks.amass import looks_like_amass, read_amass_truth
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson
from render_fit.datasets.benchmarks.coco import looks_like_coco, read_coco
from render_fit.datasets.benchmarks.emdb import looks_like_emdb, read_emdb
from render_fit.datasets.benchmarks.human_data import looks_like_human_data, read_human_data
from render_fit.datasets.benchmarks.joint_sets import PUBLISHED_14
from render_fit.datasets.benchmarks.lsp import looks_like_lsp, read_lsp
from render_fit.datasets.benchmarks.samples import looks_like_samples, read_samples
from render_fit.datasets.benchmarks.spin import looks_like_spin, read_spin
from render_fit.datasets.benchmarks.ssp3d import looks_like_ssp3d, read_ssp3d
from render_fit.datasets.benchmarks.threedpw import looks_like_3dpw, read_3dpw
from render_fit.datasets.benchmarks.up3d import looks_like_up3d, read_up3d


@dataclass(frozen=True)
class BenchmarkFormat:
    """A format of annotated data sets.

    Attributes:
        title: What it is, for lists and messages.
        expects: What DATASET has to be.
        looks_like: Whether a path is of this format, by names and keys.
        read: Reads all people of a path.
        joints: Names of the 3D joints that published tables compare; all that are known if empty.
    """

    title: str
    expects: str
    looks_like: Callable[[Path], bool]
    read: Callable[[Path], list[AnnotatedPerson]]
    joints: tuple[str, ...] = ()


def _itself(one: BenchmarkFormat) -> BenchmarkFormat:
    return one


_OWN = {
    "spin": BenchmarkFormat(
        "SPIN's npz: Human3.6M, MPI-INF-3DHP, 3DPW, LSP, COCO",
        "an .npz with imgname, center, scale",
        looks_like_spin,
        read_spin,
        PUBLISHED_14,
    ),
    "human-data": BenchmarkFormat(
        "mmhuman3d's HumanData: Human3.6M, MPI-INF-3DHP, 3DPW, COCO and others",
        "an .npz with image_path, keypoints3d, smpl",
        looks_like_human_data,
        read_human_data,
    ),
    "3dpw": BenchmarkFormat("3DPW", "its folder, or .pkl files of sequenceFiles", looks_like_3dpw, read_3dpw),
    "emdb": BenchmarkFormat("EMDB", "its folder, or P*_data.pkl files", looks_like_emdb, read_emdb),
    "agora": BenchmarkFormat("AGORA", "AGORA_validation.json or its folder", looks_like_agora, read_agora),
    "ssp3d": BenchmarkFormat("SSP-3D", "the folder with labels.npz", looks_like_ssp3d, read_ssp3d),
    "lsp": BenchmarkFormat("Leeds Sports Pose", "the folder with joints.mat", looks_like_lsp, read_lsp),
    "coco": BenchmarkFormat("COCO keypoints", "person_keypoints_….json", looks_like_coco, read_coco),
    "up3d": BenchmarkFormat("UP-3D", "the folder with 00000_body.pkl, …", looks_like_up3d, read_up3d),
    "amass": BenchmarkFormat("AMASS", "an .npz, or a folder of them", looks_like_amass, read_amass_truth),
    "samples": BenchmarkFormat(
        "annotated photos of the experiments' data folder", "the folder or one in it", looks_like_samples, read_samples
    ),
}

FORMATS: Registry[BenchmarkFormat] = Registry(
    "data set format", "render_fit.benchmarks", {name: partial(_itself, one) for name, one in _OWN.items()}
)
"""Formats by name; other packages add theirs as entry points."""


def format_of(path: Path, name: str | None = None) -> tuple[str, BenchmarkFormat]:
    """The format of a path.

    Args:
        path: File or folder of a data set.
        name: Name of the format; recognised if None.

    Raises:
        InputError: if the path does not exist, the name is not known, or no format or several are recognised.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; expected a data set")
    if name is not None:
        return name, FORMATS.make(name)
    found = [(one, made) for one in FORMATS if (made := FORMATS.make(one)).looks_like(path)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(one for one, _ in found) if found else ", ".join(FORMATS)
    if found:
        raise InputError(f"{path}: could be of several formats; choose one with --format: {names}")
    raise InputError(f"{path}: its format is not recognised; give it with --format, one of: {names}")
