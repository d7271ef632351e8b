"""One rule for names: equal in print is equal."""

from __future__ import annotations

import os
import re
import unicodedata

from gairbench.errors import DataError
from gairbench.names import plain_name, printable, quoted_in_path


def test_names_are_compared_composed_and_without_blanks_but_with_case() -> None:
    assert plain_name(unicodedata.normalize("NFD", " Café ")) == "Café"
    assert plain_name("Forest") != plain_name("forest")


def test_path_that_is_not_utf8_can_be_printed() -> None:
    assert printable(os.fsdecode(b"a/for\xeat/1.png")) == r"a/for\xeat/1.png"
    assert printable("Café") == "Café"


def test_error_that_names_such_a_path_can_be_printed() -> None:
    error = DataError("cannot read " + os.fsdecode(b"for\xeat"), "rename it")
    assert str(error).encode() == rb"cannot read for\udceat; rename it"


def test_any_text_can_be_a_part_of_a_path_and_stays_distinct() -> None:
    texts = ["leave:a=b:c", "leave:a=b+c", "leave:a=b%3Ac", "leave:a=b%2Bc"]
    texts += ["leave:a=b", "leave:a/b", "leave:a\\b", "leave:a b", "leave:a%20b", "leave:é", "leave:..", 'leave:"*?<>|']
    quoted = [quoted_in_path(text) for text in texts]
    assert quoted_in_path("leave:a=b") == "leave+a=b"
    assert len(set(quoted)) == len(texts)
    assert all(re.fullmatch(r"[\w.~%+=-]+", text, re.ASCII) for text in quoted)


def test_a_long_text_is_cut_and_stays_distinct() -> None:
    one, other = (quoted_in_path("leave:country=" + "x" * 300 + end) for end in "ab")
    assert one != other
    assert max(len(one), len(other)) < 100
