"""Keys hold the fields of declarations, and those that were added later only where they say something."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from gairbench import ImageInput, Modality
from gairbench.digests import digest, plain
from gairbench.field_types import ADDED_LATER


@dataclass(frozen=True)
class Before:
    name: str = "x"
    parts: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class After(Before):
    more: bool = field(default=False, metadata=ADDED_LATER)


def test_a_field_that_was_added_later_changes_a_key_only_where_it_is_not_the_default() -> None:
    before = digest(all=[{"of": Before()}])
    assert digest(all=[{"of": After()}]) == before
    assert digest(all=[{"of": After(more=True)}]) != before
    assert digest(of=After()) == digest(of=Before()) != digest(of=After(more=True))


@dataclass(frozen=True)
class Made(Before):
    notes: list[str] = field(default_factory=list, metadata=ADDED_LATER)
    unit: str = field(default="", metadata={**ADDED_LATER, "somebody": "else's"})
    always: tuple[str, ...] = field(default_factory=tuple, metadata={"somebody": "else's"})


def test_defaults_that_are_made_and_metadata_of_others_beside_ours_are_known() -> None:
    assert plain(Made()) == plain(Before()) | {"always": []}
    assert plain(Made(notes=["a"], unit="m")) == plain(Before()) | {"notes": ["a"], "unit": "m", "always": []}


def test_other_fields_stand_in_keys_whatever_they_are() -> None:
    assert plain([{"of": Before()}, frozenset({1})]) == [{"of": {"name": "x", "parts": [1, 2]}}, frozenset({1})]


def test_images_of_before_there_were_masks_have_the_keys_that_they_had() -> None:
    image = ImageInput(modality=Modality.RS, bands=("B4", "B8"), size=8, frames=(1, 3))
    before = asdict(image)
    del before["masked"]
    assert digest(wanted=image) == digest(wanted=before)
