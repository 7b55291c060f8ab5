# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2 · Gradients of a soft silhouette
#
# A mask is 1 on the person and 0 beside it: moving the body by a tenth of a pixel changes nothing, or flips a pixel.
# Its derivative is zero almost everywhere. A *soft* silhouette replaces the step by a slope of width σ. This notebook
# shows where its gradient lives, what σ does, and why there are two formulas.
#
# *Alpha* is the value of a pixel, from 0 to 1.
#
# | | alpha of a pixel | |
# |---|---|---|
# | `softras` | $1 - \prod_f \big(1 - \mathrm{sigmoid}(\pm d_f^2 / \sigma^2)\big)$, $d_f$ the distance to face $f$, + inside of it | Liu et al. 2019, the usual one |
# | `contour` | $\mathrm{sigmoid}(d / \sigma)$, $d$ the signed distance to the outline of the union of all faces | the default here |

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

import render_fit as rf
from render_fit.core.cameras import camera_from_focal
from render_fit.synthesis import everyday_pose

plt.style.use("figures.mplstyle")
body = rf.open_body()
pose = everyday_pose("waving")
pose[0, 0] += torch.pi  # upright for a camera, whose y points down
at = torch.tensor([[0.0, 0.3, 3.4]])  # metres in front of the camera
vertices = body(rf.BodyParameters.from_rotvec(pose[None], torch.zeros(1, 10), at)).vertices
focal_px = 200.0
camera = camera_from_focal(focal_px, 160, 160)  # height, width in pixels


def silhouette(vertices, kind="contour", sigma_px=1.0):
    return rf.render(vertices, body.faces, camera, settings=rf.RenderSettings(kind, sigma_px)).silhouette


# %% [markdown]
# ## The same body, from hard to soft
#
# Both formulas with growing σ. `contour` blurs the outline and leaves it in place: the line alpha = 0.5 (orange) is
# the true outline at every σ. `softras` multiplies over faces. A body of 14,000 faces has many of them near each
# pixel, and each adds a little: alpha = 0.5 moves outwards. *It dilates.* Titles give the area inside of the orange
# line, relative to the first panel.

# %%
sigmas = [0.5, 1.0, 2.0]
figure, axes = plt.subplots(1, 6, figsize=(14, 4.4), sharey=True)
areas = {}
for panels, kind in zip(axes.reshape(2, 3), ["contour", "softras"]):
    for axis, sigma_px in zip(panels, sigmas):
        alpha = silhouette(vertices, kind, sigma_px)[0]
        areas[kind, sigma_px] = float((alpha > 0.5).sum())
        axis.imshow(1 - alpha, vmin=0, vmax=1, extent=(0, 160, 160, 0))
        axis.contour(np.arange(160) + 0.5, np.arange(160) + 0.5, alpha, [0.5], colors="C1", linewidths=1)
        axis.set_title(f"{kind}, σ = {sigma_px} px\narea {areas[kind, sigma_px] / areas['contour', 0.5]:.2f}")
        axis.set(xlim=(45, 110), ylim=(150, 25), xlabel="image column, px")
        axis.grid(False)
axes[0].set_ylabel("image row, px");

# %% [markdown]
# ## The gradient is on the outline
#
# Take a loss $L = \frac{1}{|M|}\sum_{pixels} (S - M)^2$ between the soft silhouette $S$ of this body and the mask $M$
# of the same body **after** a step of 5 cm to the right and with the arm lowered. `loss.backward()` gives the slope
# for each vertex. The arrows are its negative: the direction in which the loss falls. Arrows are summed in cells of
# 4 px. Grey is the body, orange the outline of the mask.
#
# - All arrows stand on the outline, along its normal. The gradient of vertices inside of it, and of hidden ones, is 0.
# - They point out where the mask is not covered yet, and in where the body covers too much.
# - The slope reaches a few pixels. The raised arm is far from the mask's lowered one: its arrows only make it thinner,
#   and *none turns it down*. This loss knows small moves.

# %%
lowered = pose.clone()
lowered[body.joint_names.index("right_shoulder")] = everyday_pose("standing")[body.joint_names.index("right_shoulder")]
step = torch.tensor([[0.05, 0.0, 0.0]])
target = body(rf.BodyParameters.from_rotvec(lowered[None], torch.zeros(1, 10), at + step)).vertices
masks = {"moved": (silhouette(target) > 0.5).float(), "its own": (silhouette(vertices) > 0.5).float()}


def arrows(mask, kind, sigma_px, cell_px=4):
    """Negative gradient in image directions, summed in cells: (N, 2) positions in px, (N, 2) arrows, and the loss."""
    moving = vertices.clone().requires_grad_(True)
    loss = ((silhouette(moving, kind, sigma_px) - mask) ** 2).sum() / mask.sum()
    loss.backward()
    pixels = camera.project(vertices)[0]
    per_px = -moving.grad[0, :, :2] * vertices[0, :, 2:] / focal_px  # a pixel is depth / focal metres
    cells, member = (pixels / cell_px).floor().unique(dim=0, return_inverse=True)
    pull = torch.zeros(len(cells), 2).index_add_(0, member, per_px)
    felt = pull.norm(dim=1) > 0.02 * pull.norm(dim=1).max()
    return (cells[felt] + 0.5) * cell_px, pull[felt], loss.item()


