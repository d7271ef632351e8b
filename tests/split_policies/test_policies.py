"""The built-in split policies: the published sizes, whole blocks and groups, whatever the order of the samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gairbench.errors import UsageError
from gairbench.spec import Kind
from gairbench.split_policies.policies import draw_blocks, draw_groups, draw_samples, keep_published, keep_test_unseen
from gairbench.split_policy import SPLITS, SplitInput

N = 1000


def given(**changes: Any) -> SplitInput:
    rng = np.random.default_rng(0)
    countries = np.array(["Japan", "Kenya", "Chile", "France", "India", "Peru", "Togo", "Oman"])
    values = {
        "ids": [f"s{number}" for number in rng.permutation(N)],
        "published": np.repeat(SPLITS, [600, 150, 250]),
        "kind": Kind.CLASSIFICATION,
        "target": rng.choice(4, N, p=[0.5, 0.3, 0.16, 0.04]),
        "lonlat": np.stack([rng.uniform(-180, 180, N), rng.uniform(-90, 90, N)], axis=1),
        "groups": {"country": countries[rng.integers(0, 8, N)]},
        "parameter": "",
        "seed": 0,
    }
    return SplitInput(**(values | changes))


def sizes(names: np.ndarray) -> list[int]:
    return [int((names == split).sum()) for split in SPLITS]


def owners(names: np.ndarray, parts: Any) -> dict[Any, set[str]]:
    found: dict[Any, set[str]] = {}
    for name, part in zip(names.tolist(), parts, strict=True):
        found.setdefault(part, set()).add(name)
    return found


def test_published_splits_stay_what_they_are() -> None:
    data = given()
    assert keep_published(data).tolist() == data.published.tolist()


@pytest.mark.parametrize("kind", [Kind.CLASSIFICATION, Kind.ORDINAL])
def test_random_splits_have_the_published_sizes_and_shares_of_every_class(kind: Kind) -> None:
    data = given(kind=kind)
    names = draw_samples(data)
    assert sizes(names) == pytest.approx([600, 150, 250], abs=4)
    assert (names != data.published).mean() > 0.3
    for number in range(4):
        of_class = names[data.target == number]
        assert (of_class == "train").mean() == pytest.approx(0.6, abs=0.02)
    measured = draw_samples(replace(data, kind=Kind.REGRESSION, target=np.linspace(0, 1, N)))
    assert sizes(measured) == [600, 150, 250]


def test_a_class_is_divided_only_where_classes_are_asked_for() -> None:
    data = given()
    assert draw_samples(replace(data, kind=Kind.SEGMENTATION, target=None)).tolist() != draw_samples(data).tolist()


def test_blocks_are_whole_and_near_the_published_sizes() -> None:
    data = given(parameter="10")
    names = draw_blocks(data)
    cells = [tuple(cell) for cell in np.floor(data.lonlat / 10).astype(int)]
    assert all(len(found) == 1 for found in owners(names, cells).values())
    assert sizes(names) == pytest.approx([600, 150, 250], abs=20)


def test_whole_groups_are_left_out_of_train() -> None:
    data = given(parameter="country")
    names = draw_groups(data)
    found = owners(names, data.groups["country"].tolist())
    assert all(len(splits) == 1 for splits in found.values())
    assert {split for splits in found.values() for split in splits} == {*SPLITS}
    assert any(draw_groups(replace(data, seed=seed)).tolist() != names.tolist() for seed in range(1, 4))


def test_a_named_group_is_test_and_val_is_of_other_groups_than_train() -> None:
    data = given(parameter="country=Japan")
    found = owners(draw_groups(data), data.groups["country"].tolist())
    assert [country for country, splits in found.items() if "test" in splits] == ["Japan"]
    assert all(len(splits) == 1 for splits in found.values())
    assert {"train", "val"} <= {split for splits in found.values() for split in splits}


@pytest.mark.filterwarnings("error")
def test_a_named_group_needs_published_shares_of_train_and_val() -> None:
    with pytest.raises(UsageError, match=r"leave:country=Japan divides the other .* train and val, and both are empty"):
        draw_groups(given(published=np.repeat("test", N), parameter="country=Japan"))
    names = draw_groups(given(published=np.repeat(["train", "test"], N // 2), parameter="country=Japan"))
    assert {*names.tolist()} == {"train", "test"}


@pytest.mark.parametrize("parameter", ["city", "city=Café", "city=Cafe\N{COMBINING ACUTE ACCENT}", "city= Café "])
def test_names_of_groups_are_compared_in_one_form(parameter: str) -> None:
    cafe = ["Caf\N{LATIN SMALL LETTER E WITH ACUTE}", "Cafe\N{COMBINING ACUTE ACCENT}", " Café", "Café "]
    others = [f"town {number}" for number in range(12)]
    city = np.array([*cafe, *others])[np.arange(N) % 16]
    names = draw_groups(given(groups={"city": city}, parameter=parameter))
    of_cafe = {*names[np.isin(city, cafe)].tolist()}
    assert len(of_cafe) == 1
    assert parameter == "city" or of_cafe == {"test"}


def test_numbers_are_groups_too() -> None:
    year = np.array([2019, 2020, 2021, 2022])[np.arange(N) % 4]
    names = draw_groups(given(groups={"year": year}, parameter="year=2022"))
    assert set(names[year == 2022]) == {"test"}


def test_a_group_that_does_not_exist_is_refused_with_the_near_ones() -> None:
    with pytest.raises(UsageError, match="no group 'Jpan' in grouping 'country'; did you mean Japan"):
        draw_groups(given(parameter="country=Jpan"))


def test_development_never_sees_the_published_test() -> None:
    data = given(parameter="country")
    names = keep_test_unseen(data)
    assert set(names[data.published == "test"]) == {""}
    assert set(names[data.published == "val"]) == {"test"}
    learned = data.published == "train"
    assert set(names[learned]) == {"train", "val"}
    assert all(len(found) == 1 for found in owners(names[learned], data.groups["country"][learned]).values())
    other = keep_test_unseen(replace(data, seed=1))
    assert (other != names).any()
    assert (other[~learned] == names[~learned]).all()


@pytest.mark.parametrize(("published", "lacking"), [(("train", "test"), "val"), (("val", "test"), "train")])
def test_development_needs_both_splits_that_are_looked_at(published: tuple[str, str], lacking: str) -> None:
    data = given(parameter="country", published=np.repeat(published, N // 2))
    with pytest.raises(UsageError, match=f"and {lacking} is empty"):
        keep_test_unseen(data)


def test_development_takes_no_single_group() -> None:
    with pytest.raises(UsageError, match="write development:country"):
        keep_test_unseen(given(parameter="country=Japan"))
