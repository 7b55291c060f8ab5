# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3 · Compose an objective and walk its landscape
#
# A fit minimises a weighted sum of terms:
#
# $$ E(\theta, \beta, c, \text{camera}) = \sum_i w_i\,\mathrm{dist}_i\big(R(M(\theta, \beta, c)),\, z(I)\big) + \text{priors}(\theta, \beta, c) $$
#
# $R$ renders the body, $z(I)$ is what was observed in the image: mask, parts, keypoints. This notebook composes $E$
# on one image, draws the gradient of each term into it, walks along lines and planes of the parameters, and fits with
# two weightings. The person is synthetic, so that errors are known in millimetres.

# %%
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
import numpy as np
import torch

import render_fit as rf
from render_fit.export.overlays import around_box, overlay
from render_fit.export.views import front_yaw, side_view
from render_fit.fitting.initialisation import default_hypotheses
from render_fit.fitting.landscapes import joint_turn, landscape, moved, pull, shift
from render_fit.fitting.variables import Variables
from render_fit.synthesis import everyday_pose, synthetic_scene

plt.style.use("figures.mplstyle")
body = rf.open_body()

# %% [markdown]
# ## One image, one objective
#
# Terms are given by name and weight (docs/losses.md lists them). The crop has 128² pixels.

# %%
scene = synthetic_scene(body, everyday_pose("waving"), seed=1, yaw_rad=0.4, jitter=0.005)
terms = {
    "keypoints": 1,
    "silhouette_l2": 200,
    "silhouette_iou": 200,
    "silhouette_distance": 200,
    "parts": 20,
    "pose_mixture": 1,
    "shape": 2,
}
problem = rf.compose(scene.observation(), terms, body=body, size=128, settings=rf.RenderSettings(sigma_px=1.5))
truth = Variables.from_parameters(body, scene.parameters)

# %% [markdown]
# A *direction* says how fast each variable changes along a walk. Three of them, added up, make a wrong state: the
# waving arm is lowered by 0.7 rad, the left knee is bent by 0.6 rad, the body stands 8 cm further to the right. The
# weighted terms at the truth are not zero: keypoints have errors, a soft edge differs from a hard mask, and the
# priors prefer the mean person.

# %%
arm, knee, right = joint_turn(body, "right_shoulder", (0, 0, 1)), joint_turn(body, "left_knee"), shift(truth, (1, 0, 0))
wrong = moved(truth, (arm, 0.7), (knee, 0.6), (right, 0.08))

for name, value in problem.breakdown(truth.joined(wrong)).items():
    print(f"{name:20} truth {value[0]:7.1f}   wrong {value[1]:7.1f}")

# %% [markdown]
# ## The gradient of each term
#
# Arrows are the negative gradient in the image: the direction in which a term moves that part of the body. Each panel
# has its own scale. The rendered body is grey, the outline of the mask orange.
#
# - `silhouette_l2` and `silhouette_iou` have a gradient only at the soft edge, along its normal (notebook 2). The
#   raised arm of the mask is out of reach.
# - `silhouette_distance` also pulls the nearest vertices to parts of the mask that nothing covers: to the waving
#   hand.
# - `parts` has a gradient at borders inside the body too. `keypoints` has one at the joints, however far they are.

# %% tags=["picture"]
names = ["silhouette_l2", "silhouette_iou", "silhouette_distance", "parts", "keypoints"]
picture, mask = problem.state(wrong).render("silhouette")[0], problem.targets.seen_mask[0]
centres = np.arange(128) + 0.5
figure, axes = plt.subplots(1, len(names), figsize=(14, 5))
for axis, name in zip(axes, names):
    arrows = pull(problem, wrong, name)
    axis.imshow(1 - 0.3 * picture, vmin=0, vmax=1, extent=(0, 128, 128, 0))
    axis.contour(centres, centres, mask, [0.5], colors="C1", linewidths=1)
    scale = 10 * arrows.pull.norm(dim=1).quantile(0.95).item()
    axis.quiver(*arrows.points_px.T, *arrows.pull.T, color="C0", angles="xy", scale=scale, width=0.007)
    axis.set(title=name, xlim=(32, 92), ylim=(124, 4))
    axis.axis("off")

# %% [markdown]
# ## A walk over one joint
#
# The shoulder turns within ±1.2 rad of the truth; everything else is true. Curves are scaled to 0 … 1. A wide edge
# (large σ) makes a smoother loss that slopes from further away. But when σ exceeds half the width of a limb, both of
# its borders count at once and the minimum is no longer at the truth. So fits go from coarse to fine.

# %%
angles = torch.linspace(-1.2, 1.2, 25)
figure, axes = plt.subplots(1, 3, figsize=(14, 3.2), sharey=True)
for axis, sigma_px in zip(axes, [0.7, 2.0, 6.0]):
    wide = replace(problem, settings=rf.RenderSettings(sigma_px=sigma_px), objective=problem.objective.only(*names))
    walk = landscape(wide, truth, (arm, angles))
    for name in names:
        values = walk.terms[name]
        axis.plot(angles, (values - values.min()) / (values.max() - values.min()), label=name)
    axis.set(title=f"σ = {sigma_px} px", xlabel="right shoulder, rad from the truth")
axes[0].set_ylabel("term, scaled to 0 … 1")
axes[2].legend(loc="center left", bbox_to_anchor=(1, 0.5));

# %% [markdown]
# ## A plane: sideways and away
#
# Moving a body away makes it smaller. `softras` dilates (notebook 2), so its best body (dot) is further away than the
# true one (cross). Pale is low. Sideways the valley is narrow, away from the camera it is long and flat: one image
# tells the distance badly.

