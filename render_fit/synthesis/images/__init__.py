"""RGB images of synthetic people: fast ones for training, and photograph-like ones with cast shadows for scenes."""
