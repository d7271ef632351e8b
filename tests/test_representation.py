"""Representations and their text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gairbench import ImageInput, LocationInput, Modality, Preset
from gairbench.representation import METHODS, RS, RS_QUERY, RS_TOKENS, SV_PROJECTED, Representation

NAMES = st.from_regex(r"[a-z][a-z0-9_.-]{0,6}", fullmatch=True)


@given(
    st.sampled_from(["pooled", "tokens", "query"]),
    st.lists(NAMES, min_size=1, max_size=3),
    st.lists(st.integers(0, 40), max_size=4),
    st.sampled_from(["", "cls", "mean"]),
    st.booleans(),
)
def test_its_text_is_read_as_it_was_written(form, of, layers, pooling, projected) -> None:
    one = Representation(form, tuple(of), tuple(layers), pooling, projected)
    assert Representation.parse(str(one)) == one


@pytest.mark.parametrize("text", ["", "rs:", "rs@", "rs@a", "+", "rs tokens"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a representation"):
        Representation.parse(text)


def test_the_small_methods_are_of_one_representation_each() -> None:
    assert len(set(METHODS.values())) == len(METHODS) == 6
    assert (str(RS_TOKENS), str(SV_PROJECTED)) == ("rs:tokens", "sv:projected")


def test_a_preset_offers_a_vector_of_each_set_that_it_accepts_and_what_it_states() -> None:
    s2, s1 = (ImageInput(modality=Modality.RS, name=name) for name in ("s2", "s1"))
    preset = Preset(
        name="x",
        inputs=(s2, s1, LocationInput()),
        accepts=(("s2", "s1"), ("s2",)),
        offers=(Representation("pooled", ("s2",), pooling="cls"), Representation("tokens", ("s2", "s1"))),
    )
    assert preset.accepted(Modality.RS) == (("s2", "s1"), ("s2",))
    assert preset.accepted(Modality.LOCATION) == (("location",),)
    assert [str(offer) for offer in preset.offered()] == ["s2+s1", "location", "s2:cls", "s2+s1:tokens"]


def test_vectors_of_layers_stand_beside_that_of_where_the_model_ends() -> None:
    offers = (Representation("pooled", ("rs",), layers=(3,)), Representation("pooled", ("rs",), pooling="cls"))
    preset = Preset(name="x", inputs=(ImageInput(modality=Modality.RS),), offers=offers[:1])
    assert [str(offer) for offer in preset.offered()] == ["rs", "rs@3"]
    # A pooling of the end is the author's word on what a vector is.
    assert [str(offer) for offer in replace(preset, offers=offers).offered()] == ["rs@3", "rs:cls"]


def test_views_in_a_table_are_named_by_their_modality() -> None:
    plain = Preset(name="x", inputs=(ImageInput(modality=Modality.RS), ImageInput(modality=Modality.SV)))
    names = [plain.view_name(offer) for offer in (RS, RS_TOKENS, RS_QUERY, SV_PROJECTED)]
    assert names == ["rs", "rs_tokens", "rs_query", "sv_projected"]
    joint = Preset(name="x", inputs=(ImageInput(modality=Modality.RS, name="s2"),))
    assert joint.view_name(Representation("tokens", ("s2",), layers=(3, 5))) == "rs_tokens_3_5"
