"""render-fit: 3D bodies from photos by analysis by synthesis."""

__version__ = "0.1.0"
