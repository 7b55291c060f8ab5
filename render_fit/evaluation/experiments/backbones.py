"""Backbones of regressors from pixels: the same head on features of frozen networks and on a ResNet from scratch.

All are trained for the same number of steps of the same size. A frozen backbone's features are computed once, so its
head sees a fixed number of images; rows of fewer images tell how the error depends on it. All frozen networks see the
same turned views.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean

import torch

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera
from render_fit.core.errors import InputError
from render_fit.core.metrics import mpjpe, pa_mpjpe
from render_fit.core.skeletons import MEDIAPIPE_33
from render_fit.datasets.images import PhotoSample, data_folder, read_h36m, read_mpi_inf_3dhp
from render_fit.evaluation.experiments.ground_truth_3d import observed_frame
from render_fit.evaluation.experiments.regressor_baselines import mean_pose
from render_fit.evaluation.experiments.settings import ExperimentConfig, in_path
from render_fit.evaluation.failure_modes import LIMB_JOINTS
from render_fit.evaluation.fit_errors import error_3d
from render_fit.evaluation.tables import ExperimentResult, Metrics
from render_fit.observations.observation import Observation
from render_fit.regressors.blazepose import world_landmarks
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.config import PRETRAINED
from render_fit.regressors.inputs import inputs_from_observation
from render_fit.regressors.network import Regressor
from render_fit.regressors.turned_view import PersonFeatures
from render_fit.training.checkpointing import REGRESSOR
from render_fit.training.feature_cache import CachedPeople, cached_features
from render_fit.training.loop import train
from render_fit.training.mirroring import Mirror
from render_fit.training.recipe import TrainingRecipe, load_training_recipe
from render_fit.training.runs import make_people_sampler
from render_fit.training.samples import GroundTruth
from render_fit.training.validation import HeldOut, sample_held_out, score

log = logging.getLogger(__name__)

STEPS = 3000
"""Steps of every training, at scale 1."""

IMAGES = (2048, 8192, 32768)
"""Images of the rows of the frozen backbone, at scale 1."""

RESNET = {
    "model_type": "resnet",
    "embedding_size": 32,
    "hidden_sizes": [32, 64, 128, 256],
    "depths": [1, 1, 1, 1],
    "layer_type": "basic",
}
"""Backbone of `hmr` before it was BlazePose: trained from scratch, on images of 64 pixels."""

RESNET_SIZE = 64

LANDMARKS_ALONE = "blazepose's 3D landmarks, untrained, 12 joints"


@dataclass(frozen=True)
class ObservedFrame:
    """A real frame with 3D ground truth, and its observation."""

    sample: PhotoSample
    observation: Observation

    @property
    def camera(self) -> Camera:
        """Camera of the frame."""
        assert self.sample.camera is not None
        return self.sample.camera


def backbones(config: ExperimentConfig) -> ExperimentResult:
    """Regressors from pixels by backbone and number of images, on held-out synthetic people and real frames."""
    recipe = load_training_recipe("hmr").model_copy(update={"steps": config.steps(STEPS), "seed": config.seed})
    sampler = make_people_sampler(recipe, config.bank("train"))
    evaluation = make_people_sampler(recipe, config.bank("held_out"))
    held_out = sample_held_out(evaluation, config.people)
    frames, body = real_frames(config), sampler.body
    rows = [Metrics({"what": "mean pose"} | _mean_pose(config, held_out.truth, frames, body))]

    def add(what: str, images: int, regressor: Regressor, people: HeldOut) -> None:
        values = {"what": what, "images": images} | score(regressor, people, body).__dict__
        rounded = {name: round(value, 1) if isinstance(value, float) else value for name, value in values.items()}
        rows.append(Metrics(rounded | frame_errors(regressor, frames, body)))

    first = Regressor(recipe.regressor)
    known = replace(held_out, inputs=first.with_features(held_out.inputs))
    rows.append(Metrics({"what": LANDMARKS_ALONE, "images": 0} | _landmarks_alone(known, body)))
    counts = [config.steps(count) for count in IMAGES]

    def train_heads(what: str, network: Regressor, held_out: HeldOut, counts: Sequence[int]) -> None:
        """A row for each number of images, of a head on a frozen backbone."""
        folder = config.out / "features" / in_path(f"{what}, seed {config.seed}")
        inputs, truth = cached_features(network, sampler, max(counts), config.seed, folder)
        own = recipe.model_copy(update={"regressor": network.config})
        mirror = Mirror.of(body, sampler.basis)
        for count in counts:
            log.info("training: %s, %d images", what, count)
            chosen = slice(max(count, own.shard))
            people = CachedPeople(inputs[chosen], truth[chosen], own.shard, config.seed, own.label_availability, mirror)
            folder = config.training_folder("backbones", f"{what} {count}", own.steps, config.seed)
            train(own, folder, sampler, cached=people)
            add(f"{what}, frozen", len(people.truth), load_regressor(folder / REGRESSOR), held_out)

    train_heads("blazepose", first, known, counts)
    for name in config.backbones:
        backbone = {"model_type": PRETRAINED, "name": name, "frozen": True}
        network = Regressor(recipe.regressor.model_copy(update={"backbone": backbone}))
        train_heads(name, network, replace(held_out, inputs=network.with_features(held_out.inputs)), counts[-1:])
    log.info("training: resnet")
    scratch = _from_scratch(recipe)
    small = make_people_sampler(scratch, config.bank("train"))
    folder = config.training_folder("backbones", "resnet", scratch.steps, config.seed)
    train(scratch, folder, small, workers=config.workers)
    others = sample_held_out(make_people_sampler(scratch, config.bank("held_out")), config.people)
    add("resnet, from scratch", scratch.steps * scratch.batch, load_regressor(folder / REGRESSOR), others)
    for name in config.regressors:
        regressor = load_regressor(name)
        if not regressor.config.uses("photo"):
            raise InputError(f"--regressor {name}: uses no photos; expected one that does, such as hmr")
        add(name, 0, regressor, _people_of(regressor, recipe, config))
    summary = {"held-out people": config.people, "steps of every training": recipe.steps, "real frames": len(frames)}
    columns = ("what", "images", "pa_mpjpe_mm", "mpjpe_mm", "best_pa_mpjpe_mm", "real_pa_mpjpe_mm", "real_each_mm")
    return ExperimentResult("backbones", rows, summary, columns)


def _from_scratch(recipe: TrainingRecipe) -> TrainingRecipe:
    """The recipe with a ResNet that is trained from scratch, on new people in every step."""
    network = recipe.regressor.model_copy(update={"backbone": RESNET, "size": RESNET_SIZE})
    return recipe.model_copy(update={"regressor": network, "cached_people": 0})


def _people_of(regressor: Regressor, recipe: TrainingRecipe, config: ExperimentConfig) -> HeldOut:
    """Held-out people in the images of a given regressor."""
    own = recipe.model_copy(update={"regressor": regressor.config})
    return sample_held_out(make_people_sampler(own, config.bank("held_out")), config.people)


def real_frames(config: ExperimentConfig) -> list[ObservedFrame]:
    """Real frames with 3D ground truth. The person's box is that of the observer's mask and the annotated joints."""
    folder = data_folder(config.data)
    samples = config.limited((*read_h36m(folder), *read_mpi_inf_3dhp(folder)))
    return [ObservedFrame(sample, observed_frame(sample, config)) for sample in samples]


@torch.no_grad()
def frame_errors(regressor: Regressor, frames: Sequence[ObservedFrame], body: Body) -> dict[str, object]:
    """PA-MPJPE of a regressor's most probable hypotheses on real frames, 12 limb joints, millimetres."""
    errors = []
    for frame in frames:
        inputs, view = inputs_from_observation(frame.observation, frame.camera, regressor.config.size, photo=True)
        prediction = regressor(inputs).ranked()
        rotations, pelvis = prediction.in_photo_camera(view)
        betas = prediction.betas[0, :1]
        parameters = BodyParameters(rotations[:1], betas, pelvis[:1] - body.rest_joints(betas)[:, 0])
        errors.append(_error(body, parameters, frame.sample))
    return _of_frames(errors)


