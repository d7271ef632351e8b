"""One rule for names: equal in print is equal."""

from __future__ import annotations

import os
import unicodedata

from gairbench.errors import DataError
from gairbench.names import plain_name, printable


def test_names_are_compared_composed_and_without_blanks_but_with_case() -> None:
    assert plain_name(unicodedata.normalize("NFD", " Café ")) == "Café"
    assert plain_name("Forest") != plain_name("forest")


def test_path_that_is_not_utf8_can_be_printed() -> None:
    assert printable(os.fsdecode(b"a/for\xeat/1.png")) == r"a/for\xeat/1.png"
    assert printable("Café") == "Café"


def test_error_that_names_such_a_path_can_be_printed() -> None:
    error = DataError("cannot read " + os.fsdecode(b"for\xeat"), "rename it")
    assert str(error).encode() == rb"cannot read for\udceat; rename it"
