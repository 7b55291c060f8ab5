"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def processor_name() -> str:
    """Model of the processor; its architecture where the system does not say."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine() -> str:
    """Processor, number of cores and system, as text."""
    return f"{processor_name()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"