def _error(body: Body, parameters: BodyParameters, sample: PhotoSample) -> float:
    assert sample.skeleton is not None and sample.joints_camera is not None
    return error_3d(body, parameters, sample.skeleton, sample.joints_camera).pa_mpjpe_mm


def _of_frames(errors: Sequence[float]) -> dict[str, object]:
    if not errors:
        return {}
    return {"real_pa_mpjpe_mm": round(mean(errors), 1), "real_each_mm": ", ".join(f"{error:.0f}" for error in errors)}


def _landmarks_alone(people: HeldOut, body: Body) -> dict[str, float]:
    """Error of BlazePose's own 3D landmarks of the limb joints, millimetres."""
    assert people.inputs.features is not None
    chosen = [MEDIAPIPE_33.index(name) for name in LIMB_JOINTS]
    truth = people.truth
    true = body.keypoints(BodyParameters(truth.rotations, truth.betas, truth.pelvis), MEDIAPIPE_33)[:, chosen]
    found = world_landmarks(PersonFeatures.split_numbers(people.inputs.features))[:, chosen]
    return {"pa_mpjpe_mm": round(1000 * float(pa_mpjpe(found, true).mean()), 1)}


def _mean_pose(
    config: ExperimentConfig, truth: GroundTruth, frames: Sequence[ObservedFrame], body: Body
) -> dict[str, object]:
    """Errors of the mean pose and shape."""

    def parameters(count: int) -> BodyParameters:
        pose = mean_pose(config.bank("train"), count)
        return BodyParameters(pose, torch.zeros(count, body.n_betas), torch.zeros(count, 3))

    joints = body.kinematics(parameters(len(truth))).joints
    aligned, rooted = pa_mpjpe(joints, truth.joints), mpjpe(joints, truth.joints, root=0)
    return {
        "images": 0,
        "pa_mpjpe_mm": round(1000 * float(aligned.mean()), 1),
        "mpjpe_mm": round(1000 * float(rooted.mean()), 1),
    } | _of_frames([_error(body, parameters(1), frame.sample) for frame in frames])
