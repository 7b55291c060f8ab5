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
# A mask tells where the person is. A label map tells *what* is there: a forearm in front of the trunk, hair, a coat.
# Body parts are the body's own. Garments are not: a skirt shows roughly where the legs are, and how wide it is itself.
# This notebook compares label spaces, finds out how many parts pay, and recovers the body under the clothes.

# %%
import math
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch

import render_fit as rf
from render_fit.core.parts import ATR, LIP, NBF_12, SMPL_24_PARTS, PartSpace
from render_fit.export.overlays import around_box, overlay
from render_fit.fitting.landscapes import joint_turn, landscape
from render_fit.fitting.variables import Variables
from render_fit.synthesis import everyday_pose, synthetic_scene
from render_fit.synthesis.clothed_people import clothed_person, photograph
from render_fit.synthesis.garments.wardrobe import Clothes

plt.style.use("figures.mplstyle")
body, renderer = rf.open_body(), rf.make_renderer("cpu")


def painted(labels, space):
    """Label map → colours; white where no label is."""
    palette = np.array([(255, 255, 255), *space.colours[1:]], dtype=np.uint8)
    return palette[np.asarray(labels)]


def show(axis, pixels, title, box):
    """The person's box, half as wide as it is high."""
    square = around_box(pixels, box, margin=1.1)
    axis.imshow(square[:, len(square) // 4 : -len(square) // 4])
    axis.set_title(title)
    axis.axis("off")


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
figure, axes = plt.subplots(1, 5, figsize=(11, 4.4))
for axis, (name, labels) in zip(axes, maps.items()):
    show(axis, painted(labels, spaces[name]), name, box)
show(axes[4], (255 * (1 - scene.mask[..., None].expand(-1, -1, 3))).byte().numpy(), "mask alone", box)

# %% [markdown]
# ## How many parts?
#
# The forearms lie inside of the outline. The left elbow turns within ±0.8 rad of the truth, everything else is true.
# The curves are the term `parts` of each space, and `silhouette_l2` for the mask alone, weighted as in a fit.
#
# - *Mask alone* and *3 parts* cannot tell arm from trunk. They are flat as long as the forearm stays inside.
# - *6 parts* tell, and 12 add nothing here: what counts is that the arm has a label of its own.
# - *24 parts* are steepest: they also tell hand and wrist from forearm.
#
# Omran et al. found networks with 12 parts about as good as with 24. `render-fit experiment input-representation`
# trains regressors with each.

# %%
def energy(space, labels, turn, angles):
    """Weighted term along a turn of the true body, above its minimum."""
    seen, terms = scene.observation(parts=False, keypoints=False), {"silhouette_l2": 800}
    if space is not None:
        seen, terms = replace(seen, labels=labels, part_space=space), {"parts": 300}
    problem = rf.compose(seen, terms, body=body, renderer=renderer, settings=rf.RenderSettings(sigma_px=1.5))
    walk = landscape(problem, Variables.from_parameters(body, scene.parameters), (turn, angles)).total
    return walk - walk.min()


angles = torch.linspace(-0.8, 0.8, 17)
turn = joint_turn(body, "left_elbow", (0, 1, 0))
curves = {name: energy(spaces[name], labels, turn, angles) for name, labels in maps.items()}
curves["mask alone"] = energy(None, None, turn, angles)
figure, axis = plt.subplots(figsize=(9, 3.4))
for name, values in curves.items():
    axis.plot(angles, values, label=name, linestyle="--" if name == "mask alone" else "-")
axis.set(xlabel="left elbow, rad from the truth", ylabel="term above its minimum")
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5));

# %% [markdown]
# ## Clothed people and their labels
#
# `clothed_person` dresses a body: the naked truth stays known underneath. ATR and LIP are label spaces of human
# parsers: clothes, hair, skin. The body under them is what a fit has to find.

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
figure, axes = plt.subplots(2, 8, figsize=(14, 5.6))
for four, person, place in zip(axes.reshape(4, 4), people, ["park", "room", "studio", "park"]):
    picture = photograph(person, place, seed=1)
    under = overlay(picture, person.body_vertices, body.faces, person.camera, renderer, face_parts=body.face_parts)
    panels = [picture.permute(1, 2, 0), painted(person.label_map(ATR), ATR), painted(person.label_map(LIP), LIP), under]
    for axis, pixels, title in zip(four, panels, ["photo", "ATR labels", "LIP labels", "body under them"]):
        axis.imshow(pixels)
        axis.set_title(title)
        axis.axis("off")

