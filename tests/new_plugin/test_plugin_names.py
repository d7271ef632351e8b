"""The names that follow from the one that a user gives."""

from __future__ import annotations

import pytest

from gairbench.errors import UsageError
from gairbench.new_plugin.names import LONGEST, normalized


@pytest.mark.parametrize(
    ("text", "distribution", "package", "slug"),
    [
        ("fields", "fields", "fields", "fields"),
        ("gairbench-fields", "gairbench-fields", "gairbench_fields", "fields"),
        (" Gairbench_My.Fields ", "gairbench-my-fields", "gairbench_my_fields", "my-fields"),
        ("my__fields", "my-fields", "my_fields", "my-fields"),
        ("gairbench-3d", "gairbench-3d", "gairbench_3d", "3d"),
    ],
)
def test_names_follow_from_one(text: str, distribution: str, package: str, slug: str) -> None:
    name = normalized(text)
    assert (name.distribution, name.package, name.slug) == (distribution, package, slug)


@pytest.mark.parametrize("text", ["", "-", "3d", "-fields", "fields-", "my/fields", "../fields", "földs", "a+b", "a:b"])
def test_what_is_not_a_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a package"):
        normalized(text)


@pytest.mark.parametrize("text", ["class", "import", "json", "Lambda"])
def test_names_of_python_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a name of Python's own"):
        normalized(text)


def test_a_long_name_is_refused() -> None:
    assert normalized("a" * LONGEST).package == "a" * LONGEST
    with pytest.raises(UsageError, match=f"{LONGEST} are the most"):
        normalized("a" * (LONGEST + 1))
