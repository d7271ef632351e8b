"""The ``split`` of a task file's dataset."""

from __future__ import annotations

from typing import Literal, cast

from gairbench.names import plain_name
from gairbench.split_policy import SPLITS
from gairbench.taskfiles.declaration import SplitRule, Table
from gairbench.taskfiles.paths import refuse_leaving
from gairbench.yamlfile import Section

DRAWN = ("random", "blocks", "group")
GIVEN = ("column", "folder", "files")
"""Rules that draw the splits, and rules to which they are given."""

TEST_ONLY = "test_only"
"""The rule of data that nothing is learned from."""


def read_split(section: Section, *, in_folders: bool, table: Table | None) -> SplitRule:
    """Read how a dataset is divided.

    Args:
        section: The rule.
        in_folders: The dataset has images in files.
        table: Its table, if any.

    Raises:
        UsageError: The rule is wrong, or needs what the dataset does not have.
    """
    section.only("by", "column", "degrees", "shares", "seed", "stratify", "train", "val", "test", "val_share")
    by = section.choice("by", [*DRAWN, *GIVEN, TEST_ONLY])

    def belongs(key: str, *rules: str) -> None:
        if key in section and by not in rules:
            raise section.error(key, f"does not fit 'by: {by}'", f"it is for {' and '.join(rules)} only")

    belongs("column", "group", "column")
    belongs("degrees", "blocks")
    belongs("shares", *DRAWN)
    for key in (*SPLITS, "val_share"):
        belongs(key, *GIVEN)
    if by in {"group", "column"} and table is None:
        raise section.error("by", "needs a table with that column", "declare 'table', or divide by something else")
    if by == "folder" and not in_folders:
        raise section.error("by", "needs images in folders", "declare 'images', or divide by something else")
    if "val" in section and "val_share" in section:
        raise section.error("val_share", "val is given already", "give one of 'val' and 'val_share'")
    val_share: float = section.get("val_share", float, 0.0)
    if "val_share" in section and not 0 < val_share < 1:
        raise section.error("val_share", f"{val_share:g} is not a share", "give a number between 0 and 1")
    if "stratify" in section and by != "random" and not val_share:
        raise section.error("stratify", f"does not fit 'by: {by}'", "it is for 'random' and 'val_share' only")
    degrees: float = section.get("degrees", float) if by == "blocks" else 0.0
    if by == "blocks" and not 0 < degrees <= 360:
        raise section.error("degrees", f"{degrees:g} is not a size of a block", "give degrees above 0, at most 360")
    return SplitRule(
        by=cast(Literal["random", "blocks", "group", "column", "folder", "files", "test_only"], by),
        column=section.get("column", str) if by in {"group", "column"} else "",
        degrees=degrees,
        shares=_shares(section),
        seed=section.get("seed", int, 0),
        stratify=section.get("stratify", str, ""),
        given=_given(section, by) if by in GIVEN else ((), (), ()),
        val_share=val_share,
    )


def _shares(section: Section) -> tuple[float, float, float]:
    shares = section.get("shares", list, [0.6, 0.15, 0.25])
    numbers = [float(s) for s in shares if isinstance(s, int | float) and not isinstance(s, bool) and s > 0]
    if len(numbers) != 3 or len(shares) != 3 or abs(sum(numbers) - 1) > 1e-6:
        raise section.error("shares", f"{shares} are not shares of train, val and test", "give three that sum to 1")
    return numbers[0], numbers[1], numbers[2]


def _given(section: Section, by: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return what means train, val and test: by default their own names, and for lists nothing."""
    given: dict[str, tuple[str, ...]] = {}
    taken: dict[str, str] = {}
    for split in SPLITS:
        if split == "val" and "val_share" in section:
            given[split] = ()
            continue
        values = section.texts(split) if by == "files" else section.texts(split, [split])
        if by == "files":
            for value in values:
                refuse_leaving(section, split, value)
        for value in map(plain_name, values):
            if taken.setdefault(value, split) != split:
                raise section.error(split, f"{value!r} is in {taken[value]} too", "name it once")
        given[split] = tuple(values)
    return given["train"], given["val"], given["test"]
