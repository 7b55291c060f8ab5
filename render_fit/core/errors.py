"""The errors that a user can cause and mend."""


class InputError(ValueError):
    """Something given by the user cannot be used.

    The message is one line that names the file or argument, says what was expected and what came, and what to
    do. The command line prints it and exits with code 2.
    """


class NoPersonError(InputError):
    """No person was found where one was expected."""


class MissingDependencyError(ImportError):
    """An optional dependency is not installed; the message says how to install it."""
