"""Reads BVH and poses its skeleton, apart from the code that writes it.

Source: Meredith and Maddock 2001, "Motion capture file formats explained", section 3: a joint's transform is that of
its parent, then its offset and position channels, then its rotations in the order of the channels.
"""

from __future__ import annotations

import numpy as np


def read_bvh(text: str) -> tuple[dict[str, np.ndarray], float]:
    """World positions (frames, 3) by joint, in the file's unit; end sites as ``<joint> end``; and the frame time."""
    words = text.split()
    joints, stack, at = [], [], 1
    assert words[0] == "HIERARCHY"
    while words[at] != "MOTION":
        word = words[at]
        if word in ("ROOT", "JOINT", "End"):
            name = f"{joints[stack[-1]]['name']} end" if word == "End" else words[at + 1]
            joints.append({"name": name, "parent": stack[-1] if stack else None, "channels": []})
            at += 2
        elif word == "{":
            stack.append(len(joints) - 1)
            at += 1
        elif word == "}":
            stack.pop()
            at += 1
        elif word == "OFFSET":
            joints[stack[-1]]["offset"] = np.array(words[at + 1 : at + 4], float)
            at += 4
        elif word == "CHANNELS":
            count = int(words[at + 1])
            joints[stack[-1]]["channels"] = words[at + 2 : at + 2 + count]
            at += 2 + count
        else:
            raise AssertionError(f"unexpected {word}")
    assert not stack and words[at + 1] == "Frames:" and words[at + 3 : at + 5] == ["Frame", "Time:"]
    frames, seconds = int(words[at + 2]), float(words[at + 5])
    values = np.array(words[at + 6 :], float).reshape(frames, -1)
    assert values.shape[1] == sum(len(joint["channels"]) for joint in joints)
    positions, matrices, column = {}, [], 0
    for joint in joints:
        world = np.tile(np.eye(4), (frames, 1, 1)) if joint["parent"] is None else matrices[joint["parent"]].copy()
        world = world @ moved(np.tile(joint["offset"], (frames, 1)))
        for channel in joint["channels"]:
            axis, kind = "XYZ".index(channel[0]), channel[1:]
            value = values[:, column]
            world = world @ (moved(np.eye(3)[axis] * value[:, None]) if kind == "position" else turned(axis, value))
            column += 1
        matrices.append(world)
        positions[joint["name"]] = world[:, :3, 3]
    return positions, seconds


def moved(shift: np.ndarray) -> np.ndarray:
    matrix = np.tile(np.eye(4), (len(shift), 1, 1))
    matrix[:, :3, 3] = shift
    return matrix


def turned(axis: int, degrees: np.ndarray) -> np.ndarray:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.tile(np.eye(4), (len(degrees), 1, 1))
    matrix[:, first, first] = matrix[:, second, second] = cosine
    matrix[:, second, first], matrix[:, first, second] = sine, -sine
    return matrix
