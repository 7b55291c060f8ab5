"""Networks that see z(I) and guess θ, β, c and the camera."""
