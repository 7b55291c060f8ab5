"""Files of models: a folder of this machine, or a repository on the Hugging Face hub, kept in the hub's cache."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from render_fit.core.errors import InputError


def is_hub_id(name: str) -> bool:
    """Whether a name has the form ``owner/name`` of a repository on the hub."""
    one = r"[A-Za-z0-9][\w.-]*"
    return re.fullmatch(f"{one}/{one}", name) is not None


@contextmanager
def hub_errors(what: str, kind: str, needed: str) -> Iterator[None]:
    """Turns the hub's errors in the block into an `InputError` of one line.

    Args:
        what: What is fetched, for the start of the message: ``"regressor 'owner/name'"``.
        kind: What else the name could have been and is not: ``"file"``, ``"folder"``.
        needed: The file that is fetched.

    Raises:
        InputError: if there is no such repository or file, or the hub cannot be reached.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        yield
    except RepositoryNotFoundError as error:
        reason = "no such repository on the Hugging Face hub (log in for a private one: hf auth login)"
        raise InputError(f"{what}: no such {kind}, and {reason}") from error
    except LocalEntryNotFoundError as error:
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "which cannot be reached"
        reason = f"not yet fetched from the Hugging Face hub ({why}); fetch it once online, or give a {kind}"
        raise InputError(f"{what}: no such {kind}, and {reason}") from error
    except EntryNotFoundError as error:
        raise InputError(f"{what}: its repository on the Hugging Face hub has no {needed}") from error
    except (OSError, HFValidationError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{what}: not fetched from the Hugging Face hub: {reason}") from error


def model_folder(name: str | Path, what: str, files: Sequence[str]) -> Path:
    """The folder with the files of a model, fetched from the hub unless its cache has them.

    Args:
        name: A folder, or a repository ``owner/name`` on the hub.
        what: What the model is for, for messages: ``"person detector"``.
        files: Names or patterns of the files that are needed.

    Returns:
        The folder. It may lack files that the repository does not have.

    Raises:
        InputError: if it is neither a folder nor a repository, or the hub cannot be reached.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if not is_hub_id(str(name)):
        raise InputError(f"{what} {str(name)!r}: no such folder, nor the name of a model on the hub (owner/name)")
    from huggingface_hub import snapshot_download

    with hub_errors(f"{what} {str(name)!r}", "folder", files[0]):
        return Path(snapshot_download(str(name), allow_patterns=list(files)))
