"""Fill the template of a plugin's package in."""

from __future__ import annotations

import shutil
from pathlib import Path

from gairbench import __version__
from gairbench.errors import PluginError
from gairbench.new_plugin.names import PluginName
from gairbench.storage import atomic_folder

TEMPLATE = Path(__file__).parent
"""The folder of the template: ``copier copy`` takes it, too."""


def render_plugin(folder: Path, name: PluginName, kind: str, *, author: str | None, licence: str) -> None:
    """Write a plugin's package, whole or not at all; the network is not needed.

    Args:
        folder: Folder to make, which is not there.
        name: The names of the plugin.
        kind: ``"model"``, ``"task"`` or ``"evaluator"``.
        author: Who holds the copyright; ``None``: the authors of the package.
        licence: A choice of the template's question.

    Raises:
        PluginError: Copier is not installed, or git, which it calls.
        StorageError: The folder cannot be written.
    """
    try:
        import copier
    except ModuleNotFoundError as error:
        raise PluginError(f"new-plugin needs the package {error.name!r}", "pip install 'gairbench[plugin]'") from error
    if shutil.which("git") is None:
        raise PluginError("new-plugin needs the program git, which copier calls", "install git")
    answers = {"name": name.distribution, "kind": kind, "licence": licence, "gairbench": __version__}
    if author is not None:
        answers["author"] = author
    with atomic_folder(folder) as new:
        copier.run_copy(str(TEMPLATE), new, data=answers, defaults=True, quiet=True)
