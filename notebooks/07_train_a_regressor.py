# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7 · Train a small regressor
#
# A regressor is a network that maps what was observed to a body, without a search:
# $\theta(z;\lambda), \beta(z;\lambda)$. It is trained on synthetic people, whose truth is known:
#
# $$ \min_\lambda \sum_\text{people} L_\text{lat}(\theta,\beta) + L_\text{3D}(\text{joints}) + L_\text{2D}(\text{projections}) $$
#
# The three losses compare rotations and shape, joints in 3D, and joints in the image. Training the shipped regressor
# takes hours. This one takes seconds: its input is keypoints alone, of people who face the camera. What it learns, and
# what limits it, is the same.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import render_fit as rf
from render_fit.core.skeletons import COCO_17
from render_fit.export.views import person_turns, side_view
from render_fit.synthesis.people import PeopleDistribution
from render_fit.synthesis.poses.bank import PoseAugmentation
from render_fit.training.feature_cache import CachedPeople
from render_fit.training.recipe import Optimiser
from render_fit.training.samples import LabelAvailability
from render_fit.training.validation import sample_held_out

plt.style.use("figures.mplstyle")
body, renderer = rf.open_body(), rf.make_renderer("cpu")
folder = tempfile.TemporaryDirectory()

# %% [markdown]
# ## The people to learn from
#
# A `PeopleSampler` draws poses from a bank (here: the pose prior; with motion capture there is more variety), gives
# everybody a shape and a camera, renders part maps and annotates keypoints. `training_batch` adds the errors of
# detectors: jitter, outliers, missing joints, swapped sides. The noisy keypoints (dots) are the network's only input.

# %%
sampler = rf.PeopleSampler(
    body,
    rf.PoseBank.from_prior(4000),
    size=32,
    poses=PoseAugmentation(extreme_range=0.0, random_orientation=0.0, seated=0.0, bent_forward=0.0),
    people=PeopleDistribution(facing_rad=0.8, truncated=0.0),
    keypoint_formats=(COCO_17,),
)
inputs, truth = rf.training_batch(sampler, 1024, torch.Generator().manual_seed(0))
held_out = sample_held_out(sampler, 256)


def show_input(axis, parts, keypoints, confidence):
    """The true parts, pale, and the keypoints that are the network's input."""
    axis.imshow(np.where(parts > 0, parts, np.nan), cmap="nipy_spectral", vmin=0, vmax=24, extent=(-1, 1, 1, -1), alpha=0.45)
    axis.scatter(*keypoints[confidence > 0].T, s=9, color="black")
    axis.set(xlim=(-1, 1), ylim=(1, -1))
    axis.axis("off")


figure, axes = plt.subplots(1, 8, figsize=(14, 2.2))
for axis, *seen in zip(axes, truth.parts, inputs.keypoints, inputs.confidence):
    show_input(axis, *seen)
figure.suptitle(f"eight of {len(truth)} people: true parts, noisy keypoints");

# %% [markdown]
# ## How many people does it need?
#
# The same network and the same 140 steps of 64 people, on sets of different size. The error on *held-out* people,
# after Procrustes alignment (PA-MPJPE), against steps. A network that is trained on few people again and again
# overfits: its error on others rises. `LabelAvailability` would lower the share of people with 3D labels in the same
# way.

# %%
def train(name, count, steps=140, width=256, learning_rate=2e-3):
    """Trains on the first people; returns the regressor and its held-out errors, mm, every 20 steps."""
    recipe = rf.TrainingRecipe(
        name=name,
        clothing=False,
        regressor=rf.RegressorConfig(size=sampler.size, pictures=(), hypotheses=1, width=width),
        steps=steps,
        optimiser=Optimiser(learning_rate=learning_rate, warm_up=20, average=0.95),
        batch=64,
        shard=64,
        validate_every=20,
    )
    errors_mm = {}

    def keep(step, values):
        if "held out: pa_mpjpe_mm" in values:
            errors_mm[step] = values["held out: pa_mpjpe_mm"]

    people = CachedPeople(inputs[:count], truth[:count], 64, seed=0, labels=LabelAvailability())
    where = Path(folder.name) / name
    result = rf.train(recipe, where, sampler, held_out, cached=people, workers=0, on_step=keep)
    return rf.load_regressor(result.folder / "regressor.safetensors"), errors_mm


