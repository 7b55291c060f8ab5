"""Unposes adults from MakeHuman's rest pose (A-pose, bent elbows) to SMPL's zero pose, each with its own joints.

SMPL's 24 joints are placed in each body so that, once every bone has been turned to its zero direction, bone directions
are SMPL's. The skin is then *unposed*: the zero-pose vertices are those that linear blend skinning maps exactly onto
MakeHuman's artist-made rest pose, so bodies with lowered arms (most photos) look as modelled.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from render_fit.bodies.building.source import Adults
from render_fit.bodies.open_body import PARENTS
from render_fit.core.skeletons import SMPL_24

JOINTS = SMPL_24.joints

# SMPL neutral's mean rest joints, child minus parent in metres (pelvis: absolute), averaged with their mirror image.
# The numbers are tabulated in public code (HybrIK's SMPL_BODY_BONES, MuJoCo's smpl_humanoid.xml).
SMPL_OFFSETS = {
    "pelvis": (0.0, -0.2233, 0.0282),
    "hip": (0.0686, -0.09095, -0.00555),
    "spine1": (0.0, 0.109, -0.0267),
    "knee": (0.0363, -0.3789, -0.0067),
    "spine2": (0.0, 0.1352, 0.0011),
    "ankle": (-0.0147, -0.3982, -0.0430),
    "spine3": (0.0, 0.0529, 0.0254),
    "foot": (0.0259, -0.05195, 0.1213),
    "neck": (0.0, 0.2139, -0.0429),
    "collar": (0.0803, 0.12025, -0.03635),
    "head": (0.0, 0.065, 0.0513),
    "shoulder": (0.0935, 0.03155, -0.0090),
    "elbow": (0.25665, -0.01305, -0.02445),
    "wrist": (0.25225, 0.0084, -0.0034),
    "hand": (0.0843, -0.00715, -0.0126),
}
# MakeHuman's cmu_mb rig: which SMPL joint moves what each bone moves ("{s}" is Left or Right, "{h}" is L or R).
BONE_TO_JOINT = {
    "Hips": "pelvis", "LowerBack": "spine1", "Spine": "spine2", "Spine1": "spine3", "Neck": "neck", "Neck1": "head",
    "Head": "head", "{h}HipJoint": "hip", "{s}UpLeg": "hip", "{s}Leg": "knee", "{s}Foot": "ankle",
    "{s}ToeBase": "foot", "{s}Shoulder": "collar", "{s}Arm": "shoulder", "{s}ForeArm": "elbow", "{s}Hand": "wrist",
    "{h}Thumb": "hand", "{s}FingerBase": "hand", "{s}HandFinger1": "hand",
}  # fmt: skip

# Adjustments of SMPL's directions to MakeHuman's skin (mean adult, metres and degrees; chosen by eye in renderings).
TORSO_PITCH_DEG = 2.0  # SMPL's zero pose leans back relative to MakeHuman's stance
PELVIS_FORWARD_M = 0.0255  # SMPL's pelvis lies in front of MakeHuman's hip line
SHOULDER_BACK_M = 0.012  # SMPL's shoulder lies behind MakeHuman's
COLLAR_SHARE = 0.8  # a collar nearer to the spine needs less shrug to reach SMPL's direction in the T-pose
FOREARM_TWIST_SHARE = 0.5  # share of the hand's twist about the forearm that the elbow takes; the wrist has the rest


@dataclass(frozen=True)
class ZeroPosed:
    """Adults in SMPL's zero pose, pelvis at SMPL's position; metres, y up, z forward, x to the person's left."""

    vertices: np.ndarray  # (n, v, 3)
    joints: np.ndarray  # (n, 24, 3)
    knuckles: dict[str, np.ndarray]  # "<side>_<knuckle>" -> (n, 3)

    def first(self, part: slice) -> "ZeroPosed":
        """Return some of the bodies."""
        knuckles = {name: points[part] for name, points in self.knuckles.items()}
        return ZeroPosed(self.vertices[part], self.joints[part], knuckles)


