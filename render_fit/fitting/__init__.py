"""argmin: pose θ, shape β, clothing c and position of the body, from observations."""