# %%
trained = {count: train(f"on_{count}", count) for count in (64, 256, 1024)}

# %%
mean_pose = truth.joints.mean(dim=0, keepdim=True).expand(len(held_out.truth), -1, -1)
of_the_mean_mm = 1000 * rf.metrics.pa_mpjpe(mean_pose, held_out.truth.joints).mean().item()
figure, axis = plt.subplots(figsize=(8, 3.4))
for count, (_, errors_mm) in trained.items():
    axis.plot(list(errors_mm), list(errors_mm.values()), marker="o", markersize=3, label=f"{count} people")
axis.axhline(of_the_mean_mm, color="0.6", linestyle="--", label="the mean pose for everybody")
axis.set(xlabel="steps", ylabel="held-out PA-MPJPE, mm", ylim=(0, None))
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5));

# %% [markdown]
# ## Predictions
#
# Held-out people: keypoints, truth and prediction, from the front and from the side. From the front they agree
# roughly. From the side the prediction is what is *usual* for such keypoints: a bent back or a step in depth is lost.
# Where keypoints are missing, it may be far off.

# %% tags=["picture"]
regressor = trained[1024][0]
with torch.no_grad():
    prediction = regressor(held_out.inputs).ranked()  # the likeliest hypothesis first
likeliest = prediction.parameters(body, held_out.truth.focal)[:: prediction.betas.shape[1]]
chosen = torch.tensor([1, 4, 6, 9])
predicted = likeliest[chosen]
true = held_out.truth[chosen]
actual = rf.BodyParameters(true.rotations, true.betas, true.pelvis - body.rest_joints(true.betas)[:, 0])
figure, axes = plt.subplots(2, 10, figsize=(14, 3.6))
for block, i in zip(axes.reshape(4, 5), range(4)):
    row = chosen[i]
    show_input(block[0], held_out.truth.parts[row], held_out.inputs.keypoints[row], held_out.inputs.confidence[row])
    turns = person_turns(true.rotations[i, 0])
    views = [(what, one, view) for view in ("front", "side") for what, one in (("truth", actual), ("predicted", predicted))]
    for axis, (what, one, view) in zip(block[1:], views):
        mesh = body(one).vertices[i]
        axis.imshow(side_view(mesh, body.faces, renderer, turn=turns[view], size_px=240, face_parts=body.face_parts))
        axis.set_title(f"{what}, {view}", fontsize=9)
for axis in axes.flat:
    axis.axis("off")

# %% [markdown]
# ## Which joints are hard?
#
# Mean error of each joint relative to the pelvis, across the image and in depth. Depth is the larger part, and it
# grows along limbs: every joint adds its own doubt.

# %%
joints = body.kinematics(likeliest).joints
difference_mm = 1000 * (joints - joints[:, :1] - held_out.truth.joints).abs().mean(dim=0)
figure, axis = plt.subplots(figsize=(12, 3))
axis.bar(np.arange(24) - 0.2, difference_mm[:, :2].mean(dim=1), 0.4, label="across the image, per axis")
axis.bar(np.arange(24) + 0.2, difference_mm[:, 2], 0.4, label="in depth")
axis.set(ylabel="mean error, mm", xticks=range(24))
axis.set_xticklabels(body.joint_names, rotation=60, ha="right", fontsize=8)
axis.legend();

# %% [markdown]
# A fit would start from this prediction: `rf.fit_image(person, regressor=regressor)`. Training at full size is one
# command, `render-fit train lifter --mocap FOLDER --out DIR`.
#
# ## Change and see
#
# - `width=256` → 32: 118 mm in place of 103. → 1024: with this learning rate it does not learn, and with 5e-4 it is
#   slower: 116 mm after 140 steps.
# - `facing_rad=0.8` → `3.14`: people in all directions. The same network and steps: 119 mm.
# - `hypotheses=1` → 4: the network predicts four bodies with probabilities, "either this leg or that one". The
#   figures show the likeliest; a fit would start from all four.
# - `steps=140` → 3000, and 20,000 people: minutes. Curves keep falling for hours, ever more slowly.
