"""Networks that predict pose θ, shape β, clothing c and the camera from observations z(I)."""
