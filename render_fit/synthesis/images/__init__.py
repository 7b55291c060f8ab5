"""RGB images of synthetic people and their colours: fast for training, photograph-like with shadows for scenes."""
