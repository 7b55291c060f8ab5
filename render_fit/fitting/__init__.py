"""argmin: recover θ, β, c and the body's place from what was observed."""
