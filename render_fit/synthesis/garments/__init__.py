"""Garments as meshes over the body: `items` makes each kind, `outfits` combines them. To add one: docs/synthesis.md."""