# %% tags=["picture"]
cases = [("moved", "contour", 1.0), ("moved", "contour", 4.0), ("its own", "contour", 1.0), ("its own", "softras", 1.0)]
found = [arrows(masks[mask], kind, sigma_px) for mask, kind, sigma_px in cases]
lengths = [found[i][1].norm(dim=1).quantile(0.95).item() for i in (0, 1, 3, 3)]  # the last two panels share a scale
figure, axes = plt.subplots(1, 4, figsize=(14, 5.6), sharey=True)
for axis, (mask, kind, sigma_px), (points, pull, loss), length in zip(axes, cases, found, lengths):
    axis.imshow(1 - 0.25 * silhouette(vertices)[0], vmin=0, vmax=1, extent=(0, 160, 160, 0))
    axis.contour(np.arange(160) + 0.5, np.arange(160) + 0.5, masks[mask][0], [0.5], colors="C1", linewidths=1.2)
    axis.quiver(*points.T, *pull.T, color="C0", angles="xy", scale=12 * length, width=0.007)
    axis.set(title=f"mask: {mask}\n{kind}, σ = {sigma_px} px: loss {loss:.2f}", xlim=(45, 110), ylim=(150, 28))
    axis.set_xlabel("image column, px")
    axis.grid(False)
axes[0].set_ylabel("image row, px");

# %% [markdown]
# In the two panels on the left the mask was moved: a wider slope pulls more evenly. On the right the mask is the body's
# own, and nothing should pull. `contour` hardly does. With `softras` all arrows point inwards: the dilated silhouette
# is too large for the mask, and a thinner body lowers the loss.
#
# ## σ along one line
#
# One row of pixels through the chest and the hanging arm. The slope of `contour` is centred on the outline, and the
# dip is the slit between trunk and arm. `softras` saturates inside, closes the slit, and its edge is outside. A
# gradient needs a slope: beyond a few σ the curves are flat.

# %%
row, columns = 70, np.arange(160) + 0.5
figure, axes = plt.subplots(1, 2, figsize=(12, 3), sharey=True)
for axis, kind in zip(axes, ["contour", "softras"]):
    for sigma_px in sigmas:
        axis.plot(columns, silhouette(vertices, kind, sigma_px)[0, row], label=f"σ = {sigma_px} px")
    axis.fill_between(columns, silhouette(vertices, sigma_px=0.05)[0, row], color="0.9", step="mid", label="hard mask")
    axis.set(title=kind, xlabel=f"column of row {row}, px", xlim=(45, 115))
axes[0].set_ylabel("alpha")
axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5));

# %% [markdown]
# ## What the dilation costs: a fit that is too thin
#
# Now the mask is that of the body itself, in the true pose. All vertices move along their normals by the same
# thickness t. The loss should be least at t = 0. For `contour` it is; for `softras` the minimum is where a *thinner*
# body, dilated, looks like the true one.

# %%
truth = (rf.render(vertices, body.faces, camera.resize(960, 960)).silhouette > 0.5).float()
truth = torch.nn.functional.avg_pool2d(truth[:, None], 6)[:, 0]  # antialiased: covered share of each pixel
edges = vertices[0][body.faces]
face_normals = torch.linalg.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0])
normals = torch.zeros_like(vertices[0]).index_add_(0, body.faces.flatten(), face_normals.repeat_interleave(3, 0))
normals = torch.nn.functional.normalize(normals, dim=1)
thickness_mm = torch.arange(-32.0, 9, 4)

figure, axes = plt.subplots(1, 2, figsize=(12, 3.2), sharex=True)
best_mm = {}
for axis, kind in zip(axes, ["contour", "softras"]):
    for sigma_px in [0.5, 1.0]:
        bodies = vertices + thickness_mm[:, None, None] / 1000 * normals
        loss = ((silhouette(bodies, kind, sigma_px) - truth) ** 2).sum(dim=(1, 2)) / truth.sum()
        best_mm[kind, sigma_px] = float(thickness_mm[loss.argmin()])
        axis.plot(thickness_mm, loss, label=f"σ = {sigma_px} px: best at {best_mm[kind, sigma_px]:.0f} mm")
    axis.axvline(0, color="0.6", linewidth=0.8)
    axis.set(title=kind, xlabel="thickness added all around, mm", ylabel="loss, share of the person's area")
    axis.legend()

# %% [markdown]
# ## Change and see
#
# - `step`: 0.05 → 0.3. The masks hardly overlap, and three quarters of the force point inwards: the loss falls
#   fastest when the body *shrinks*. That is why fits begin with keypoints or a distance transform (notebook 3).
# - `cases`: σ = 0.1 px in place of 1.0 in the first. The slope is narrower than a pixel, only pixels whose centre lies
#   on it have a gradient, and arrows along the outline are ragged.
# - `focal_px`: 200 → 280. The person is larger, a pixel is fewer millimetres, and `softras` errs less in the last
#   figure.