def joint_weights(bone_weights: np.ndarray, bone_names: list[str]) -> np.ndarray:
    """Merge the rig's skinning weights (v, bones) onto SMPL's 24 joints: (v, 24), rows sum to 1."""
    weights = np.zeros((len(bone_weights), len(JOINTS)))
    for bone, joint in BONE_TO_JOINT.items():
        for side, letter in (("left", "L"), ("right", "R")):
            name = bone.format(s=side.capitalize(), h=letter)
            target = joint if joint in JOINTS else f"{side}_{joint}"
            if name in bone_names and (name != bone or side == "left"):
                weights[:, JOINTS.index(target)] += bone_weights[:, bone_names.index(name)]
    return weights / weights.sum(1, keepdims=True)


def unit(x: np.ndarray) -> np.ndarray:
    """Return vectors (..., 3) at length 1."""
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def frame(along: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Return right-handed frames (n, 3, 3); columns: ``along``, ``towards`` made orthogonal to it, cross product."""
    x = unit(along)
    y = unit(towards - (towards * x).sum(-1, keepdims=True) * x)
    return np.stack([x, y, np.cross(x, y)], -1)


def turn(before: tuple[np.ndarray, np.ndarray], after: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return rotations (n, 3, 3) that map one direction exactly, and a second one as closely as possible."""
    return frame(*np.broadcast_arrays(*after)) @ np.swapaxes(frame(*np.broadcast_arrays(*before)), -1, -2)


def shortest_turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the smallest rotations (n, 3, 3) that map direction a to direction b."""
    a, b = np.broadcast_arrays(unit(a), unit(b))
    axis = np.cross(a, b)
    return turn((a, axis + 1e-12), (b, axis + 1e-12))


def about(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return rotations (n, 3, 3) by ``angle`` (n,) radians about ``axis`` (n, 3)."""
    return Rotation.from_rotvec(unit(axis) * angle[:, None]).as_matrix()


def place_joints(adults: Adults) -> tuple[np.ndarray, np.ndarray]:
    """Return SMPL's joints at MakeHuman's rest (n, 24, 3) and each bone's rotation from rest to zero (n, 24, 3, 3)."""
    bones, n = adults.bones, len(adults.female)
    offset = {name: np.asarray(value) for name, value in SMPL_OFFSETS.items()}
    pitch = about(np.tile([1.0, 0, 0], (n, 1)), np.full(n, -np.radians(TORSO_PITCH_DEG)))  # zero <- rest
    back = np.swapaxes(pitch, -1, -2)
    hips = (bones["LeftUpLeg"] + bones["RightUpLeg"]) / 2
    rise = (bones["Neck"] - hips)[:, 1:2]
    # SMPL's vertical distance from hips to neck is 0.5115 + 0.0910 m; 0.60 puts its neck 3 cm above MakeHuman's.
    scale = rise / 0.60
    joint: dict[str, np.ndarray] = {}
    rotation = {name: pitch for name in JOINTS}

    def carried(name: str, by: np.ndarray) -> np.ndarray:
        return (back @ (by * offset[name])[..., None])[..., 0]

    middle = hips + np.array([0, 0, PELVIS_FORWARD_M])
    wide = np.abs(bones["LeftUpLeg"][:, :1]) / np.abs(bones["LeftUpLeg"][:, :1]).mean()
    joint["pelvis"] = middle - carried("hip", np.concatenate([0 * scale, scale, scale], 1))
    joint["spine1"] = joint["pelvis"] + carried("spine1", scale)
    joint["spine2"] = joint["spine1"] + carried("spine2", scale)
    joint["spine3"] = joint["spine2"] + carried("spine3", scale)
    joint["neck"] = joint["spine3"] + carried("neck", scale)
    joint["head"] = joint["neck"] + carried("head", scale)
    for side, sign, name in (("left", 1.0, "Left"), ("right", -1.0, "Right")):
        flip = np.array([sign, 1.0, 1.0])
        to = {key: value * flip for key, value in offset.items()}
        get = {key: bones[name + key] for key in ("UpLeg", "Leg", "Foot", "ToeBase", "Arm", "ForeArm", "Hand")}
        hip = joint["pelvis"] + flip * carried("hip", np.concatenate([wide, scale, scale], 1))
        thigh = shortest_turn(get["Leg"] - hip, to["knee"])
        shin = shortest_turn(get["Foot"] - get["Leg"], to["ankle"])
        # The foot turns about the vertical only, so that the sole stays flat; its joint follows the direction.
        heading = np.arctan2(to["foot"][0], to["foot"][2])
        heading = heading - np.arctan2(*(get["ToeBase"] - get["Foot"])[:, [0, 2]].T)
        foot = about(np.tile([0, 1.0, 0], (n, 1)), heading)
        reach = np.linalg.norm(get["ToeBase"] - get["Foot"], axis=-1, keepdims=True)
        toes = get["Foot"] + (np.swapaxes(foot, -1, -2) @ (reach * unit(to["foot"]))[..., None])[..., 0]

        collar = joint["spine3"] + flip * carried("collar", COLLAR_SHARE * scale)
        shoulder = get["Arm"] - np.array([0, 0, SHOULDER_BACK_M])
        upper, fore = get["ForeArm"] - shoulder, get["Hand"] - get["ForeArm"]
        hinge, down = np.cross(upper, fore) * sign, np.array([0, -1.0, 0])
        shrug = shortest_turn(shoulder - collar, to["shoulder"])
        arm = turn((upper, hinge), (to["elbow"], down))
        elbow = turn((fore, hinge), (to["wrist"], down))
        k = adults.knuckles[side]
        middle_hand = (k["index"] + k["middle"] + k["ring"] + k["pinky"]) / 4
        wrist = turn((middle_hand - get["Hand"], k["index"] - k["pinky"]), (to["hand"], np.array([0, 0, 1.0])))
        # Part of the hand's twist about the forearm is assigned to the elbow.
        between = wrist @ np.swapaxes(elbow, -1, -2)
        axis = unit(to["wrist"])
        twist = 2 * np.arctan2(
            (_vector_part(between) * axis).sum(-1), np.sqrt(np.maximum(1 + np.trace(between, axis1=1, axis2=2), 0))
        )
        elbow = about(np.tile(axis, (n, 1)), FOREARM_TWIST_SHARE * twist) @ elbow
        for key, where, by in (
            ("hip", hip, thigh), ("knee", get["Leg"], shin), ("ankle", get["Foot"], foot), ("foot", toes, foot),
            ("collar", collar, shrug), ("shoulder", shoulder, arm), ("elbow", get["ForeArm"], elbow),
            ("wrist", get["Hand"], wrist), ("hand", middle_hand, wrist),
        ):  # fmt: skip
            joint[f"{side}_{key}"], rotation[f"{side}_{key}"] = where, by
    return np.stack([joint[j] for j in JOINTS], 1), np.stack([rotation[j] for j in JOINTS], 1)


def _vector_part(rotation: np.ndarray) -> np.ndarray:
    """Return the quaternion's vector part (n, 3), up to the factor that is also in the scalar part's root."""
    w = np.sqrt(np.maximum(1 + np.trace(rotation, axis1=1, axis2=2), 1e-12))[:, None]
    r = rotation
    return np.stack([r[:, 2, 1] - r[:, 1, 2], r[:, 0, 2] - r[:, 2, 0], r[:, 1, 0] - r[:, 0, 1]], -1) / w


def to_zero_pose(adults: Adults, weights: np.ndarray) -> ZeroPosed:
    """Unpose sampled adults to SMPL's zero pose.

    Args:
        adults: sampled adults in MakeHuman's rest pose.
        weights: skinning weights (v, 24).
    """
    rest, rotation = place_joints(adults)
    zero = np.empty_like(rest)
    zero[:, 0] = SMPL_OFFSETS["pelvis"]
    for i, parent in enumerate(PARENTS):
        if parent >= 0:
            zero[:, i] = zero[:, parent] + (rotation[:, parent] @ (rest[:, i] - rest[:, parent])[..., None])[..., 0]
    back = np.swapaxes(rotation, -1, -2)  # zero -> rest: x -> R^T (x - zero) + rest
    shift = rest - (back @ zero[..., None])[..., 0]
    vertices = np.empty_like(adults.vertices)
    for k in range(len(vertices)):
        blended = (weights @ back[k].reshape(24, 9)).reshape(-1, 3, 3)
        vertices[k] = np.linalg.solve(blended, (adults.vertices[k] - weights @ shift[k])[..., None])[..., 0]
    knuckles = {}
    for side in ("left", "right"):
        w = JOINTS.index(f"{side}_wrist")
        for name, where in adults.knuckles[side].items():
            knuckles[f"{side}_{name}"] = zero[:, w] + (rotation[:, w] @ (where - rest[:, w])[..., None])[..., 0]
    return ZeroPosed(vertices, zero, knuckles)
