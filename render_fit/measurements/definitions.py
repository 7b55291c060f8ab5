"""What is measured: names, clauses of ISO 8559-1 and definitions, without torch.

The clauses are those that clad-body's registry gives for ISO 8559-1:2017 (https://github.com/datar-psa/clad-body,
0.6.1); they were not compared with the standard itself, which is sold. A measurement without a clause is not in the
standard, or its clause is not known to us.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DENSITY_KG_M3 = 985.0
"""Density of a standing person with air in the lungs. Without air it is 1,020 to 1,070 kg/m³ in adults (Durnin and
Womersley 1974); the air at rest, about 3 l in 70 l, lowers it by 4 %."""

DENSITY_SIGMA_KG_M3 = 18.0
"""Standard deviation of the density between people: 1.5 % by body fat (Durnin and Womersley 1974: 0.012 to 0.018 g/ml
within groups of one sex), 1 % by the volume of the lungs."""

Unit = Literal["m", "m3", "kg"]


@dataclass(frozen=True)
class Measurement:
    """One measurement of a body.

    Attributes:
        name: Key of results, options and files.
        title: Name for people.
        iso: Clause of ISO 8559-1:2017, or "".
        definition: What is measured, in few words.
        unit: Unit of the value.
    """

    name: str
    title: str
    iso: str
    definition: str
    unit: Unit = "m"


_ALL = (
    Measurement("stature", "stature", "5.1.1", "sole to crown"),
    Measurement("inside_leg", "inside leg length", "5.1.15", "crotch to floor"),
    Measurement("head", "head girth", "5.3.1", "largest, above the ears"),
    Measurement("neck", "neck girth", "5.3.2", "smallest, across the neck's axis"),
    Measurement("bust", "bust or chest girth", "5.3.4", "horizontal, at the nipples"),
    Measurement("under_bust", "under-bust girth", "5.3.6", "horizontal, a third of the way from bust to waist"),
    Measurement("waist", "waist girth", "5.3.10", "horizontal, midway between lowest rib and hip bone"),
    Measurement("hip", "hip girth", "5.3.13", "horizontal, largest between crotch and pelvis"),
    Measurement("upper_arm", "upper arm girth", "5.3.16", "midway between shoulder and elbow, across the arm"),
    Measurement("wrist", "wrist girth", "5.3.19", "smallest at the wrist, across the forearm"),
    Measurement("thigh", "thigh girth", "5.3.20", "largest under the crotch, across the thigh"),
    Measurement("knee", "knee girth", "5.3.22", "at the kneecap's centre, across the leg"),
    Measurement("calf", "calf girth", "5.3.24", "largest, across the shin"),
    Measurement("ankle", "least leg girth", "", "smallest above the ankle, across the shin"),
    Measurement("shoulder_width", "shoulder width", "5.4.2", "between the shoulder points, across the back"),
    Measurement("shoulder_breadth", "shoulder breadth", "", "between the shoulder points, straight (biacromial)"),
    Measurement("back_length", "back neck to waist", "5.4.5", "seventh neck vertebra to the waist, along the back"),
    Measurement("arm_length", "arm length", "5.7.8", "shoulder point to elbow to wrist, arm hanging"),
    Measurement("volume", "volume", "", "of the closed surface", "m3"),
    Measurement("mass", "mass", "5.6.1", f"volume at {DENSITY_KG_M3:g} ± {DENSITY_SIGMA_KG_M3:g} kg/m³", "kg"),
)

MEASUREMENTS: dict[str, Measurement] = {measurement.name: measurement for measurement in _ALL}
"""Every measurement by name, in the order of tables."""
