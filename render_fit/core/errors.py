"""Errors that a user can cause and correct."""

MOST_LETTERS = 1000
"""Longest message that is told as a whole."""


class InputError(ValueError):
    """The user's input is invalid.

    The message is one line with the file or argument, the expected and the given value, and what to do. The
    command line prints it and exits with code 2.

    Args:
        message: The sentence. Of one longer than `MOST_LETTERS` the middle is left out: it repeats a file's content.
    """

    def __init__(self, message: str = "") -> None:
        if len(message) > MOST_LETTERS:
            message = f"{message[: MOST_LETTERS // 2]} … {message[-MOST_LETTERS // 4 :]}"
        super().__init__(message)


def of_the_system(error: OSError) -> InputError | None:
    """The system's error about a file, as an `InputError`: not allowed, a name too long, a disk that does not answer.

    Args:
        error: Error that a function of the system raised; also questions such as `Path.exists` raise those.

    Returns:
        The error, or None if it names no file.
    """
    return None if error.filename is None else InputError(f"{error.filename}: {error.strerror or error}")


class OutputError(InputError):
    """A file or folder cannot be written: not allowed, no space left, something else in its place.

    It is no fault of one photo: a run over many ends with it.
    """


class NoPersonError(InputError):
    """No person was found where one was expected."""


class MissingDependencyError(ImportError):
    """An optional dependency is not installed; the message contains the command that installs it."""


def is_interruption(error: BaseException | None) -> bool:
    """Whether an error is Ctrl-C, or what became of it: a compiled kernel that it reaches raises a SystemError."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False
