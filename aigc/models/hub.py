"""Models of a hub, by `org/name` or `org/name@revision`, in the hub's own cache."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from pathlib import Path

from aigc.errors import ModelError, nearest
from aigc.models.entries import HubSource, catalogue
from aigc.models.weights import ModelFolder

FILES = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model"]
LEFT_OUT = ["*/*", "consolidated*"]
"""Sub-folders hold other formats; `consolidated*` is a second copy of Mistral's weights."""
UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS})
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)


def hub_folder(
    model: str, *, trust_remote_code: bool, fetch: bool, report: Callable[[str], None], again: bool = False
) -> ModelFolder:
    """The snapshot of a repository. Without `fetch` only what is here; with `again` files are fetched although here.

    Raises:
        ModelError: no such repository or revision, no access to it, or no connection and no copy here.
    """
    import huggingface_hub as hub
    from huggingface_hub.utils import logging
    from huggingface_hub.utils.tqdm import disable_progress_bars

    repo, _, revision = model.partition("@")
    entry = catalogue().get(repo)
    pinned = entry.source.revision if entry and isinstance(entry.source, HubSource) else ""
    if fetch:
        report(f"looking for {model} on the hub; what is missing here is fetched")
    disable_progress_bars()
    logging.get_logger("huggingface_hub").setLevel("ERROR")
    try:
        path = hub.snapshot_download(
            repo, revision=revision or pinned or None, local_files_only=not fetch, force_download=again,
            allow_patterns=[*FILES, "*.py"] if trust_remote_code else FILES, ignore_patterns=LEFT_OUT,
        )
    except Exception as exc:  # its transports (requests, httpx, xet) change with its versions and share no exception
        raise _problem(model, exc, fetch=fetch) from exc
    return ModelFolder(place=f"model {model}", path=Path(path), remedy=f"Fetch it again: aigc models pull {model}")


def _problem(model: str, exc: Exception, *, fetch: bool) -> ModelError:
    from huggingface_hub import constants, errors

    found, expected = f"no answer from the hub ({type(exc.__cause__ or exc).__name__})", "an answer, or a copy here"
    remedy = "Check the connection and HF_ENDPOINT, or take a folder on this machine with --model PATH."
    if isinstance(exc, errors.GatedRepoError):
        found, expected = "a repository that asks to accept its terms", "access to it"
        remedy = "Accept them on the model's page, then run `hf auth login`."
    elif isinstance(exc, errors.RepositoryNotFoundError | errors.HFValidationError):
        found, expected = "no such repository, or a private one", "a public one, or access to it"
        remedy = f"Correct the name, or run `hf auth login`.{nearest(model, list(catalogue()))}"
    elif isinstance(exc, errors.RevisionNotFoundError):
        found, expected = "no such revision", "a branch, tag or commit of it"
        remedy = "Correct what stands behind the @."
    elif isinstance(exc, OSError) and exc.errno in UNWRITABLE:
        found, expected = f"the hub's cache cannot be written ({exc.strerror})", "a folder with room"
        remedy = "Make room there, or name another folder in HF_HOME."
    elif constants.HF_HUB_OFFLINE:
        found, expected = "no whole copy here, while HF_HUB_OFFLINE is set", "a copy in the hub's cache"
        remedy = "Unset HF_HUB_OFFLINE to fetch it, or take a folder on this machine with --model PATH."
    elif not fetch:
        found, expected = "no whole copy on this machine", "a copy in the hub's cache"
        remedy = f"Fetch it: aigc models pull {model}"
    return ModelError(f"model {model}", found, expected, remedy)
