"""Poses of synthetic people: sampled from motion capture or a prior, named, and implausible ones."""
