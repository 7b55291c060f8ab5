"""Garments: layers on the skin (`items`) and meshes of their own; `dressing` combines them (docs/synthesis.md)."""