# %%
overlap, away = problem.objective.only("silhouette_l2"), shift(truth, (0, 0, 1))
across, far = torch.linspace(-0.4, 0.4, 11), torch.linspace(-1.2, 1.2, 11)
figure, axes = plt.subplots(1, 3, figsize=(13, 3.6), sharey=True)
best_away_m = {}
for axis, (kind, sigma_px) in zip(axes, [("contour", 1.0), ("contour", 4.0), ("softras", 1.0)]):
    edge = replace(problem, objective=overlap, settings=rf.RenderSettings(silhouette=kind, sigma_px=sigma_px))
    plane = landscape(edge, truth, (right, across), (away, far)).total
    best = across[plane.argmin() // len(far)].item(), far[plane.argmin() % len(far)].item()
    best_away_m[kind, sigma_px] = best[1]
    axis.contourf(across, far, plane.T, 20, cmap="Blues")
    axis.plot(0, 0, "+", color="C1", markersize=14, markeredgewidth=2)
    axis.plot(*best, "o", color="C1", markersize=6)
    axis.set(title=f"{kind}, σ = {sigma_px} px: best at {best[1]:+.2f} m", xlabel="sideways, m")
axes[0].set_ylabel("away from the camera, m");

# %% [markdown]
# ## Fit with two weightings
#
# Both fits start from one upright pose that was fitted to keypoints and priors. One goes on with keypoints alone, the
# other adds silhouette and parts. Joints are compared after Procrustes alignment (PA-MPJPE), the surface after
# translation and scale (PVE): one image does not tell how large somebody is. Orange is mask that the body does not
# cover.

# %%
free = ("orient", "position", "pose", "betas")
weightings = {
    "keypoints": problem.objective.only("keypoints", "pose_mixture", "shape"),
    "silhouette, parts, keypoints": problem.objective.only(
        "keypoints", "silhouette_l2", "parts", "pose_mixture", "shape"
    ),
}
start = default_hypotheses(body, problem.targets, 10, yaws_deg=[0], poses=["standing"])
lbfgs = rf.make_solver("lbfgs")
common, _ = replace(problem, objective=weightings["keypoints"]).minimise(start, free, lbfgs, 40)
fits = {name: replace(problem, objective=it).minimise(common, free, lbfgs, 60) for name, it in weightings.items()}

# %%
photo = 1 - scene.mask * torch.tensor([0.15, 0.6, 0.8])[:, None, None]
side_yaw, shown = front_yaw(scene.parameters.rotations[0, 0]) + np.pi / 2, {"face_parts": body.face_parts}
errors_mm = {}
figure, axes = plt.subplots(1, 5, figsize=(14, 3.6))
for (name, (fitted, solution)), (front, side) in zip(fits.items(), axes[:4].reshape(2, 2)):
    output = problem.state(fitted).output
    joints = rf.metrics.pa_mpjpe(output.joints, scene.joints_camera[None]).item()
    surface = rf.metrics.pve(output.vertices, scene.vertices_camera[None], align="scale").item()
    errors_mm[name] = 1000 * joints, 1000 * surface
    mesh = output.vertices[0]
    over = overlay(photo, mesh, body.faces, scene.camera, problem.renderer, opacity=0.7, **shown)
    front.imshow(around_box(over, scene.observation().box))
    side.imshow(side_view(mesh, body.faces, problem.renderer, yaw_rad=side_yaw, **shown))
    front.set_title(f"{name}\nPA-MPJPE {1000 * joints:.0f} mm, PVE {1000 * surface:.0f} mm")
    side.set_title(f"side view,\n{solution.evaluations} evaluations")
axes[4].imshow(side_view(scene.vertices_camera, body.faces, problem.renderer, yaw_rad=side_yaw, **shown))
axes[4].set_title("the truth, side view")
for axis in axes:
    axis.axis("off")

# %% [markdown]
# Both bodies lean backwards a little, which the front does not show: leaning changes the image less than keypoints
# err. The recipe `hybrid` adds `torso_tilt` and `balance` for that reason.
#
# ## A term of your own
#
# A term is any callable from a `FitState` to one value per hypothesis. It is used like the others, in landscapes, and
# in `rf.fit_image(..., terms=...)`. This one keeps both ankles at the same row of the image.

# %%
@dataclass(frozen=True)
class LevelFeet:
    """Squared difference of the ankles' image rows, in units of 1 % of the person's size."""

    def __call__(self, state):
        left, right = (body.joint_names.index(name) for name in ("left_ankle", "right_ankle"))
        rows = state.camera.project(state.output.joints)[..., 1]
        return ((rows[:, left] - rows[:, right]) / (0.01 * state.targets.person_size_px)).square()


mine = rf.compose(scene.observation(), {"keypoints": 1, "level_feet": (0.1, LevelFeet())}, body=body)
mine.breakdown(truth.joined(wrong))

# %% [markdown]
# ## Change and see
#
# - `wrong`: turn the arm by 0.2 rad in place of 0.7. It is within reach of the edge now, and `silhouette_l2` gets
#   arrows there.
# - `joint_turn(body, "right_shoulder", (0, 0, 1))` → axis `(1, 0, 0)`: the arm turns partly in depth. Before scaling
#   (`walk.terms["keypoints"]`) the curve is half as high: the image says less about such turns. Valleys like this are
#   where fits go wrong.
# - `weightings`: leave out `"pose_mixture"` in both. With keypoints alone the side view shows a monster (notebook 5).
#   With silhouette and parts the body stays upright.
