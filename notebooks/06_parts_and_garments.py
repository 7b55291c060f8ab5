# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 6 · Part labels and garments
#
# A mask says where the person is. A label map says *what* is there: a forearm in front of the trunk, hair, a coat.
# Body parts are the body's own. Garments are not: a skirt shows where the legs are, roughly, and how wide it is
# itself. This notebook looks at label spaces, at how many parts are worth it, and at the body under the clothes.

# %%
import math
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch

import render_fit as rf
from render_fit.core.parts import ATR, LIP, NBF_12, SMPL_24_PARTS, PartSpace
from render_fit.export.overlays import around_box, overlay
from render_fit.fitting.initialisation import default_hypotheses
from render_fit.synthesis import everyday_pose, synthetic_scene
from render_fit.synthesis.clothed_people import clothed_person, photograph
from render_fit.synthesis.garments.wardrobe import Clothes

plt.style.use("figures.mplstyle")
body, renderer = rf.open_body(), rf.make_renderer("cpu")


def painted(labels, space):
    """Label map → colours; white where no label is."""
    palette = np.array([(255, 255, 255), *space.colours[1:]], dtype=np.uint8)
    return palette[np.asarray(labels)]


# %% [markdown]
# ## One body in four spaces
#
# SMPL's 24 parts, the 12 of Neural Body Fitting (Omran et al. 2018), and two coarser ones that we make here. A space
# is its *emission matrix* $E_{p\ell} = P(\text{label } \ell \mid \text{part } p)$: a rendered part map $P(p)$ gives
# $P(\ell) = \sum_p P(p)\,E_{p\ell}$, and the term `parts` is $-\sum_\text{pixels} \log P(\ell_\text{observed})$.

# %%
def coarser(name, groups):
    """A space whose labels are groups of SMPL's parts; 2 % of pixels have any label, so that errors cost little."""
    emission = torch.full((25, len(groups) + 1), 0.02 / (len(groups) + 1))
    emission[24, 0] += 0.98  # beside the body
    for label, joints in enumerate(groups.values(), 1):
        emission[[body.joint_names.index(joint) for joint in joints], label] += 0.98
    loose = torch.tensor([math.inf] + [0.0] * len(groups))
    return PartSpace(name, ("background", *groups), emission, SMPL_24_PARTS.colours[: len(groups) + 1], "", loose)


