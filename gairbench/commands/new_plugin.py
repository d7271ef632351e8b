"""What ``gairbench new-plugin`` does, apart from parsing its options."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gairbench.commands.output import show
from gairbench.errors import UsageError
from gairbench.names import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPluginRequest:
    """What a user asks for: the options of ``gairbench new-plugin``.

    Args:
        name: Name of the package.
        model: It adds a model.
        task: It adds a task and its dataset.
        evaluator: It adds an evaluator.
        out: Folder to make; ``None``: one of the package's name, here.
        author: Who holds the copyright; ``None``: the authors of the package.
        licence: Licence of the package.
    """

    name: str
    model: bool = False
    task: bool = False
    evaluator: bool = False
    out: Path | None = None
    author: str | None = None
    licence: Literal["MIT", "BSD-3-Clause", "Apache-2.0"] = "MIT"


def new_plugin_command(request: NewPluginRequest) -> int:
    """Carry out ``gairbench new-plugin``.

    Returns:
        The exit status, 0.

    Raises:
        UsageError: It is not one kind, the name cannot be used or is taken, or the folder is there.
        PluginError: A package or program that fills templates in is not installed.
        StorageError: The folder cannot be written.
    """
    from gairbench.new_plugin.names import KINDS, check_free, normalized
    from gairbench.new_plugin.rendering import render_plugin
    from gairbench.plugins import load_registry

    kinds = [kind for kind in KINDS if getattr(request, kind)]
    if len(kinds) != 1:
        given = " and ".join(f"--{kind}" for kind in kinds) or "nothing"
        raise UsageError(f"a new plugin adds one thing, and {given} is given", "give --model, --task or --evaluator")
    (kind,) = kinds
    name = normalized(request.name)
    folder = request.out or Path(name.distribution)
    # A link that leads nowhere is there, too.
    if os.path.lexists(folder):
        raise UsageError(f"{printable(folder)} is there already", "choose another --out; nothing is overwritten")
    check_free(name, kind, load_registry())
    render_plugin(folder, name, kind, author=request.author, licence=request.licence)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    commands = readme.partition("```sh\n")[2].partition("```")[0]
    show(f"made {printable(folder)}; what to do next:\n\ncd {shlex.quote(printable(folder))}\n{commands}".rstrip())
    return 0
