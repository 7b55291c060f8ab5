# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1 · The body and its clothes
#
# A body model M turns a few numbers into a mesh. render-fit uses SMPL's function (Loper et al. 2015):
#
# $$ M(\theta, \beta, c) = W\big(\bar T + B_s\,\beta + B_c\,c,\; J(\beta),\; \theta,\; \mathcal W\big) $$
#
# | | | size here |
# |---|---|---|
# | $\theta$ | pose: one rotation for each joint, axis-angle, radians | 24 × 3 |
# | $\beta$ | shape, in standard deviations of adults | 10 |
# | $c$ | clothing: how far the surface stands off the skin, in cm | 24 |
# | $\bar T$, $J$, $\mathcal W$ | mean mesh, its joints, skinning weights | 6,999 vertices |
#
# The *open body* is free, ships with the package, and has SMPL's joints, so that its poses are SMPL's.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

import render_fit as rf
from render_fit.bodies.clothing import clothing_basis
from render_fit.export.shading import part_colours
from render_fit.export.views import about_y, person_views, side_view
from render_fit.synthesis import everyday_pose

plt.style.use("figures.mplstyle")
body, renderer = rf.open_body(), rf.make_renderer("cpu")
upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # bodies have y up, cameras y down
front, side = {"front": upright}, {"side": about_y(np.pi / 2) @ upright}

# %% [markdown]
# ## The mean body at rest
#
# All numbers are zero. The skeleton is a tree: each joint has a parent, and the pelvis has none. A *part* is what one
# joint moves most. Part maps of the renderer and of networks have these 24 labels, in the order of `body.joint_names`.
# **Left is the person's left**, so it is on the right-hand side of the picture.

# %%
rest, joints = body.rest_vertices(torch.zeros(1, 10))[0], body.rest_joints(torch.zeros(1, 10))[0]
parts = person_views({"24 parts": rest}, body.faces, renderer, front | side, colours=part_colours(body.vertex_parts))

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), width_ratios=[1.5, 1])
left.imshow(parts)
left.axis("off")
right.scatter(rest[:, 0], rest[:, 1], s=0.5, color="0.85")
for joint, parent in enumerate(body.parents):
    if parent >= 0:
        right.plot(*joints[[parent, joint], :2].T, color="C0", marker="o", markersize=4)
for name, away in {"left_knee": 0.03, "left_elbow": 0.03, "left_shoulder": -0.06, "head": 0.03, "pelvis": 0.03}.items():
    right.annotate(name, joints[body.joint_names.index(name), :2] + away, fontsize=8)
right.set_title("joints and bones, from the front")
right.set(xlabel="x, m (to the person's left)", ylabel="y, m (up)", aspect="equal");

# %% [markdown]
# ## β: shape
#
# Shape moves the vertices at rest along $B_s\beta$, and the joints with them: tall people have long bones. Each
# component has variance 1 over adults, so $\beta_i = \pm 2$ is about the 2nd and the 98th of 100 people. The first is
# mostly size. The second makes slender people stout. All bodies are drawn at one scale, with lowered arms.

# %%
changes = [(0, 0), (0, -2), (0, 2), (1, -2), (1, 2)]  # component, standard deviations
betas = torch.zeros(len(changes), 10)
for row, (component, value) in enumerate(changes):
    betas[row, component] = value
sizes = rf.measure(body, betas, ["stature", "waist", "mass"])  # metres, kilograms

a_pose = everyday_pose("a_pose").expand(len(changes), 24, 3)
lowered = body(rf.BodyParameters.from_rotvec(a_pose, betas, torch.zeros(len(changes), 3))).vertices

names = ["mean"] + [f"beta {component + 1} = {value:+d}" for component, value in changes[1:]]
numbers = [f"{100 * tall:.0f} cm, {mass:.0f} kg" for tall, mass in zip(sizes["stature"], sizes["mass"])]
meshes = {f"{name}: {number}": mesh for name, number, mesh in zip(names, numbers, lowered)}
figure, axis = plt.subplots(figsize=(14, 3.9))
axis.imshow(person_views(meshes, body.faces, renderer, front, face_parts=body.face_parts))
axis.axis("off");

# %% [markdown]
# ## θ: pose
#
# Joints turn one after the other from the root: a knee carries shin and foot with it. Skinning then moves each vertex
# by the mean of its joints' motions, weighted by a row of $\mathcal W$. That mean is why skin bends smoothly at the
# elbow, and also why it loses a little volume there. The colours show how far each vertex moved from the zero pose.

