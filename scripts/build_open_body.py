"""Builds the open body's asset: python scripts/build_open_body.py [OUT.npz] (needs the extra open-body; minutes)."""

import sys

from render_fit.bodies.building import build
from render_fit.bodies.open_body import ASSET

build(sys.argv[1] if len(sys.argv) > 1 else str(ASSET))
