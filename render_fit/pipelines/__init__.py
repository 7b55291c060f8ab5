"""From files to files: one photo, a folder of photos, and the demo."""
