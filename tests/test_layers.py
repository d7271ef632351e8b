"""The layers of docs/architecture.md: no import climbs, and no module imports itself through others.

Lazy imports (inside functions) and those for type checkers count too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "gairbench": ROOT,
    "gairbench_models": ROOT / "models",
    "gairbench_tasks": ROOT / "tasks",
    "gairbench_leaderboard": ROOT / "leaderboard",
}


def stated_layers() -> dict[str, int]:
    """Read docs/architecture.md's section "The layers": what a numbered line names in backticks is of that layer."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.partition("## The layers")[2].partition("\n## ")[0]
    layers: dict[str, int] = {}
    number = 0
    for line in section.splitlines():
        if line[:2] in {f"{n}." for n in range(1, 10)}:
            number = int(line[0])
        elif line and not line.startswith(" "):
            number = 0
        if number:
            layers |= {name.rstrip("/").removesuffix(".py"): number for name in line.split("`")[1::2]}
    return layers


LAYERS = stated_layers()


def modules() -> dict[str, Path]:
    found = {}
    for package, root in PACKAGES.items():
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


MODULES = modules()
IMPORTS = {name: {m for m in imported(path, MODULES) if m in MODULES} for name, path in MODULES.items()}
# The package's front door passes the functions of its topmost module on, when one of them is asked for. That importing
# the package imports nothing of it is tested in tests/test_api.py.
IMPORTS["gairbench"] -= {"gairbench.api"}


def layer(module: str) -> float:
    package, _, rest = module.partition(".")
    if package != "gairbench":
        return 3.5
    return LAYERS[rest.partition(".")[0]] if rest else 1


def test_every_module_has_a_layer() -> None:
    placed = {name.split(".")[1] for name in MODULES if name.startswith("gairbench.")}
    assert placed - {"__main__"} <= LAYERS.keys()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_import_climbs(module: str) -> None:
    if module == "gairbench.__main__":
        return
    assert [other for other in sorted(IMPORTS[module]) if layer(other) > layer(module)] == []


def test_only_commands_import_the_leaderboard() -> None:
    users = {name for name in MODULES if any(o.startswith("gairbench_leaderboard") for o in IMPORTS[name])}
    assert {name for name in users if not name.startswith(("gairbench_leaderboard", "gairbench.commands."))} == set()


def test_no_module_imports_itself_through_others() -> None:
    remaining = {name: others - {name} for name, others in IMPORTS.items()}
    # Take away what imports nothing that is left; what cannot be taken away lies on a circle or stands on one.
    while leaves := {name for name, others in remaining.items() if not others}:
        remaining = {name: others - leaves for name, others in remaining.items() if name not in leaves}
    assert remaining == {}
