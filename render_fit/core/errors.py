"""Errors that a user can cause and correct."""


class InputError(ValueError):
    """The user's input is invalid.

    The message is one line with the file or argument, the expected and the given value, and what to do. The
    command line prints it and exits with code 2.
    """


class NoPersonError(InputError):
    """No person was found where one was expected."""


class MissingDependencyError(ImportError):
    """An optional dependency is not installed; the message contains the command that installs it."""