# %%
def posed(pose, betas=torch.zeros(1, 10), offsets=None):
    """Vertices (V, 3) of one body at the origin, in its own axes."""
    return body(rf.BodyParameters.from_rotvec(pose[None], betas, torch.zeros(1, 3), offsets)).vertices[0]


def picture(mesh, colours=None):
    """The mesh from the front, shaded, or with one colour for each vertex."""
    parts = body.face_parts if colours is None else None
    return side_view(mesh, body.faces, renderer, size_px=360, turn=upright, colours=colours, face_parts=parts)


def coloured(values, low, high, colours="viridis"):
    return plt.get_cmap(colours)((values.numpy() - low) / (high - low))[:, :3]


def row(pictures):
    figure, axes = plt.subplots(1, len(pictures), figsize=(14, 3.4))
    for axis, (title, pixels) in zip(axes, pictures.items()):
        axis.imshow(pixels)
        axis.set_title(title)
        axis.axis("off")


# %%
bent = torch.zeros(24, 3)
bent[body.joint_names.index("left_knee"), 0] = 1.2
bent[body.joint_names.index("right_shoulder"), 2] = 0.9
moved = (posed(bent) - rest).norm(dim=1)
elbow = body.weights[:, body.joint_names.index("left_elbow")]
row({
    "two joints turned:\nmoved by 0 (dark) to 0.7 m": picture(posed(bent), coloured(moved, 0, 0.7)),
    "weight of the left elbow,\n0 (dark) to 1": picture(rest, coloured(elbow, 0, 1)),
    "walking": picture(posed(everyday_pose("walking"))),
    "sitting": picture(posed(everyday_pose("sitting"))),
    "side kick": picture(posed(everyday_pose("side_kick"))),
})

# %% [markdown]
# ## c: clothes
#
# Clothes are displacements of the skin at rest (SMPL+D), added before posing: $D = B_c\,c$. The columns of $B_c$ are
# the smoothest waves that live on the body's surface (eigenfunctions of its Laplacian) and push along the normal.
# Face, hands and soles stay where they are. Two coefficients already make a loose suit. Folds need free offsets, one
# for each vertex, which a fit adds at the end (`clothing="free"`).

# %%
basis = clothing_basis(body, 24)
waves = basis.directions.norm(dim=1) * (basis.directions * (rest - rest.mean(dim=0))[..., None]).sum(dim=1).sign()
c = torch.zeros(1, 24)
c[0, [0, 4]] = torch.tensor([1.5, 1.0])
offsets = basis(c)  # (1, V, 3), metres
pictures = {}
for i in (0, 4, 10):
    pictures[f"wave {i + 1}: out (red), in (blue)"] = picture(rest, coloured(waves[:, i], -0.03, 0.03, "RdBu_r"))
pictures["two coefficients, at rest"] = picture(posed(torch.zeros(24, 3), offsets=offsets))
pictures["the same c, walking"] = picture(posed(everyday_pose("walking"), offsets=offsets))
row(pictures)

# %% [markdown]
# The clothed surface and the body under it stay apart: `betas` say who it is, `offsets` what is worn. Measurements
# and joints never see the offsets.

# %% tags=["picture"]
family = torch.tensor([[0.0, 0.0], [1.5, -1.2], [-1.5, 1.5], [0.5, 2.0]])
poses = ["hands_on_hips", "waving", "dancing", "lunge"]
pictures = {}
for pose, (first, second) in zip(poses, family.tolist()):
    betas = torch.zeros(1, 10)
    betas[0, :2] = torch.tensor([first, second])
    title = f"{pose.replace('_', ' ')}, β = ({first:+.1f}, {second:+.1f}, 0 …)"
    pictures[title] = picture(posed(everyday_pose(pose), betas))
row(pictures)

# %% [markdown]
# ## Change and see
#
# - `changes`: take components 2 and 3 in place of 0 and 1. Later components
#   change proportions: the stature by 2 cm, the mass by 3 to 5 kg.
# - `bent`: set the turn of `left_knee` to −1.2. The knee bends backwards, and the foot comes in front of it: M knows no
#   anatomy. That is what the priors of notebook 5 are for.
# - `c`: multiply it by 3. At the armpits and between the legs the surface passes through itself, because offsets know
#   nothing of each other.
