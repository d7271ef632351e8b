"""The docs keep up with the command line, and their links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup, TyperOption

from gairbench.cli import app
from gairbench.evaluators import EVALUATORS, METRICS
from gairbench.kinds import HEADLINE
from gairbench.spec import Kind
from gairbench.split_policies import SPLIT_POLICIES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")

NAME = re.compile(r"`(\w+)`")

WHERE = {
    "run": "running.md",
    "pretrain": "pretraining.md",
    "compare": "comparing.md",
    "leaderboard": "leaderboard.md",
    "reproduce": "reproducing.md",
    "results merge": "reproducing.md",
    "embed": "embedding.md",
    "map": "maps.md",
    "inspect": "verify.md",
    "mock-run": "verify.md",
    "new-plugin": "publishing.md",
    "data shard": "triplets.md",
    "show task": "suite.md",
    **dict.fromkeys(
        [
            "list models",
            "list tasks",
            "list evaluators",
            "list metrics",
            "list split-policies",
            "list plugins",
            "data list",
            "data check",
            "data get",
            "data show",
            "data where",
        ],
        "running.md",
    ),
}
"""The page that a command's options are explained on."""


def options(group: TyperGroup, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from options(command, f"{prefix}{name} ")
            continue
        for parameter in command.params:
            if isinstance(parameter, TyperOption) and "--help" not in parameter.opts:
                yield f"{prefix}{name}", next(opt for opt in parameter.opts if opt.startswith("--"))


EXPLAINED = [*options(typer.main.get_group(app))]


def test_the_walk_finds_the_commands_it_is_about() -> None:
    assert {command for command, _ in EXPLAINED} == WHERE.keys()


@pytest.mark.parametrize(("command", "option"), EXPLAINED, ids=lambda text: text.strip("-").replace(" ", "-"))
def test_every_option_is_explained_on_its_commands_page(command: str, option: str) -> None:
    page = (ROOT / "docs" / WHERE[command]).read_text(encoding="utf-8")
    assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", page), (
        f"docs/{WHERE[command]} does not explain {option}"
    )


@pytest.mark.parametrize("option", [option for command, option in EXPLAINED if command == "data shard"])
def test_every_option_of_data_shard_has_a_row_in_a_table(option: str) -> None:
    page = (ROOT / "docs" / WHERE["data shard"]).read_text(encoding="utf-8")
    # The page's examples use most of them and explain none.
    assert re.search(rf"^\|[^|]*`{re.escape(option)}(?![\w-])", page, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_between_pages_lead_to_files(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


SPAN = re.compile(r"`((?:gairbench|models|tasks|leaderboard|tests|docs|examples|benchmarks)/[\w./-]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_files_that_pages_name_exist(page: Path) -> None:
    named = SPAN.findall(page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_guide_lists_every_evaluator_and_metric_as_it_is() -> None:
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    rows = [f"| `{spec.name}` | {', '.join(sorted(spec.kinds))} | {spec.needs} |" for spec in EVALUATORS] + [
        f"| `{spec.name}` | {', '.join(sorted(spec.kinds))} | {spec.needs} |"
        f" {'higher' if spec.higher_is_better else 'lower'} |"
        for spec in METRICS
    ]
    listed = page.partition("Evaluators that come with gairbench:")[2].partition("\n## ")[0]
    assert [line for line in listed.splitlines() if line.startswith("| `")] == rows


def test_the_page_of_running_lists_the_evaluators_of_every_kind_the_headline_first() -> None:
    page = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    section = page.partition("\n## Probes")[2].partition("\n\nA probe is")[0]
    rows = [line.split("|")[1:4] for line in section.splitlines() if line.startswith("| ")][1:]
    listed = {kind.strip(): [NAME.findall(headline)[0], *NAME.findall(others)] for kind, headline, others in rows}
    assert listed.keys() == {*Kind}
    for kind, (headline, *others) in listed.items():
        assert headline == HEADLINE[Kind(kind)]
        assert {*others} == {spec.name for spec in EVALUATORS if kind in spec.kinds} - {headline}


def test_the_guide_and_the_page_of_running_list_every_split_policy_as_it_is() -> None:
    guide = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    rows = [" ".join(f"| `{one.name}` | `{one}` | {', '.join(one.needs)} |".split()) for one in SPLIT_POLICIES]
    listed = guide.partition("Split policies that come with gairbench:")[2].partition("\n## ")[0]
    assert [line for line in listed.splitlines() if line.startswith("| `")] == rows
    page = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    section = page.partition("\n## Split policies")[2].partition("\n## ")[0]
    written = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")][1:]
    optional = [text for one in SPLIT_POLICIES for text in _spelled_out(str(one))]
    assert written == optional


def _spelled_out(text: str) -> list[str]:
    """Return what is written without and with the part in brackets."""
    without = re.sub(r"\[.*\]", "", text)
    return [without] if without == text else [without, re.sub(r"[\[\]]", "", text)]
