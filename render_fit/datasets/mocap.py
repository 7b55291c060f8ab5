"""CMU motion capture as poses of SMPL's skeleton, deduplicated and split by subject: for priors, training and tests.

The data used here was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF EIA-0196217.
It is free for all uses; the frames themselves stay out of this repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.transform import Rotation

from render_fit.core.text_files import read_json
from render_fit.datasets.mocap_activities import Activity, classify, trunk_tilt
from render_fit.datasets.mocap_calibration import calibrate_knees
from render_fit.datasets.mocap_formats import BONES, SourceMotion, read_source
from render_fit.datasets.mocap_retargeting import retarget

Split = Literal["train", "held_out", "all"]

FILES = ("cmu_amc_01_02_03_05_88_90.npz", "cmu_expmap_8actions.npz", "cmu_bvh_walkcycles.npz")
"""Order of reading; of two near-equal poses the first one is kept. AMC files are the original format of the database,
the wrists of the expmap file agree with them, those of the BVH file come from another solve."""

HELD_OUT_SUBJECTS = ("02", "07", "08", "10", "39", "expmap_soccer")
"""Subjects that no training uses: 02 walks, runs, jumps, punches, bends and washes; 07, 08 and 39 walk; 10 and the
unnamed footballers of the expmap file (subjects 10 and 11 in CMU's football takes) kick."""

UPRIGHT_DEG = 30.0  # poses with the trunk closer to the vertical determine a subject's straight knee
SAME_POSE_M = 0.03  # two poses of a split with a smaller RMS joint distance count as one
WALKING_SHARE = 0.25  # largest share of walking poses in a split
FPS = 10.0  # frames a second of the files: every twelfth of CMU's recordings

# The expmap file's walking clips are takes of the BVH file shifted by one frame (most joints agree to a degree). Their
# subjects, in the order of the clips' numbers from 13:
_TRAIN_WALKERS = (
    *("08",) * 5 + ("10",) + ("12",) * 3 + ("26", "27", "29") + ("32",) * 2 + ("16",) * 8 + ("38",) * 2 + ("39",) * 10,
    *("43", "45", "46", "47", "49", "55"),
)
_EXPMAP_WALKERS = {
    "test/walking/walking_1": "35",
    **{f"test/walking_extra/walking_{n}": "35" for n in range(6, 24)},
    **{f"train/walking/walking_{n}": subject for n, subject in enumerate(("02", "05", "06", "07", "07"), start=1)},
    **{f"train/walking_extra/walking_{n}": subject for n, subject in enumerate(_TRAIN_WALKERS, start=13)},
}
_AMC_WALKING = ("02_01", "02_02", "03_01", "03_02", "03_03", "03_04")  # 03 walks over uneven ground


@dataclass(frozen=True)
class MocapPoses:
    """Poses on SMPL's skeleton.

    Attributes:
        pose: (n, 24, 3) local axis-angle, radians. The pelvis is relative to a person who stands upright and faces +z
            (SMPL's zero pose), without heading but with lean. Hands (22, 23) are zero.
        subject: n subjects: CMU's number, or ``expmap_<action>`` where the file does not contain it.
        clip: n clip names.
        source: n stems of source files.
        activity: n activities, see `mocap_activities.classify`.
    """

    pose: Float[np.ndarray, "n 24 3"]
    subject: tuple[str, ...]
    clip: tuple[str, ...]
    source: tuple[str, ...]
    activity: tuple[Activity, ...]

    def __len__(self) -> int:
        return len(self.pose)


def load_poses(shared_data_folder: Path, split: Split = "all") -> MocapPoses:
    """Loads the distinct poses of a split from the three motion-capture files, in a fixed order.

    Args:
        shared_data_folder: Folder with `mocap/` and `smpl_rest_bones.json`.
        split: "train", "held_out" (`HELD_OUT_SUBJECTS`), or "all" (train, then held-out, deduplicated separately).

    Returns:
        Poses without broken frames and near-duplicates, with a limited share of walking.

    Raises:
        InputError: if a file is missing or damaged.
        ValueError: if `split` is not one of the three.
    """
    if split not in ("train", "held_out", "all"):
        raise ValueError(f"split: expected 'train', 'held_out' or 'all', got {split!r}")
    recorded = _read_all(Path(shared_data_folder))
    every, subject, clip, source = recorded.pose, recorded.subject, recorded.clip, recorded.source
    offsets, parents = recorded.offsets_m, recorded.parents
    held_out = np.isin(subject, HELD_OUT_SUBJECTS)
    walking = np.array([_is_walking(c) for c in clip])
    positions = joint_positions(every, offsets, parents)
    chosen: list[int] = []
    for member in (~held_out,) if split == "train" else (held_out,) if split == "held_out" else (~held_out, held_out):
        index = np.flatnonzero(member)
        distinct = index[distinct_poses(positions[index], SAME_POSE_M)]
        walks, others = distinct[walking[distinct]], distinct[~walking[distinct]]
        limit = int(len(others) * WALKING_SHARE / (1 - WALKING_SHARE))
        if len(walks) > limit:
            walks = walks[np.linspace(0, len(walks) - 1, limit).round().astype(int)]
        chosen += np.sort(np.concatenate([walks, others])).tolist()
    return MocapPoses(
        pose=every[chosen].astype(np.float32),
        subject=tuple(subject[i] for i in chosen),
        clip=tuple(clip[i] for i in chosen),
        source=tuple(source[i] for i in chosen),
        activity=classify(positions[chosen]),
    )


@dataclass(frozen=True)
class MocapMotion:
    """One clip, in the order of time.

    Attributes:
        pose: (n, 24, 3) local axis-angle, radians; that of the pelvis is in a world with y up. Hands are zero.
        seconds: (n,) time of each frame; frames with defects are left out.
        subject: CMU's number.
    """

    pose: Float[np.ndarray, "n 24 3"]
    seconds: Float[np.ndarray, "n"]
    subject: str


def load_motion(shared_data_folder: Path, clip: str) -> MocapMotion:
    """Loads one clip of the AMC or BVH files, with heading and with times. Positions were not recorded.

    Args:
        shared_data_folder: Folder with `mocap/` and `smpl_rest_bones.json`.
        clip: Name of the clip, such as ``"07_01"``.

    Raises:
        InputError: if a file is missing or damaged.
        ValueError: if there is no such clip.
    """
    recorded = _read_all(Path(shared_data_folder))
    rows = np.array([i for i, name in enumerate(recorded.clip) if name == clip])
    if not len(rows) or "/" in clip:
        raise ValueError(f"clip {clip!r}: not in the AMC and BVH files")
    rows = rows[np.asarray(recorded.source)[rows] == recorded.source[rows[0]]]  # a take may be in two files
    pose = recorded.pose[rows].copy()
    pose[:, 0] = recorded.pelvis_in_world[rows]
    return MocapMotion(pose, (recorded.frame[rows] - recorded.frame[rows[0]]) / FPS, recorded.subject[rows[0]])


@dataclass(frozen=True)
class _Recorded:
    """All frames without defects, of all files, on SMPL's skeleton, with calibrated knees."""

    pose: Float[np.ndarray, "n 24 3"]
    pelvis_in_world: Float[np.ndarray, "n 3"]
    frame: Int[np.ndarray, "n"]
    subject: list[str]
    clip: list[str]
    source: list[str]
    offsets_m: Float[np.ndarray, "24 3"]
    parents: list[int]


def _read_all(folder: Path) -> _Recorded:
    bones = read_json(folder / "smpl_rest_bones.json")
    offsets, parents = np.array(bones["offsets_m"]), bones["parents"]
    pose, pelvis, frame, clip, source = [], [], [], [], []
    for name in FILES:
        motion = read_source(folder / "mocap" / name)
        good = usable_frames(motion)
        retargeted = retarget(motion.rotations[good], offsets, parents)
        pose.append(_remove_heading(retargeted, motion, good))
        pelvis.append(retargeted[:, 0])
        frame.append(np.flatnonzero(good))
        clip += [motion.clip_names[c] for c in motion.clip[good]]
        source += [motion.file] * int(good.sum())
    subject = [_subject(c) for c in clip]
    every = np.concatenate(pose)
    upright = np.degrees(trunk_tilt(joint_positions(every, offsets, parents))) < UPRIGHT_DEG
    every = calibrate_knees(every, subject, upright)
    return _Recorded(every, np.concatenate(pelvis), np.concatenate(frame), subject, clip, source, offsets, parents)


def usable_frames(motion: SourceMotion) -> Bool[np.ndarray, "n"]:
    """Finds the frames without the defects that these files have.

    Defects: a leg or arm in the base pose (unsolved: all of basketball_signal_3 and 4, single frames elsewhere); an
    ankle rotated by more than 75 degrees, a hand or forearm by more than 110 (upside down in 01_12, 05_06, 90_11).

    Args:
        motion: Frames of one file.

    Returns:
        (n,) True where the frame is usable.
    """
    angle = Rotation.from_matrix(motion.rotations.reshape(-1, 3, 3)).magnitude().reshape(-1, len(BONES))
    unsolved = np.any([angle[:, BONES.index(b)] < 1e-4 for b in ("lfemur", "rfemur", "lhumerus", "rhumerus")], axis=0)
    feet = np.any([angle[:, BONES.index(b)] > np.radians(75) for b in ("lfoot", "rfoot")], axis=0)
    hands = np.any([angle[:, BONES.index(b)] > np.radians(110) for b in ("lwrist", "rwrist", "lhand", "rhand")], axis=0)
    return ~np.logical_or.reduce([unsolved, feet, hands])


def distinct_poses(positions_m: Float[np.ndarray, "n 24 3"], threshold_m: float) -> Int[np.ndarray, "m"]:
    """Finds the poses that differ from every earlier kept pose.

    Args:
        positions_m: (n, 24, 3) joint positions.
        threshold_m: Smallest RMS joint distance between two kept poses.

    Returns:
        (m,) ascending indices; the first pose is always kept.
    """
    points = positions_m.reshape(len(positions_m), -1).astype(np.float32) / np.sqrt(positions_m.shape[1])
    squares = (points**2).sum(axis=1)
    kept = np.empty(len(points), dtype=np.int64)
    count = 0
    for start in range(0, len(points), 256):
        block = np.arange(start, min(start + 256, len(points)))
        older = kept[:count]
        far = np.ones(len(block), dtype=bool)
        if count:
            distance = squares[block, None] + squares[None, older] - 2 * points[block] @ points[older].T
            far = distance.min(axis=1) > threshold_m**2
        first = count
        for i in block[far]:
            fresh = kept[first:count]
            if count == first or ((points[fresh] - points[i]) ** 2).sum(axis=1).min() > threshold_m**2:
                kept[count] = i
                count += 1
    return kept[:count].copy()


def joint_positions(
    pose: Float[np.ndarray, "n 24 3"], rest_offsets_m: Float[np.ndarray, "24 3"], parents: list[int]
) -> Float[np.ndarray, "n 24 3"]:
    """Joint positions of a posed skeleton whose pelvis is at the origin.

    Args:
        pose: (n, 24, 3) local axis-angle.
        rest_offsets_m: (24, 3) rest-pose bones, child minus parent, metres.
        parents: 24 parent indices; -1 for the pelvis.

    Returns:
        (n, 24, 3) metres.
    """
    world = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(-1, 24, 3, 3)
    positions = np.zeros((len(pose), 24, 3))
    for joint, parent in enumerate(parents):
        if parent >= 0:
            positions[:, joint] = positions[:, parent] + world[:, parent] @ rest_offsets_m[joint]
            world[:, joint] = world[:, parent] @ world[:, joint]
    return positions


def _remove_heading(pose: np.ndarray, motion: SourceMotion, good: np.ndarray) -> np.ndarray:
    """Removes the heading. Clips of the expmap file whose root flips its sign after half a turn are set upright."""
    pelvis = Rotation.from_rotvec(pose[:, 0])
    quaternion = pelvis.as_quat()
    heading = 2 * np.arctan2(quaternion[:, 1], quaternion[:, 3])
    upright = (Rotation.from_rotvec(-heading[:, None] * np.array([0.0, 1.0, 0.0])) * pelvis).as_rotvec()
    if motion.file.startswith("cmu_expmap"):
        angle = Rotation.from_matrix(motion.rotations[:, 0]).magnitude()
        turned = np.isin(motion.clip, np.unique(motion.clip[angle > 2.5]))[good]
        upright[turned] = 0.0
    return np.concatenate([upright[:, None], pose[:, 1:]], axis=1)


def _subject(clip: str) -> str:
    if clip in _EXPMAP_WALKERS:
        return _EXPMAP_WALKERS[clip]
    return "expmap_" + clip.split("/")[1] if "/" in clip else clip.split("_")[0]


def _is_walking(clip: str) -> bool:
    return (
        "walking" in clip
        if "/" in clip
        else not clip.startswith(("01", "02", "03", "05", "88", "90")) or clip in _AMC_WALKING
    )
