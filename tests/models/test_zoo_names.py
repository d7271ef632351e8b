"""Names of TorchGeo's and timm's weights on the zoo's page are theirs, and say what they were trained on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gairbench_models.timm_models.declaration import make_timm_spec
from gairbench_models.torchgeo_models.declaration import make_torchgeo_spec

PAGE = (Path(__file__).parents[2] / "docs" / "zoo.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Encoders of TorchGeo and timm by name")[2]
ROWS = [row.split("|")[1:-1] for row in SECTION.splitlines() if row.startswith("| ") and "`" in row]
MADE = {"torchgeo": make_torchgeo_spec, "timm": make_timm_spec}


def test_the_page_has_a_row_for_each_family() -> None:
    assert len(ROWS) >= 14


@pytest.mark.parametrize("row", ROWS, ids=[row[0].partition("(")[0].strip() for row in ROWS])
def test_a_row_names_weights_with_their_paper_and_data(row: list[str]) -> None:
    encoder, names, _, _, data = row
    whole = re.findall(r"`(timm|torchgeo):(\w+\.\w+)`", names)
    assert whole
    for kind, rest in whole:
        spec = MADE[kind](rest)
        assert spec.trained_on
        for name in spec.trained_on:
            assert name in data
        assert any(paper in spec.citation for paper in re.findall(r"arxiv.org/abs/([\d.]+)", encoder)), spec.citation
