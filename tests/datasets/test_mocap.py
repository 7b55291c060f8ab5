"""Motion capture on SMPL's skeleton: files agree with each other and with CMU's tables, and poses are plausible."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.mocap import (
    HELD_OUT_SUBJECTS,
    MocapPoses,
    distinct_poses,
    joint_positions,
    load_motion,
    load_poses,
    usable_frames,
)
from render_fit.datasets.mocap_formats import BONES, SourceMotion, global_rotations, read_source, twist_angle
from render_fit.datasets.mocap_retargeting import retarget, shortest_rotation

PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
OFFSETS_M = np.array(  # SMPL neutral's rest bones, as public code tabulates them; pelvis at the origin
    [
        *[(0, 0, 0), (0.0695, -0.0914, -0.0068), (-0.0677, -0.0905, -0.0043), (-0.0025, 0.109, -0.0267)],
        *[(0.0343, -0.3752, -0.0045), (-0.0383, -0.3826, -0.0089), (0.0055, 0.1352, 0.0011)],
        *[(-0.0136, -0.398, -0.0437), (0.0158, -0.3984, -0.0423), (0.0015, 0.0529, 0.0254)],
        *[(0.0264, -0.0558, 0.1193), (-0.0254, -0.0481, 0.1233), (-0.0028, 0.2139, -0.0429)],
        *[(0.0788, 0.1217, -0.0341), (-0.0818, 0.1188, -0.0386), (0.0052, 0.065, 0.0513)],
        *[(0.091, 0.0305, -0.0089), (-0.096, 0.0326, -0.0091), (0.2596, -0.0128, -0.0275)],
        *[(-0.2537, -0.0133, -0.0214), (0.2492, 0.009, -0.0012), (-0.2553, 0.0078, -0.0056)],
        *[(0.084, -0.0082, -0.0149), (-0.0846, -0.0061, -0.0103)],
    ]
)

# Directions in CMU's base pose (any ASF file: legs 20 degrees out, arms along x) of the bones that limbs follow.
LEG = np.array([np.sin(np.radians(20)), -np.cos(np.radians(20)), 0.0])
MIRROR = np.array([-1.0, 1.0, 1.0])
ALONG = np.array([1.0, 0.0, 0.0])
LIMBS = {  # bone that ends in this joint: CMU bone, its direction, allowed error (legs: see mocap_retargeting)
    "left_knee": ("lfemur", LEG, 4.2),
    "left_ankle": ("ltibia", LEG, 4.2),
    "left_elbow": ("lhumerus", ALONG, 0.01),
    "left_wrist": ("lradius", ALONG, 0.01),
    "left_hand": ("lhand", ALONG, 0.01),
    "right_knee": ("rfemur", LEG * MIRROR, 4.2),
    "right_ankle": ("rtibia", LEG * MIRROR, 4.2),
    "right_elbow": ("rhumerus", ALONG * MIRROR, 0.01),
    "right_wrist": ("rradius", ALONG * MIRROR, 0.01),
    "right_hand": ("rhand", ALONG * MIRROR, 0.01),
}
FILES = ("cmu_amc_01_02_03_05_88_90", "cmu_bvh_walkcycles", "cmu_expmap_8actions")


def degrees_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.degrees(np.arccos(cosine.clip(-1, 1)))


def bone(pose: np.ndarray, joint: str) -> np.ndarray:
    """World direction of the bone that ends in a joint."""
    positions, index = joint_positions(pose, OFFSETS_M, list(PARENTS)), SMPL_24.index(joint)
    return positions[:, index] - positions[:, PARENTS[index]]


def at_rest(n: int = 1) -> np.ndarray:
    return np.tile(np.eye(3), (n, 31, 1, 1))


def turned(name: str, axis: str, degrees: float) -> np.ndarray:
    rotations = at_rest()
    rotations[0, BONES.index(name)] = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
    return rotations


@pytest.fixture(scope="module")
def motions(shared_data: Path) -> dict[str, SourceMotion]:
    return {file: read_source(shared_data / "mocap" / f"{file}.npz") for file in FILES}


@pytest.fixture(scope="module")
def splits(shared_data: Path) -> dict[str, MocapPoses]:
    return {split: load_poses(shared_data, split) for split in ("train", "held_out", "all")}


def test_base_pose_stands_with_arms_out_and_legs_apart() -> None:
    pose = retarget(at_rest(), OFFSETS_M, PARENTS)
    for joint, (_, direction, limit) in LIMBS.items():
        assert degrees_between(bone(pose, joint)[0], direction) < limit, joint
    legs = bone(pose, "left_knee") + bone(pose, "left_ankle"), bone(pose, "right_knee") + bone(pose, "right_ankle")
    for leg, direction in zip(legs, (LEG, LEG * MIRROR), strict=True):
        assert degrees_between(leg[0] * [1, 1, 0], direction) < 0.5
    assert np.degrees(pose[0, 0]) == pytest.approx([0, 0, 0], abs=1e-6)
    assert pose[0, 22:] == pytest.approx(np.zeros((2, 3)), abs=1e-6)


@pytest.mark.parametrize(
    ("source", "axis", "degrees", "joint", "component", "sign"),
    [  # axes of CMU's hinges: knees about x in the leg's frame, elbows about (0, -+0.87, +-0.5)
        ("ltibia", "x", 60, "left_knee", 0, 1),
        ("rtibia", "x", 60, "right_knee", 0, 1),
        ("lfemur", "x", -60, "left_hip", 0, -1),
        ("head", "y", 40, "head", 1, 1),
        ("lfoot", "x", 30, "left_ankle", 0, 1),
        ("rtoes", "x", -30, "right_foot", 0, -1),
    ],
)
def test_bends_arrive_at_the_right_joint(source, axis, degrees, joint, component, sign) -> None:
    before = retarget(at_rest(), OFFSETS_M, PARENTS)[0]
    after = retarget(turned(source, axis, degrees), OFFSETS_M, PARENTS)[0]
    change = after - before
    index = SMPL_24.index(joint)
    assert sign * change[index, component] == pytest.approx(np.radians(abs(degrees)), rel=0.15)
    others = [j for j in range(24) if j != index]
    assert np.abs(change[others]).max() < 1e-6


@pytest.mark.parametrize(("side", "sign"), [("left", -1.0), ("right", 1.0)])
def test_elbows_bend_about_y_alone(side: str, sign: float) -> None:
    """CMU's elbow axis is tilted by 30 degrees; SMPL's is y (SMPLify's elbow prior uses only y)."""
    rotations = at_rest()
    axis = np.array([0.0, sign * np.cos(np.radians(30)), -sign * np.sin(np.radians(30))])
    rotations[0, BONES.index(f"{side[0]}radius")] = Rotation.from_rotvec(1.2 * axis).as_matrix()
    local = Rotation.from_rotvec(retarget(rotations, OFFSETS_M, PARENTS)[0, SMPL_24.index(f"{side}_elbow")])
    straight = Rotation.from_rotvec(retarget(at_rest(), OFFSETS_M, PARENTS)[0, SMPL_24.index(f"{side}_elbow")])
    bend = (local * straight.inv()).as_rotvec()
    assert bend == pytest.approx([0, sign * 1.2, 0], abs=0.08)  # SMPL's upper arm is 6 degrees off the x axis


def test_forearm_twist_is_shared_between_elbow_and_wrist() -> None:
    rest = retarget(at_rest(), OFFSETS_M, PARENTS)[0]
    twisted = retarget(turned("lwrist", "x", 60), OFFSETS_M, PARENTS)[0]
    for joint in ("left_elbow", "left_wrist"):
        index = SMPL_24.index(joint)
        turn = Rotation.from_rotvec(twisted[index]) * Rotation.from_rotvec(rest[index]).inv()
        assert np.degrees(turn.magnitude()) == pytest.approx(30, abs=1)


def test_collar_follows_a_raised_arm() -> None:
    pose = retarget(turned("lhumerus", "z", 80), OFFSETS_M, PARENTS)[0]
    assert np.degrees(pose[SMPL_24.index("left_collar")]) == pytest.approx([0, 0, 16], abs=1e-6)
    assert np.degrees(pose[SMPL_24.index("right_collar")]) == pytest.approx([0, 0, 0], abs=1e-6)


def test_twist_angle_and_shortest_rotation() -> None:
    rotation = Rotation.from_euler("x", 130, degrees=True) * Rotation.from_euler("z", 40, degrees=True)
    assert np.degrees(twist_angle(rotation.as_matrix()[None], ALONG)[0]) == pytest.approx(130)
    a, b = np.array([0.3, -0.2, 0.9]), np.array([-1.0, 0.5, 0.1])
    moved = shortest_rotation(a, b) @ a
    assert degrees_between(moved, b) < 1e-5
    assert shortest_rotation(a, 2 * a) == pytest.approx(np.eye(3))


def test_unsolved_and_broken_frames_are_dropped() -> None:
    rng = np.random.default_rng(0)
    rotations = Rotation.from_rotvec(0.1 + 0.1 * rng.random((6 * 31, 3))).as_matrix().reshape(6, 31, 3, 3)
    rotations[1, BONES.index("rfemur")] = np.eye(3)
    rotations[3, BONES.index("lfoot")] = Rotation.from_euler("z", 160, degrees=True).as_matrix()
    rotations[4, BONES.index("rwrist")] = Rotation.from_euler("x", 150, degrees=True).as_matrix()
    motion = SourceMotion(rotations, np.zeros(6, dtype=np.int64), ("01_01",), "cmu_amc_test")
    assert usable_frames(motion).tolist() == [True, False, True, False, False, True]


def test_distinct_poses_are_far_from_each_other_and_near_all() -> None:
    rng = np.random.default_rng(1)
    positions = rng.normal(size=(40, 24, 3))[rng.integers(0, 40, 700)] + rng.normal(scale=0.002, size=(700, 24, 3))
    kept = distinct_poses(positions, 0.03)
    distance = np.sqrt(((positions[:, None] - positions[None, kept]) ** 2).sum(-1).mean(-1))
    assert distance.min(axis=1).max() < 0.03
    among = distance[kept] + np.eye(len(kept))
    assert among.min() > 0.03
    assert len(kept) == 40 and kept[0] == 0


def test_unknown_files_and_splits_are_errors(tmp_path: Path) -> None:
    np.savez(tmp_path / "motion.npz", rotvec=np.zeros((1, 31, 3)), clip=np.zeros(1), clip_names=np.array(["a"]))
    with pytest.raises(ValueError, match=r"motion\.npz"):
        read_source(tmp_path / "motion.npz")
    with pytest.raises(Exception, match="test"):
        load_poses(tmp_path, "test")  # pyright: ignore[reportArgumentType]


def test_rest_bones_here_are_those_of_the_shared_table(shared_data: Path) -> None:
    table = json.loads((shared_data / "smpl_rest_bones.json").read_text())
    assert OFFSETS_M[1:] == pytest.approx(np.array(table["offsets_m"])[1:])
    assert list(PARENTS) == table["parents"]


def test_amc_file_agrees_with_the_public_bvh_conversion(motions) -> None:
    """Frame 1 of take 01_04 in the public BVH conversion (cgspeed): Euler angles z, y, x in degrees."""
    motion = motions["cmu_amc_01_02_03_05_88_90"]
    frame = motion.rotations[np.flatnonzero(motion.clip == motion.clip_names.index("01_04"))[0]]
    for name, angles in {
        "root": (-72.42, -83.9566, 74.6653),
        "lfemur": (-12.199, -1.2235, -4.8387),
        "ltibia": (2.3373, 9.5359, 27.4867),
        "lfoot": (1.3646, -1.0613, -21.7707),
        "rfemur": (29.699, 4.4553, -3.3868),
        "thorax": (2.704, -0.8341, -2.6981),
        "head": (0.5209, -4.0604, 5.159),
        "lhumerus": (-49.179, -48.1133, 19.0542),
        "lradius": (148.4956, -42.1485, -107.593),
        "lwrist": (0, 0, 11.4378),
        "rhumerus": (86.3491, 0.6892, 20.2719),
        "rhand": (-18.8627, -23.1682, 7.6556),
    }.items():
        expected = Rotation.from_euler("ZYX", angles, degrees=True)
        difference = expected.inv() * Rotation.from_matrix(frame[BONES.index(name)])
        assert np.degrees(difference.magnitude()) < 0.01, name


def test_the_same_takes_agree_between_files(motions) -> None:
    """Three readings of 02_01, and 16_15 in two files a frame apart: legs, trunk, head and shoulders to two degrees."""
    same = [j for j in range(1, 22) if "wrist" not in SMPL_24.joints[j] and "elbow" not in SMPL_24.joints[j]]

    def local(file: str, clip: str) -> np.ndarray:
        motion = motions[file]
        pose = retarget(motion.rotations[motion.clip == motion.clip_names.index(clip)], OFFSETS_M, PARENTS)
        return Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(-1, 24, 3, 3)

    amc, bvh, expmap = FILES
    for a, b, limit in (
        (local(amc, "02_01"), local(bvh, "02_01"), 0.01),
        (local(bvh, "16_15")[1:], local(expmap, "train/walking_extra/walking_27"), 4.0),
    ):
        n = min(len(a), len(b))
        assert n >= 25
        relative = (np.swapaxes(a[:n, same], -1, -2) @ b[:n, same]).reshape(-1, 3, 3)
        angle = np.degrees(Rotation.from_matrix(relative).magnitude()).reshape(n, -1)
        assert angle.max() < 3 * limit
        assert np.median(angle) < limit / 2


@pytest.mark.parametrize("file", FILES)
def test_bone_directions_are_those_of_the_source(motions, file: str) -> None:
    """Arms exactly, legs within 4 degrees, hips-to-neck within 5 in 99 % of frames (table in docs/pose_prior.md)."""
    motion = motions[file]
    rotations = motion.rotations[usable_frames(motion)]
    world, pose = global_rotations(rotations), retarget(rotations, OFFSETS_M, PARENTS)
    for joint, (source, direction, limit) in LIMBS.items():
        error = degrees_between(bone(pose, joint), world[:, BONES.index(source)] @ direction)
        assert error.max() < limit, joint

    def moved(name: str, offset: tuple[float, float, float]) -> np.ndarray:
        return world[:, BONES.index(name)] @ np.array(offset)

    # subject 02's skeleton (the published 38-node table), thorax as long as the other two vertebral bones
    neck = moved("lowerback", (0.0196, 2.0545, -0.1411)) + moved("upperback", (0.0102, 2.0644, -0.0592))
    trunk = neck + moved("thorax", (0, 2.06, 0)) - moved("root", (0.023, -1.803, 0.625))
    positions = joint_positions(pose, OFFSETS_M, list(PARENTS))
    error = degrees_between(positions[:, 12] - (positions[:, 1] + positions[:, 2]) / 2, trunk)
    assert np.quantile(error, 0.99) < 5 and error.max() < 8
    assert degrees_between(positions[:, 1] - positions[:, 2], moved("root", (1, 0, 0))).max() < 2


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_people_bend_the_right_way_and_stand_on_flat_feet(splits, split: str) -> None:
    pose = splits[split].pose.astype(np.float64)
    assert np.quantile(pose[:, SMPL_24.index("left_knee"), 0], 0.01) > -0.2
    assert np.quantile(pose[:, SMPL_24.index("right_knee"), 0], 0.01) > -0.2
    assert np.quantile(pose[:, SMPL_24.index("left_elbow"), 1], 0.99) < 0.05
    assert np.quantile(pose[:, SMPL_24.index("right_elbow"), 1], 0.01) > -0.05
    assert np.abs(np.median(pose[:, [4, 5], 1:], axis=0)).max() < 0.02  # knees bend about x alone
    world = Rotation.from_rotvec(pose[:, 0]).as_matrix()
    for joint in ("spine1", "spine2", "spine3", "neck", "head"):
        world = world @ Rotation.from_rotvec(pose[:, SMPL_24.index(joint)]).as_matrix()
    upright = np.degrees(np.arccos(Rotation.from_rotvec(pose[:, 0]).as_matrix()[:, 1, 1])) < 15
    gaze = np.degrees(np.arcsin(world[upright][:, 1, 2]))
    assert abs(np.median(gaze)) < 12  # level; single subjects look down or up by 15
    straight = upright & (np.abs(pose[:, [4, 5], 0]).max(axis=1) < 0.35)
    for chain in ((1, 4, 7), (2, 5, 8)):
        foot = Rotation.from_rotvec(pose[straight][:, 0]).as_matrix()
        for joint in chain:
            foot = foot @ Rotation.from_rotvec(pose[straight][:, joint]).as_matrix()
        sole = np.degrees(np.arccos(foot[:, 1, 1].clip(-1, 1)))
        assert np.quantile(sole, 0.25) < 8  # a quarter at least stand flat, the others step


def test_splits_are_disjoint_distinct_and_repeatable(splits) -> None:
    train, held_out, everything = splits["train"], splits["held_out"], splits["all"]
    assert set(held_out.subject) == set(HELD_OUT_SUBJECTS)
    assert not set(train.subject) & set(held_out.subject)
    assert not set(train.clip) & set(held_out.clip)
    assert len(train) > 6000 and len(held_out) > 1000
    # Products of matrices round differently for batches of different sizes.
    np.testing.assert_allclose(everything.pose, np.concatenate([train.pose, held_out.pose]), rtol=0, atol=1e-6)
    for poses in (train, held_out):
        walking = [
            clip
            for clip, source in zip(poses.clip, poses.source, strict=True)
            if "walking" in clip or "bvh" in source or clip in ("02_01", "02_02") or clip.startswith("03_")
        ]
        assert 0.2 < len(walking) / len(poses) < 0.26
        positions = joint_positions(poses.pose[::5], OFFSETS_M, list(PARENTS)).reshape(len(poses.pose[::5]), -1)
        assert cdist(positions, positions)[np.triu_indices(len(positions), 1)].min() > 0.0299 * np.sqrt(24)
        heading = Rotation.from_rotvec(poses.pose[:, 0]).as_quat()
        assert np.abs(heading[:, 1]).max() < 1e-3
        assert np.isfinite(poses.pose).all() and not poses.pose[:, 22:].any()


def test_a_motion_has_times_and_heading(shared_data: Path):
    motion = load_motion(shared_data, "02_05")
    assert motion.subject == "02" and len(motion.pose) == len(motion.seconds) == 155
    np.testing.assert_allclose(np.diff(motion.seconds), 0.1)
    poses = load_poses(shared_data, "held_out")
    same = [i for i, clip in enumerate(poses.clip) if clip == "02_05"]
    # the poses are those of the bank, whose pelvis lost its heading
    distance = np.abs(motion.pose[:, None, 1:] - poses.pose[same][None, :, 1:]).max(axis=(2, 3)).min(axis=0)
    assert distance.max() < 1e-5
    front = Rotation.from_rotvec(motion.pose[:, 0]).apply([0.0, 0.0, 1.0])
    assert np.abs(front[:, [0, 2]]).max() > 0.9


@pytest.mark.parametrize("clip", ["02_99", "test/walking/walking_1"])
def test_a_motion_that_is_not_there_is_a_mistake(clip: str, shared_data: Path):
    with pytest.raises(ValueError, match="not in the AMC and BVH files"):
        load_motion(shared_data, clip)
