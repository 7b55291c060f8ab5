"""What a fit leaves behind: meshes, parameters, pictures, reports."""
