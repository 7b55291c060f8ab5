"""Who is the same person in a video: crossings, gaps, newcomers, missed people, errors of observers."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from render_fit.core.errors import InputError, NoPersonError
from render_fit.observations.appearance import Appearance, difference
from render_fit.observations.tracking import Detection, Track, choose_track, track_people, unsure_note

SIZE = (480, 854)
FPS = 30.0


def clothes(seed, noise=0.0, rng=None):
    """Colours of a person: a few bins, with the noise of an observer."""
    halves = []
    for half in range(2):
        values = np.random.default_rng(10 * seed + half).dirichlet(np.full(216, 0.05))
        if noise:
            values = (1 - noise) * values + noise * rng.dirichlet(np.full(216, 0.05))
        halves.append(values.astype(np.float32))
    return Appearance(*halves)


class Walker:
    """A person who walks sideways, with swinging limbs; `rng`: errors of the observer."""

    def __init__(self, seed, x, speed, height=240.0, looks=True, start=0.0):
        self.seed, self.x, self.speed, self.height, self.looks, self.start = seed, x, speed, height, looks, start
        self.rng = np.random.default_rng(seed)
        self.skeleton = np.random.default_rng(5).uniform([-0.15, 0.05], [0.15, 0.95], (17, 2))

    def at(self, time):
        x = self.x + self.speed * (time - self.start)
        swing = 0.05 * np.sin(6 * time + np.arange(17))[:, None] * np.array([1.0, 0.2])
        points = (self.skeleton + swing) * self.height + [x, 150.0] + self.rng.normal(0, 0.01 * self.height, (17, 2))
        confidence = np.where(self.rng.random(17) < 0.8, 0.9, 0.2)
        box = tuple(map(float, (*points.min(axis=0), *np.ptp(points, axis=0))))
        seen = clothes(self.seed, 0.03, self.rng) if self.looks else Appearance()
        return Detection(box, points.astype(np.float32), confidence.astype(np.float32), seen)


def tracked(frames, times, size=SIZE):
    """Tracks of frames whose people are pairs of who it is and the detection; for each track who it is, per frame."""
    shuffled = np.random.default_rng(0)
    frames = [[people[i] for i in shuffled.permutation(len(people))] for people in frames]
    tracks = track_people([[one for _, one in people] for people in frames], [float(t) for t in times], size)
    for track in tracks:
        assert list(track.frames) == sorted(set(track.frames))
        for frame, person, one in zip(track.frames, track.people, track.detections, strict=True):
            assert frames[frame][person][1] is one
    return [
        {frame: frames[frame][person][0] for frame, person in zip(track.frames, track.people, strict=True)}
        for track in tracks
    ], tracks


def who(track):
    return set(track.values())


@pytest.mark.parametrize("looks", [True, False], ids=["dressed differently", "no clothes known"])
def test_two_people_who_cross_keep_their_tracks(looks):
    times = np.arange(60) / FPS
    a, b = Walker(1, 200, 200, looks=looks), Walker(2, 600, -200, looks=looks, height=220)
    found, _ = tracked([[("a", a.at(t)), ("b", b.at(t))] for t in times], times)
    assert [len(track) for track in found] == [60, 60] and {*map(frozenset, map(who, found))} == {
        frozenset("a"),
        frozenset("b"),
    }


def test_velocity_decides_between_people_who_look_the_same():
    times = np.arange(0, 2, 0.1)
    a, b = Walker(1, 200, 200, looks=False), Walker(2, 590, -200, looks=False)
    found, _ = tracked([[("a", a.at(t)), ("b", b.at(t))] for t in times], times)
    assert [len(track) for track in found] == [20, 20] and all(len(who(track)) == 1 for track in found)


def test_clothes_decide_where_people_turn_round_at_their_meeting():
    times = np.arange(0, 4, 0.2)
    a, b = Walker(1, 200, 150), Walker(2, 500, -150)

    def meeting(t, looks):
        # they meet after one second and go back
        frame = [("a", a.at(1 - abs(t - 1))), ("b", b.at(1 - abs(t - 1)))]
        return [(name, one if looks else Detection(one.box, one.keypoints_px, one.confidence)) for name, one in frame]

    found, _ = tracked([meeting(t, True) for t in times], times)
    assert [len(track) for track in found] == [20, 20] and all(len(who(track)) == 1 for track in found)
    # places alone are not enough there, so the clothes are what keeps them apart
    found, tracks = tracked([meeting(t, False) for t in times], times)
    assert any(len(who(track)) == 2 for track in found) or any(track.unsure for track in tracks)


def test_a_hidden_person_continues_the_track():
    times = np.arange(90) / FPS
    a, b = Walker(1, 100, 150), Walker(2, 380, 0, height=300)
    frames = [[("b", b.at(t))] if 30 <= i < 60 else [("a", a.at(t)), ("b", b.at(t))] for i, t in enumerate(times)]
    found, tracks = tracked(frames, times)
    assert len(found) == 2 and who(found[0]) == {"b"} and len(found[0]) == 90
    assert who(found[1]) == {"a"} and len(found[1]) == 60
    assert tracks[1].person_in(45) is None and tracks[1].person_in(60) is not None


def test_who_comes_back_after_long_is_known_by_the_clothes_only():
    times = [*np.arange(15) / FPS, *(20 + np.arange(15) / FPS)]
    a, c = Walker(1, 200, 0), Walker(3, 500, 0)
    back = [[("a", a.at(t))] if t < 10 else [("a", Walker(1, 600, 0).at(t))] for t in times]
    assert [who(track) for track in tracked(back, times)[0]] == [{"a"}]
    other = [[("a", a.at(t))] if t < 10 else [("c", c.at(t))] for t in times]
    assert sorted("".join(who(track)) for track in tracked(other, times)[0]) == ["a", "c"]
    # nothing known of the clothes, and so long after: no reason to think that it is the same person
    unknown = [[(name, Detection(one.box, one.keypoints_px, one.confidence)) for name, one in f] for f in back]
    assert len(tracked(unknown, times)[0]) == 2


@pytest.mark.parametrize("n_seen", [1, 2])
def test_who_was_seen_once_only_is_forgotten_after_a_while(n_seen):
    times = [*np.arange(10) / FPS, 1.0, 20.0]
    a, b = Walker(1, 200, 0), Walker(2, 600, 0)
    frames = [[("b", b.at(t))] + ([("a", a.at(t))] if i < n_seen or i == 11 else []) for i, t in enumerate(times)]
    found, _ = tracked(frames, times)
    assert sorted(len(track) for track in found) == ([1, 1, 12] if n_seen == 1 else [3, 12])


def test_a_newcomer_gets_a_track_even_if_dressed_alike():
    times = np.arange(60) / FPS
    a, b = Walker(1, 200, 50), Walker(1, 800, -100)
    frames = [[("a", a.at(t))] + ([("b", b.at(t))] if i >= 20 else []) for i, t in enumerate(times)]
    found, _ = tracked(frames, times)
    assert [(len(track), who(track)) for track in found] == [(60, {"a"}), (40, {"b"})]


def test_missed_people_and_false_detections_do_not_break_a_track():
    rng, times = np.random.default_rng(4), np.arange(120) / FPS
    a, frames = Walker(1, 100, 120), []
    for i, t in enumerate(times):
        people = [] if rng.random() < 0.3 and i else [("a", a.at(t))]
        if rng.random() < 0.2:
            people.append(("noise", Walker(100 + i, rng.uniform(50, 800), 0, height=rng.uniform(40, 200)).at(t)))
        frames.append(people)
    found, tracks = tracked(frames, times)
    assert who(found[0]) == {"a"} and len(found[0]) == sum("a" in dict(people) for people in frames)
    assert choose_track(tracks) is tracks[0]


@pytest.mark.parametrize("every", [1, 5, 15])
def test_fewer_frames_a_second(every):
    times = np.arange(0, 120, every) / FPS
    a, b = Walker(1, 100, 130), Walker(2, 700, -130)
    found, _ = tracked([[("a", a.at(t)), ("b", b.at(t))] for t in times], times)
    assert [len(track) for track in found] == [len(times)] * 2 and all(len(who(track)) == 1 for track in found)


def test_a_cut_of_the_scene_is_bridged_by_the_clothes():
    times = np.arange(40) / FPS
    a, closer = Walker(1, 200, 0), Walker(1, 600, 0, height=320)
    found, _ = tracked([[("a", (a if i < 20 else closer).at(t))] for i, t in enumerate(times)], times)
    assert [len(track) for track in found] == [40]
    found, _ = tracked(
        [[("ab"[i >= 20], (a if i < 20 else Walker(2, 600, 0)).at(t))] for i, t in enumerate(times)], times
    )
    assert sorted("".join(who(track)) for track in found) == ["a", "b"]


def test_who_comes_as_another_goes_is_another_even_if_dressed_alike():
    # as dark jackets are: the difference is that of a real man and woman of a street photo
    rng, times = np.random.default_rng(2), np.arange(10) / 5
    a, b = Walker(1, 80, 0), Walker(1, 500, 0, height=260)
    like_a = replace(b.at(0), appearance=clothes(1, 0.12, rng))
    assert 0.05 < difference(a.at(0).appearance, like_a.appearance) < 0.08
    found, _ = tracked([[("a", a.at(t))] if i < 5 else [("b", like_a)] for i, t in enumerate(times)], times)
    assert [who(track) for track in found] in ([{"a"}, {"b"}], [{"b"}, {"a"}])


def test_clothes_of_a_person_in_front_are_not_learnt():
    times = [*np.arange(40) / FPS, 15.0]
    a, b = Walker(1, 300, 0), Walker(2, 300, 0, height=260)
    frames = []
    for i, t in enumerate(times[:-1]):
        seen = a.at(t) if i < 10 else replace(a.at(t), appearance=b.at(t).appearance)
        frames.append([("a", seen)] + ([("b", b.at(t))] if i >= 10 else []))
    frames.append([("a", Walker(1, 700, 0).at(15.0))])
    found, _ = tracked(frames, times)
    assert len(found) == 2 and all(len(who(track)) == 1 for track in found)
    assert sorted(len(track) for track in found) == [30, 41]


def test_boxes_alone_are_enough():
    times = np.arange(30) / FPS
    boxes = [((100 + 5 * i, 100, 80, 240), (600 - 5 * i, 120, 70, 220)) for i in range(30)]
    frames = [[("ab"[k], Detection(tuple(map(float, box)))) for k, box in enumerate(pair)] for pair in boxes]
    found, _ = tracked(frames, times)
    assert [who(track) for track in found] == [{"a"}, {"b"}]


def test_empty_frames_and_videos():
    assert track_people([], [], SIZE) == [] and track_people([[], []], [0.0, 0.1], SIZE) == []
    with pytest.raises(NoPersonError, match="no person found"):
        choose_track([])
    one = track_people([[], [Walker(1, 100, 0).at(0)]], [0.0, 0.1], SIZE)
    assert (one[0].frames, one[0].people) == ((1,), (0,))


def test_the_choice_by_number():
    times = np.arange(10) / FPS
    large, small = Walker(1, 200, 0, height=300), Walker(2, 600, 0, height=100)
    _, tracks = tracked([[("s", small.at(t)), ("l", large.at(t))] for t in times], times)
    assert choose_track(tracks, 0) is choose_track(tracks, "largest") is tracks[0]
    assert tracks[0].detections[0].size_px > 200 > choose_track(tracks, 1).detections[0].size_px
    for number in (2, -1):
        with pytest.raises(InputError, match=f"person {number}: found 2 people, numbered from 0"):
            choose_track(tracks, number)


def test_what_is_unsure_is_told():
    # two people in the same clothes, close together, seen every half second
    times = np.arange(0, 5, 0.5)
    rng = np.random.default_rng(0)
    frames = [
        [(name, Walker(1, x + rng.uniform(-100, 100), 0, height=200).at(t)) for name, x in (("a", 300), ("b", 340))]
        for t in times
    ]
    assert any(track.unsure for track in tracked(frames, times)[1])
    far = [[(name, Walker(1, x, 0).at(t)) for name, x in (("a", 100), ("b", 700))] for t in times]
    assert not any(track.unsure for track in tracked(far, times)[1])
    assert isinstance(tracked(far, times)[1][0], Track)


def test_the_order_of_people_does_not_matter():
    times = np.arange(20) / FPS
    a, b, c = Walker(1, 100, 100), Walker(2, 400, -60), Walker(3, 700, 0)
    frames = [[one.at(t) for one in (a, b, c)] for t in times]
    expected = {frozenset(id(one) for one in track.detections) for track in track_people(frames, times.tolist(), SIZE)}
    for order in itertools.permutations(range(3)):
        mixed = [[people[i] for i in order] for people in frames]
        found = track_people(mixed, times.tolist(), SIZE)
        assert {frozenset(id(one) for one in track.detections) for track in found} == expected


def test_a_note_names_the_unsure_images():
    names = [f"{i:03d}" for i in range(9)]
    assert unsure_note(Track((0, 1), (0, 0), ()), names) is None
    assert unsure_note(Track((0, 1), (0, 0), (), (1,)), names) == "unsure whether 001 shows the same person"
    several = unsure_note(Track((), (), (), tuple(range(2, 8))), names)
    assert several == "unsure whether 002, 003, 004, 005 and 2 more show the same person"
