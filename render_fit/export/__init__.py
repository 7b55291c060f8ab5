"""Output files of a fit: meshes, parameters, images and reports."""
