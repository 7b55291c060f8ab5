"""Output streams that never decide whether a command works.

A Windows console takes cp1252 and not ``→``, a pipe may be closed before its end (``| head``), a log file's disk be
full. What was computed is on disk by then; what cannot be told is told with other letters, or not at all.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any

PLAIN = {
    "→": "->", "←": "<-", "✓": "+", "✗": "x", "–": "-", "—": "-", "−": "-", "×": "x", "β": "beta", "θ": "theta",
    "…": "...", "≤": "<=", "≥": ">=", "±": "+-", "°": " deg", "“": '"', "”": '"', "’": "'", "·": ".", "²": "2",
    "•": "*", "─": "-", "━": "-", "│": "|", "┃": "|", "█": "#",
}  # fmt: skip
"""Letters that stand for others where a stream's encoding lacks them."""


def _in_plain_letters(error: UnicodeError) -> tuple[str, int]:
    """Error handler of codecs: letters of `PLAIN`, else a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


codecs.register_error("render_fit_plain", _in_plain_letters)


class _Lossy(io.TextIOWrapper):
    """A text stream that goes on into nothing when its other end is gone or its disk is full."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            self._close_end()
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            self._close_end()

    def _close_end(self) -> None:
        """Lets everything that is written from now on go nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def tell_what_streams_can_take() -> None:
    """Makes standard output and error of this process lossy: see the module. Streams without a file stay as they
    are."""
    for name in ("stdout", "stderr"):
        setattr(sys, name, _lossy(getattr(sys, name)))


def _lossy(stream: Any) -> Any:
    """A lossy stream in place of one that belongs to a file; any other, or None, as it is."""
    if not isinstance(stream, io.TextIOWrapper) or isinstance(stream, _Lossy):
        return stream
    try:
        stream.fileno()
        encoding, buffered = stream.encoding, stream.line_buffering
        return _Lossy(stream.detach(), encoding, "render_fit_plain", line_buffering=buffered)
    except (OSError, ValueError):  # a stream in memory, or a closed one
        return stream
