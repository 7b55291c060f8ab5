"""Reading of text and JSON files that people and other tools wrote."""

from __future__ import annotations

import codecs
import json
import math
from pathlib import Path
from typing import Any

from render_fit.core.errors import InputError
from render_fit.core.file_kinds import and_what_it_is

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""Byte order marks: PowerShell and .NET write UTF-8 with one, and PowerShell 5 redirects output as UTF-16."""


def read_text(path: Path, expected: str) -> str:
    """Reads a text file: UTF-8, or with a byte order mark UTF-8 or UTF-16.

    Args:
        path: File.
        expected: What the file should be, for messages: ``"a JSON file"``.

    Returns:
        Text without its byte order mark.

    Raises:
        InputError: if the file is missing, cannot be read, or is no text.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; expected {expected}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise InputError(f"{path}: expected {expected}, found no text{and_what_it_is(path)}") from None


def read_json(path: Path, expected: str = "a JSON file") -> Any:
    """Reads a JSON file.

    Args:
        path: File.
        expected: What it should contain, for messages.

    Returns:
        Content of the file, of any shape: nothing about it is checked.

    Raises:
        InputError: if the file is missing, cannot be read, or is not JSON.
    """
    text = read_text(path, expected)
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        reason = and_what_it_is(path) or f" ({error})"
        raise InputError(f"{path}: not a readable JSON file; expected {expected}{reason}") from None
    except ValueError as error:  # a number of more digits than Python converts
        raise InputError(f"{path}: not a readable JSON file ({error})") from None


def number(value: Any) -> float | None:
    """A finite number of a JSON file, also one that was written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
