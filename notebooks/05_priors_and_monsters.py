# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5 · Priors on and off, and monsters
#
# Keypoints of one image are 17 points in 2D; a body has 24 rotations in 3D. Infinitely many bodies have the same
# projection, and most of them are no people. HMR (Kanazawa et al. 2018) called them *monsters*. A prior is a density of
# likely bodies:
#
# $$ E = \sum_k c_k\,\rho(e_k) / 2\sigma^2 + \lambda\,(-\log p(\theta)) + \frac{1}{2} |\beta|^2 $$
#
# The sum over keypoints is the evidence, the rest are the priors of pose and shape. They are switched on one by one.
# Watch two numbers: the error in the image, which hardly changes, and that in 3D.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

import render_fit as rf
from render_fit.export.overlays import around_box, overlay
from render_fit.export.views import person_turns, side_view
from render_fit.fitting.initialisation import default_hypotheses
from render_fit.fitting.landscapes import joint_turn, landscape
from render_fit.fitting.variables import Variables
from render_fit.losses.priors import default_joint_limits, default_pose_prior
from render_fit.synthesis import everyday_pose, synthetic_scene

plt.style.use("figures.mplstyle")
body, renderer, lbfgs = rf.open_body(), rf.make_renderer("cpu"), rf.make_solver("lbfgs")
upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))


def mannequin(vertices, turn, size_px=300):
    return side_view(vertices, body.faces, renderer, turn=turn, size_px=size_px, face_parts=body.face_parts)


def show(axis, pixels, title):
    axis.imshow(pixels)
    axis.set_title(title)
    axis.axis("off")


# %% [markdown]
# ## One person, five priors
#
# The same keypoints (1 % noise), the same start, the same solver. Only the priors differ.

# %%
scene = synthetic_scene(body, everyday_pose("striding"), seed=5, yaw_rad=0.5)
priors = {
    "none": {},
    "shape": {"shape": 1},
    "shape, joint limits": {"shape": 1, "pose_limits": 10},
    "shape, mixture": {"shape": 1, "pose_mixture": 1},
    "shape, mixture, limits": {"shape": 1, "pose_mixture": 1, "pose_limits": 10},
}
everything = ("orient", "position", "pose", "betas")


def fit(scene, terms):
    """The fitted state and its errors: keypoints in px, joints and vertices in mm, largest |β|."""
    problem = rf.compose(scene.observation(), {"keypoints": 1, **terms}, body=body, renderer=renderer)
    start = default_hypotheses(body, problem.targets, 10, yaws_deg=[0], poses=["standing"])
    start, _ = problem.minimise(start, ("orient", "position"), lbfgs, 20)
    fitted, _ = problem.minimise(start, everything, lbfgs, 100, tolerance=1e-5, whiten=0.1)
    parameters = fitted.parameters(body)
    keypoints = scene.camera.project(body.keypoints(parameters, scene.skeleton))[0]
    in_image = ((keypoints - scene.keypoints_px).norm(dim=1) * scene.confidence).sum() / scene.confidence.sum()
    in_3d = rf.metrics.pa_mpjpe(body(parameters).joints, scene.joints_camera[None])
    return parameters, in_image.item(), 1000 * in_3d.item(), fitted.betas.abs().max().item()


# %%
fits = {name: fit(scene, terms) for name, terms in priors.items()}

# %% tags=["picture"]
turns = person_turns(scene.parameters.rotations[0, 0])
photo = 1 - scene.mask * torch.tensor([0.15, 0.6, 0.8])[:, None, None]
box = scene.observation().box
figure, axes = plt.subplots(2, 6, figsize=(14, 5.4))
for (front, side), (name, (parameters, in_image, in_3d, beta)) in zip(axes.T, fits.items()):
    mesh = body(parameters).vertices[0]
    over = overlay(photo, mesh, body.faces, scene.camera, renderer, opacity=0.75, face_parts=body.face_parts)
    show(front, around_box(over, box), f"{name}\n{in_image:.1f} px, largest |β| {beta:.1f}")
    show(side, mannequin(mesh, turns["side"]), f"side: PA-MPJPE {in_3d:.0f} mm")
show(axes[0, 5], around_box((255 * photo.permute(1, 2, 0)).byte().numpy(), box), "the truth")
show(axes[1, 5], mannequin(scene.vertices_camera, turns["side"]), "the truth, side")

