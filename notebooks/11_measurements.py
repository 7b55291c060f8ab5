# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 11 · Measurements with error bars
#
# A fitted body can be measured as a tape would (ISO 8559-1): girths, lengths, volume, mass. A number without an error
# bar says little, and a photo without a scale says little about centimetres. The fit knows the covariance C of the
# shape; with the Jacobian J of the measurements by β, their covariance is to first order
#
# $$ \Sigma = J\,C\,J^\top $$
#
# Here: one photo; the photo and the person's height; and their weight as well.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

import render_fit as rf
from render_fit.export.overlays import overlay
from render_fit.export.views import about_y, side_view
from render_fit.measurements.measure import tapes
from render_fit.measurements.uncertainty import intervals, measurement_covariance, values_and_jacobian
from render_fit.synthesis import clothed_scene, everyday_pose

plt.style.use("figures.mplstyle")
body, renderer = rf.open_body(), rf.make_renderer("cpu")
names = ["stature", "bust", "waist", "hip", "thigh", "inside_leg", "mass"]
units = {name: (1, "kg") if name == "mass" else (100, "cm") for name in names}

# %% [markdown]
# ## Where the tapes lie
#
# On the measured body: no clothes, standing, arms lowered. A girth is the convex hull of a cut, as a tape bridges
# hollows.

# %%
scene = clothed_scene(body, everyday_pose("standing"), seed=2, place="room", image_size=(400, 300))
betas = scene.parameters.betas
true = {name: value.item() for name, value in rf.measure(body, betas, names).items()}
lines, standing = tapes(body, betas[0], ["neck", "bust", "waist", "hip", "thigh", "calf"])

figure, (photo, front, side) = plt.subplots(1, 3, figsize=(12, 5), width_ratios=[1, 1, 0.7])
photo.imshow(scene.image.permute(1, 2, 0))
photo.set_title("the photo: clothed")
photo.axis("off")
for axis, across, label in [(front, 0, "x, m"), (side, 2, "z, m (forward)")]:
    axis.scatter(standing[:, across], standing[:, 1], s=0.4, color="0.85")
    for name, tape in lines.items():
        points = tape.points.detach()
        axis.plot(points[:, across], points[:, 1], linewidth=2, label=f"{name} {100 * tape.length.item():.0f} cm")
    axis.set(aspect="equal", xlabel=label, ylabel="y, m")
side.set_xticks([-0.1, 0.1])
side.legend(loc="center left", bbox_to_anchor=(1, 0.5));

# %% [markdown]
# ## Three fits of one photo

# %%
seen = scene.observation(parts=False)
height_m, weight_kg = true["stature"], true["mass"]
fits = {
    "photo": rf.fit_image(seen, clothing="none"),
    "photo + height": rf.fit_image(seen, clothing="none", height_m=height_m),
    "photo + height, weight": rf.fit_image(seen, clothing="none", height_m=height_m, weight_kg=weight_kg),
}


def measured(result):
    """Name → (value, interval) with 90 % intervals."""
    values, jacobian = values_and_jacobian(body, result.parameters.betas, names)
    covariance = measurement_covariance(values[0], jacobian[0], result.betas_covariance, names)
    return dict(zip(names, zip(values[0].tolist(), intervals(values[0], covariance))))


found = {name: measured(result) for name, result in fits.items()}
print(f"{'':12}{'truth':>9}" + "".join(f"{name:>28}" for name in found))
for what in names:
    scale, unit = units[what]
    pairs = [one[what] for one in found.values()]
    cells = [f"{scale * value:7.1f} [{scale * ends.low:5.1f}, {scale * ends.high:5.1f}] {unit}" for value, ends in pairs]
    print(f"{what:12}{scale * true[what]:6.1f} {unit}" + "".join(f"{cell:>28}" for cell in cells))

# %% tags=["picture"]
figure, axes = plt.subplots(1, len(names), figsize=(15, 3.4))
for axis, what in zip(axes, names):
    scale, unit = units[what]
    for place, (name, one) in enumerate(found.items()):
        value, ends = one[what]
        reach = [[scale * (value - ends.low)], [scale * (ends.high - value)]]
        axis.errorbar(place, scale * value, reach, fmt="o", capsize=4, color=f"C{place}", label=name)
    axis.axhline(scale * true[what], color="0.3", linewidth=1, linestyle="--")
    axis.set(title=f"{what}, {unit}", xticks=[], xlim=(-0.6, 2.6))
axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5));

# %% [markdown]
# Bars are 90 % intervals, dashed lines the truth. Without a scale all lengths are unsure together: the person may be
# small and near, or tall and further away. The height takes that away, but the intervals of girths stay wide: the
# clothes hide them. This person is slender under a wide shirt, one of the ten in a hundred whose girths lie outside:
# all of them at once, since their errors move together. The weight adds what the photo does not show: how much body
# there is. It moves bust, waist and hip to the truth, and narrows their intervals.
#
# ## What moves together
#
# Correlations of the errors. With a photo alone everything grows together: it is the size, and then the stoutness.
# Given height and weight, what is left trades off: more at the bust is less at hips and thighs, so that the mass
# stays.

# %%
figure, axes = plt.subplots(1, 3, figsize=(14, 4), sharey=True)
for axis, (name, result) in zip(axes, fits.items()):
    values, jacobian = values_and_jacobian(body, result.parameters.betas, names)
    covariance = measurement_covariance(values[0], jacobian[0], result.betas_covariance, names)
    deviation = covariance.diagonal().sqrt()
    picture = axis.imshow(covariance / deviation[:, None] / deviation, cmap="RdBu_r", vmin=-1, vmax=1)
    axis.set(title=name, xticks=range(len(names)), yticks=range(len(names)), yticklabels=names)
    axis.set_xticklabels(names, rotation=50, ha="right")
    axis.grid(False)
figure.colorbar(picture, ax=axes, shrink=0.8, label="correlation");

# %% [markdown]
# ## The bodies behind the numbers

# %%
turn = about_y(np.pi / 2) @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
figure, axes = plt.subplots(1, 5, figsize=(14, 3.6))
fitted = fits["photo"].output.vertices[0]
axes[0].imshow(overlay(scene.image, fitted, body.faces, scene.camera, renderer, face_parts=body.face_parts))
axes[0].set_title("fit to the photo")
shapes = {name: result.parameters.betas for name, result in fits.items()} | {"the truth": betas}
for axis, (name, one) in zip(axes[1:], shapes.items()):
    mesh = body.rest_vertices(one)[0]
    axis.imshow(side_view(mesh, body.faces, renderer, turn=turn, size_px=400, face_parts=body.face_parts)[:, 80:320])
    axis.set_title(f"{name}, side")
for axis in axes:
    axis.axis("off")

# %% [markdown]
# ## Change and see
#
# - `height_m=true["stature"]` → 5 cm more. The stature follows, girths scale with it, and the interval does *not*
#   contain the truth: a known number is believed.
# - `weight_kg` → 10 kg more: the fit becomes stouter, and narrow intervals miss the truth. → 30 kg: outline and weight
#   disagree, and the report says so (`fits["photo + height, weight"].report.notes`).
# - `terms={"measurement": (1.0, rf.make_term("measurement", {"values_m": {"waist": true["waist"]}}))}`: a tape around
#   the waist, and what it tells about the hips.
# - `seed=2` → others: count how often the truth is inside. docs/measurements.md has the count for 100 people.
