"""``gairbench data check``: which datasets it checks, and its exit status."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gairbench.commands.data import check_command
from gairbench.errors import UsageError

TASK_FILE = """
datasets:
  fields:
    licence: CC0-1.0
    synthetic: true
    images: {modality: rs, folder: fields, pattern: "*/*.png", unit: uint8, size: 8}
    split: {by: random, stratify: folder}
tasks:
  - {name: field-type, dataset: fields, label: folder, kind: classification}
"""


@pytest.fixture
def fields(tmp_path: Path) -> Path:
    """A task file over two folders of 20 pictures each; its folder is the data root."""
    rng = np.random.default_rng(0)
    for name in ("forest", "water"):
        (tmp_path / "fields" / name).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "fields" / name / f"{i}.png")
    (tmp_path / "my.yaml").write_text(TASK_FILE)
    return tmp_path / "my.yaml"


def test_task_file_is_checked_alone(fields: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_command([], [fields], fields.parent) == 0
    output = capsys.readouterr().out
    assert output.startswith("fields: ok; train 24, val 6, test 10; ")
    assert "earth" not in output


def test_other_datasets_are_checked_by_name_only(fields: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="no dataset 'field'; did you mean fields"):
        check_command(["field"], [fields], fields.parent)
    # Without their files the data cannot be sound.
    assert check_command(["fields"], [fields], None) == 1
    assert capsys.readouterr().out == "fields: dataset 'fields' needs files in folder 'fields'; give --data-root\n"