# %% [markdown]
# All of them agree with the keypoints to a pixel or two, the first even best: no other term pulls on it. The side views
# differ. Without priors it is a monster, and β is many standard deviations from the mean. A prior of shape mends the
# shape. Joint limits forbid broken joints and allow every pose within the limits: both bodies lean back. Only a
# density of poses makes the step.
#
# ## How strong? 2D error against 3D error
#
# The weight λ of the mixture, for three people (grey) and their median (blue). Too weak: monsters. Too strong: everybody
# gets the mean pose. The error in the image grows all the way, so *it cannot choose λ*. 3D truth, or at least
# held-out evidence, has to.

# %%
weights = [0.01, 0.1, 1, 10, 100]
names = ["striding", "waving", "lunge"]
people = [synthetic_scene(body, everyday_pose(name), seed=i, yaw_rad=0.4) for i, name in enumerate(names)]
errors = np.array([[fit(one, {"shape": 1, "pose_mixture": weight})[1:3] for one in people] for weight in weights])
median_px, median_mm = np.median(errors, axis=1).T
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3))
for axis, values, unit in [(left, errors[..., 0], "keypoint error, px"), (right, errors[..., 1], "PA-MPJPE, mm")]:
    axis.plot(weights, values, color="0.8", linewidth=1)
    axis.plot(weights, np.median(values, axis=1), marker="o")
    axis.set(xscale="log", xlabel="weight λ of the pose mixture", ylabel=unit, ylim=(0, None))

# %% [markdown]
# ## Each prior along the bend of a knee
#
# The left knee of a standing person bends from −90° (backwards) to 140°. The *mixture* has its valley where people
# who stand are, and rises on both sides. *Joint limits* are flat inside the human range and quadratic outside.
# SMPLify's *hinges* penalty grows exponentially backwards. The *autoencoder* (`pose_vae`) is steep backwards and
# nearly flat for bent knees. The discriminators (`pose_adversarial`) rank poses well, but beyond −40° they slope the
# wrong way: descent from there ends in a broken knee. Use them to rank, or beside other priors.

# %%
names = ["pose_mixture", "pose_limits", "pose_hinges", "pose_vae", "pose_adversarial"]
standing = synthetic_scene(body, everyday_pose("standing"), seed=0)
problem = rf.compose(standing.observation(), dict.fromkeys(names, 1), body=body, renderer=renderer)
truth = Variables.from_parameters(body, standing.parameters)
angles_deg = torch.arange(-90.0, 141, 5)
walk = landscape(problem, truth, (joint_turn(body, "left_knee"), angles_deg.deg2rad()))
figure, axis = plt.subplots(figsize=(9, 3.4))
for name in names:
    values = walk.terms[name] - walk.terms[name].min()
    axis.plot(angles_deg, values / values.max(), label=name)
axis.axvspan(-90, 0, color="0.94")
axis.set(xlabel="left knee, degrees (grey: backwards)", ylabel="term, scaled to 0 … 1")
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5));

# %% [markdown]
# ## Samples: people and monsters
#
# Above: poses drawn from the mixture. Below: joints turned at random by as much as people turn theirs, but without
# their correlations. The numbers are the mixture's energy in nats; one nat more is 2.7 times less likely.

# %%
prior, limits = default_pose_prior(), default_joint_limits()
generator = torch.Generator().manual_seed(1)
likely = prior.sample(6, generator)
monsters = likely.std() * 1.5 * torch.randn(6, 63, generator=generator)
figure, axes = plt.subplots(2, 6, figsize=(14, 5))
for row, poses in zip(axes, (likely, monsters)):
    for axis, pose, energy in zip(row, poses, prior(poses)):
        pose = torch.cat([torch.zeros(3), pose, torch.zeros(6)]).view(1, 24, 3)
        mesh = body(rf.BodyParameters.from_rotvec(pose, torch.zeros(1, 10), torch.zeros(1, 3))).vertices[0]
        show(axis, mannequin(mesh, upright, 240), f"{energy:.0f} nats")

# %% [markdown]
# ## Change and see
#
# - `priors`: replace the last with `"shape, autoencoder": {"shape": 1, "pose_vae": 0.5}`. The error is between those of
#   joint limits and mixture.
# - `everyday_pose("striding")` → `"squat"`: far from the standing start. No prior recovers it. With `poses=["sitting"]`
#   in `fit` the mixture does: a prior does not replace a good start.
# - `default_hypotheses(..., yaws_deg=[180])`: start from the back. The solver ends in another valley, in which
#   keypoints agree nearly as well: the fit needs several starts.
# - Training has the same problem: `render-fit experiment two-d-supervision` trains regressors with keypoints alone,
#   with an adversarial prior, and with 3D labels.
