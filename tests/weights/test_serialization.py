"""What a card says of inputs is read strictly, and by later versions too."""

from __future__ import annotations

import pytest

from gairbench import ImageInput, LocationInput, Modality
from gairbench.weights.serialization import inputs_from_json, to_json

INPUTS = (ImageInput(modality=Modality.RS, bands=("B4", "B8"), size=8), LocationInput())


def test_cards_from_before_a_field_was_added_are_read_and_written_as_they_were() -> None:
    card = to_json(INPUTS)
    assert "masked" not in card[0]
    assert inputs_from_json(card) == INPUTS
    assert inputs_from_json([card[0] | {"masked": True}])[0].masked  # type: ignore[union-attr]


def test_any_other_field_must_be_there() -> None:
    card = to_json(INPUTS)
    del card[0]["dated"]
    with pytest.raises(ValueError, match=r"\[0\]\.dated is missing"):
        inputs_from_json(card)