# %% [markdown]
# ## What a label tells about the body
#
# Rows of ATR's emission matrix are parts, columns labels; dark is likely. A coat or shirt covers trunk and arms, a
# skirt pelvis and thighs. Bars, in the colours of the label maps above, are the label's *looseness*: how far its
# surface usually stands off the body. Skin binds the body, a skirt only bounds it. Background and bag (striped) tell
# nothing about it.

# %%
figure, (above, below) = plt.subplots(2, 1, figsize=(12, 6.4), height_ratios=[2.4, 1], sharex=True)
above.imshow(-ATR.emission.numpy(), aspect="auto", cmap="gray", vmin=-1, vmax=0)
above.grid(False)
above.set(yticks=range(25), title="P(label | part)")
above.set_yticklabels([*body.joint_names, "beside the body"], fontsize=8)
loose_cm = 100 * ATR.looseness_m.clamp(max=0.1)
hatches = ["////" if value > 9.9 else "" for value in loose_cm]
below.bar(range(len(ATR)), loose_cm, color=np.array(ATR.colours) / 255, edgecolor="0.6", hatch=hatches)
below.set(ylabel="looseness, cm", xticks=range(len(ATR)))
below.set_xticklabels(ATR.labels, rotation=60, ha="right", fontsize=8);

# %% [markdown]
# ## The body under a coat
#
# Three fits of the third person, with the errors of a segmenter and a detector: without the clothes, with mask and
# keypoints of the clothed person, and with ATR labels besides. Orange is mask outside of the body. The number is the
# error of the shape at rest after scale correction (PVE-T-SC). The recipe is `hybrid` without the clothes themselves
# and with few hypotheses, to be quick.

# %%
hybrid = rf.load_recipe("hybrid")
stages = {stage.name: stage for stage in hybrid.stages}
stages["search"] = stages["search"].model_copy(update={"n_hypotheses": 2})
quick = tuple(stages[name] for name in ("place", "search", "coarse", "medium", "fine"))
recipe = hybrid.model_copy(update={"stages": quick, "clothing": "none"})

coat = people[2]
seen = {
    "no clothes": coat.observation(body, clothed=False),
    "coat, mask": coat.observation(body),
    "coat, ATR labels": coat.observation(body, space=ATR),
}
results = {name: rf.fit_image(one, recipe) for name, one in seen.items()}

# %%
true = body.rest_vertices(coat.parameters.betas)
outline = 1 - torch.from_numpy(coat.mask).float() * torch.tensor([0.15, 0.6, 0.8])[:, None, None]
shape_mm, box = {}, seen["coat, mask"].box
figure, axes = plt.subplots(1, 4, figsize=(10, 5))
for axis, (name, result) in zip(axes, results.items()):
    shape_mm[name] = 1000 * rf.metrics.pve_t_sc(body.rest_vertices(result.parameters.betas), true).item()
    mesh = result.output.vertices[0]
    over = overlay(outline, mesh, body.faces, coat.camera, renderer, face_parts=body.face_parts)
    show(axis, over, f"{name}: {shape_mm[name]:.0f} mm", box)
over = overlay(outline, coat.body_vertices, body.faces, coat.camera, renderer, face_parts=body.face_parts)
show(axes[3], over, "the truth", box)
mean_mm = 1000 * rf.metrics.pve_t_sc(body.rest_vertices(torch.zeros(1, 10)), true).item()
print(f"error of the mean person: {mean_mm:.0f} mm")

# %% [markdown]
# A coat costs accuracy for everybody. The mask alone makes the coat's width a stout body. Labels tell which pixels are
# loose, and give this person a slender body. One person is an anecdote: over 100 people labels lower the error from
# 13.8 to 13.2 mm (docs/evaluation.md), and for some they raise it.

# %% [markdown]
# ## Change and see
#
# - `"arms_crossed_low"` → `"a_pose"`: nothing is hidden inside of the outline, and the mask alone is as steep as 24
#   parts.
# - `Clothes("skirt", outerwear="coat", ...)` → `Clothes(tight=True)`: all three fits are nearly as good, and labels add
#   little.
# - `space=ATR` → `LIP` in the last fits: about the same for this person.
# - `seed=3 + i` → `4 + i`: another person in the same clothes. The coat costs accuracy again, and labels do not help.
# - `joint_turn(body, "left_elbow", (0, 1, 0))` → `"left_knee"` with axis `(1, 0, 0)`: the outline tells how far the knee
#   is bent, and labels add little.
