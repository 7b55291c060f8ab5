"""Basic types used by all other packages: cameras, skeletons, parts, metrics, files, errors. Imports none of them."""
