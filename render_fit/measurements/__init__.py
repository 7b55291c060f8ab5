"""Measurements of bodies by ISO 8559-1: stature, girths as a tape lies, lengths, volume and mass."""