head, trunk = ["neck", "head"], ["pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar"]
arms = {side: [f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hand")] for side in ("left", "right")}
legs = {side: [f"{side}_{joint}" for joint in ("hip", "knee", "ankle", "foot")] for side in ("left", "right")}
six = coarser("6 parts", {"head": head, "trunk": trunk, "left arm": arms["left"], "right arm": arms["right"],
                          "left leg": legs["left"], "right leg": legs["right"]})  # fmt: skip
three = coarser("3 parts", {"head": head, "upper": trunk + arms["left"] + arms["right"], "legs": legs["left"] + legs["right"]})
spaces = {"24 parts": SMPL_24_PARTS, "12 parts": NBF_12, "6 parts": six, "3 parts": three}

# %%
scene = synthetic_scene(body, everyday_pose("arms_crossed_low"), seed=2, yaw_rad=0.3)
rows = torch.where(scene.labels > 0, scene.labels - 1, 24)  # SMPL's part, or 24 beside the body
maps = {name: space.emission.argmax(dim=1)[rows] for name, space in spaces.items()}
box = scene.observation().box
figure, axes = plt.subplots(1, 5, figsize=(13, 3.6))
for axis, (name, labels) in zip(axes, maps.items()):
    axis.imshow(around_box(painted(labels, spaces[name]), box))
    axis.set_title(name)
    axis.axis("off")
axes[4].imshow(around_box((255 * (1 - scene.mask[..., None].expand(-1, -1, 3))).byte().numpy(), box))
axes[4].set_title("mask alone")
axes[4].axis("off");

# %% [markdown]
# ## How many parts?
#
# Fits of this person without any keypoints, all from the same start: standing, facing the camera. The number is the
# PA-MPJPE. The outline is met by all of them; the mask alone cannot see the forearms, which are inside of it. Labels that
# tell forearm from upper arm find them. Omran et al. found 12 parts about as good as 24, too.

# %%
free = ("orient", "position", "pose", "betas")


def fit(space, labels):
    terms = {"silhouette_l2": 800, "silhouette_distance": 200, "pose_mixture": 1, "pose_limits": 1, "shape": 1}
    seen = scene.observation(parts=False, keypoints=False)
    if space is not None:
        seen, terms = replace(seen, labels=labels, part_space=space), terms | {"parts": 300}
    settings = rf.RenderSettings(sigma_px=1.5)
    problem = rf.compose(seen, terms, body=body, renderer=renderer, size=80, settings=settings)
    start = default_hypotheses(body, problem.targets, 10, yaws_deg=[0], poses=["standing"])
    fitted, _ = problem.minimise(start, free, rf.make_solver("lbfgs"), 50)
    output = body(fitted.parameters(body))
    return output.vertices[0], 1000 * rf.metrics.pa_mpjpe(output.joints, scene.joints_camera[None]).item()


fits = {name: fit(spaces[name], labels) for name, labels in maps.items()} | {"mask alone": fit(None, None)}

# %%
photo = 1 - scene.mask * torch.tensor([0.15, 0.6, 0.8])[:, None, None]
figure, axes = plt.subplots(1, 5, figsize=(13, 3.6))
for axis, (name, (mesh, error_mm)) in zip(axes, fits.items()):
    over = overlay(photo, mesh, body.faces, scene.camera, renderer, opacity=0.85, face_parts=body.face_parts)
    axis.imshow(around_box(over, box))
    axis.set_title(f"{name}: {error_mm:.0f} mm")
    axis.axis("off")

# %% [markdown]
# ## Clothed people and their labels
#
# `clothed_person` dresses a body: the naked truth stays known underneath. ATR and LIP are label spaces of human
# parsers: clothes, hair, skin. The last row is what a fit has to find.

# %% tags=["picture"]
wardrobe = [
    Clothes("trousers", outerwear="jacket", open=True, hair="long", bag="across"),
    Clothes("dress", hair="bun", heel_m=0.05),
    Clothes("skirt", outerwear="coat", hair="bob", scarf=True),
    Clothes("shorts", hair="short", hat="cap", bag="backpack"),
]
poses = ["walking", "hands_on_hips", "standing", "waving"]
people = [
    clothed_person(body, everyday_pose(pose), seed=3 + i, clothes=clothes, yaw_rad=0.3, image_size=(300, 200))
    for i, (pose, clothes) in enumerate(zip(poses, wardrobe))
]
figure, axes = plt.subplots(2, 8, figsize=(15, 6))
for pair, person, place in zip(axes.reshape(2, 4, 2).swapaxes(0, 1), people, ["park", "room", "studio", "park"]):
    picture = photograph(person, place, seed=1)
    under = overlay(picture, person.body_vertices, body.faces, person.camera, renderer, face_parts=body.face_parts)
    panels = [picture.permute(1, 2, 0), painted(person.label_map(ATR), ATR), painted(person.label_map(LIP), LIP), under]
    for axis, pixels, title in zip(pair.flat, panels, ["photo", "ATR labels", "LIP labels", "the body under them"]):
        axis.imshow(pixels)
        axis.set_title(title, fontsize=9)
        axis.axis("off")

# %% [markdown]
# ## What a label says of the body
#
# Rows of ATR's emission matrix are parts, columns labels; dark is likely. A skirt is seen at thighs *and beside
# them*. Below, how far a label's surface usually stands off the body (its *looseness*): skin binds the body, a skirt
# only bounds it, a bag says nothing.

# %%
figure, (above, below) = plt.subplots(2, 1, figsize=(12, 6.4), height_ratios=[2.4, 1], sharex=True)
above.imshow(-ATR.emission.numpy(), aspect="auto", cmap="gray", vmin=-1, vmax=0)
above.grid(False)
above.set(yticks=range(25), title="P(label | part)")
above.set_yticklabels([*body.joint_names, "beside the body"], fontsize=7)
loose_cm = 100 * ATR.looseness_m.clamp(max=0.1)
below.bar(range(len(ATR)), loose_cm, color=["0.8" if value > 9.9 else "C0" for value in loose_cm])
below.set(ylabel="looseness, cm", xticks=range(len(ATR)))
below.set_xticklabels(ATR.labels, rotation=60, ha="right", fontsize=8);

# %% [markdown]
# ## The body under a coat
#
# Two fits of the third person with the errors of a segmenter and a detector: with mask and keypoints, and with ATR
# labels besides. Orange: outside of the body. PVE-T-SC is the error of the shape at rest after scale correction.

# %%
coat = people[2]
results = {name: rf.fit_image(coat.observation(body, space=space)) for name, space in [("no labels", None), ("ATR", ATR)]}
rest_true = body.rest_vertices(coat.parameters.betas)
outline = 1 - torch.from_numpy(coat.mask).float() * torch.tensor([0.15, 0.6, 0.8])[:, None, None]
shape_mm = {name: 1000 * rf.metrics.pve_t_sc(body.rest_vertices(r.parameters.betas), rest_true).item() for name, r in results.items()}
shape_mm["mean person"] = 1000 * rf.metrics.pve_t_sc(body.rest_vertices(torch.zeros(1, 10)), rest_true).item()
bodies = {name: result.unclothed_vertices[0] for name, result in results.items()} | {"the truth": coat.body_vertices}
figure, axes = plt.subplots(1, 3, figsize=(10, 4.6))
for axis, (name, mesh) in zip(axes, bodies.items()):
    axis.imshow(overlay(outline, mesh, body.faces, coat.camera, renderer, face_parts=body.face_parts))
    axis.set_title(f"{name}: PVE-T-SC {shape_mm[name]:.0f} mm" if name in shape_mm else name)
    axis.axis("off")
print(f"PVE-T-SC of the mean person: {shape_mm['mean person']:.0f} mm")

# %% [markdown]
# ## Change and see
#
# - `"arms_crossed_low"` → `"a_pose"`: nothing is hidden inside of the outline, and the mask alone is enough.
# - `Clothes("skirt", outerwear="coat", ...)` → `Clothes(tight=True)`: both fits find the body, and labels add little.
# - `("ATR", ATR)` → `("LIP", LIP)` in the last fits: LIP tells left from right legs and arms.
# - `"parts": 300` → `"clothed_parts": 1` in `fit`: the term for labels of clothes. For labels of the body it means
#   the same.
