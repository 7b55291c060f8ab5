# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 10 · One person, many images
#
# In several images of one person the pose changes and the body does not. `rf.fit_person` solves for all images at
# once with one shape β and one set of clothes c:
#
# $$ \min_{\beta, c, \theta_1 \dots \theta_N} \sum_{n=1}^N E(\theta_n, \beta, c;\, z_n) $$
#
# What one image leaves open, another one may tell: the front shows how broad somebody is, the side how deep. This
# notebook measures what 1, 2 and 4 images are worth, for a person whose true shape is known.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

import render_fit as rf
from render_fit.export.overlays import around_box, overlay
from render_fit.export.views import about_y, person_views
from render_fit.synthesis import everyday_pose, sample_betas
from render_fit.synthesis.clothed_people import clothed_person

plt.style.use("figures.mplstyle")
body, renderer = rf.open_body(), rf.make_renderer("cpu")
upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))

# %% [markdown]
# ## Four images
#
# Other poses, other sides, and the errors of a detector and a segmenter in each. The person wears no clothes here, so
# that the question is the body alone. The recipe is `hybrid` without the stages that decide about depth, which these
# poses do not need. Orange is mask that the body does not cover, and much of it is the segmenter's error.

# %%
poses, yaws = ["standing", "walking", "waving", "hands_on_hips"], [0.2, 1.4, -0.7, 2.8]
betas = 1.3 * sample_betas(body, np.random.default_rng(1))
scenes = [
    clothed_person(body, everyday_pose(pose), seed=100 + i, betas=betas, yaw_rad=yaw, image_size=(320, 240))
    for i, (pose, yaw) in enumerate(zip(poses, yaws))
]
observations = [scene.observation(body, clothed=False) for scene in scenes]
hybrid = rf.load_recipe("hybrid")
stages = [stage for stage in hybrid.stages if stage.name in ("place", "search", "coarse", "fine")]
stages[1] = stages[1].model_copy(update={"n_hypotheses": 2})  # search
quick = hybrid.model_copy(update={"stages": tuple(stages)})


def fit(observations):
    return rf.fit_person(observations, quick, clothing="none")


joint = fit(observations)

# %% tags=["picture"]
figure, axes = plt.subplots(1, 4, figsize=(12, 3.4))
for axis, seen, result in zip(axes, observations, joint.results):
    outline = 1 - seen.mask * torch.tensor([0.15, 0.6, 0.8])[:, None, None]
    over = overlay(outline, result.output.vertices[0], body.faces, result.camera, renderer, face_parts=body.face_parts)
    axis.imshow(around_box(over, seen.box, margin=1.12))
    axis.set_title(f"IoU {result.report.iou.after:.3f}")
    axis.axis("off")
same = all(torch.equal(result.parameters.betas, joint.results[0].parameters.betas) for result in joint.results)
print("one shape for all images:", same)

# %% [markdown]
# ## Each image alone gives another shape
#
# `fit_person` first fits each image alone (`joint.alone`). The plot shows β of these four (dots), of the joint fit with
# one standard deviation (bars), and the truth (crosses). The joint fit is not their mean: each image is weighted by
# how much it constrains each component, the curvature of its objective. The bars are hardly narrower than those of one
# image: errors of segmenters are alike in all images, and the covariance assumes it.

# %%
alone, component = joint.alone.betas, np.arange(1, 11)
figure, axis = plt.subplots(figsize=(10, 3.2))
for i, single in enumerate(alone):
    axis.plot(component - 0.15, single, "o", color="0.6", markersize=4, label="each image alone" if i == 0 else None)
deviation = joint.betas_covariance.diagonal().sqrt()
axis.errorbar(component, joint.betas, deviation, fmt="o", capsize=3, color="C0", label="all four images")
axis.plot(component + 0.15, betas, "x", color="C1", markersize=8, markeredgewidth=2, label="truth")
axis.set(xlabel="component of β", ylabel="standard deviations", xticks=component)
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5));

# %% [markdown]
# ## 1, 2, 4 images
#
# The error is that of the mesh at rest after scale correction (PVE-T-SC): images hardly tell how large somebody is,
# only how they are proportioned. The dashed line is the mean person, who needs no image at all. One person is an
# anecdote; docs/person.md has the table for 20.

# %%
def shape_error_mm(found):
    return 1000 * rf.metrics.pve_t_sc(body.rest_vertices(found[None]), body.rest_vertices(betas[None])).item()


counts, single = (1, 2, 4), rf.fit_image(observations[0], quick, clothing="none")
shapes = [single.parameters.betas[0], fit(observations[:2]).betas, joint.betas]
errors_mm = {
    "one joint fit": [shape_error_mm(one) for one in shapes],
    "mean of single fits": [shape_error_mm(alone[:n].mean(dim=0)) for n in counts],
}
figure, axis = plt.subplots(figsize=(8, 3))
for name, values in errors_mm.items():
    axis.plot(counts, values, marker="o", label=name)
axis.axhline(shape_error_mm(torch.zeros(10)), color="0.6", linestyle="--", label="the mean person")
axis.set(xlabel="images", xticks=counts, ylabel="PVE-T-SC, mm", ylim=(0, None))
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5));

# %% [markdown]
# The body at rest: from one image, from four, and the truth, at one scale.

# %%
shapes = {"one image": single.parameters.betas[0], "four images": joint.betas, "truth": betas}
for name, one in shapes.items():
    sizes = rf.measure(body, one[None], ["stature", "waist", "mass"])
    print(f"{name:12} {100 * sizes['stature'][0]:.0f} cm, waist {100 * sizes['waist'][0]:.0f} cm, {sizes['mass'][0]:.0f} kg")

meshes = {name: body.rest_vertices(one[None])[0] for name, one in shapes.items()}
views = {"front": upright, "side": about_y(np.pi / 2) @ upright}
figure, axis = plt.subplots(figsize=(14, 3.6))
axis.imshow(person_views(meshes, body.faces, renderer, views, face_parts=body.face_parts, height_px=420))
axis.axis("off");

# %% [markdown]
# ## Change and see
#
# - `yaws`: all 0.2. Four views from the front help less than four sides: 6 mm in place of 4.
# - `clothed=False` → `True`: other clothes in every image. The errors about double: all clothes are outside of the body.
# - `rf.fit_person(..., height_m=...)` with the true stature: sizes agree, proportions gain little.
# - Make the last image one of another person (another seed of `sample_betas`): its `joint.disagreement` is 48, those of
#   the others are 1 to 6, and the notes of its report ask whether it is the same person.
