"""What is seen of a person in an image: z(I), from files or from an observer."""

from render_fit.observations.observation import Box, Observation
from render_fit.observations.observe import observe
from render_fit.observations.observers import OBSERVERS, Observer, make_observer

__all__ = ["OBSERVERS", "Box", "Observation", "Observer", "make_observer", "observe"]
