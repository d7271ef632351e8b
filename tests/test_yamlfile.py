"""YAML that people write: words that YAML takes for something else are named as written, with the advice to quote."""

from __future__ import annotations

from pathlib import Path

import pytest

from gairbench.errors import UsageError
from gairbench.yamlfile import Section, load_yaml


def section(folder: Path, text: str) -> Section:
    (folder / "my.yaml").write_text(text, encoding="utf-8")
    return load_yaml(folder / "my.yaml")


@pytest.mark.parametrize(
    ("written", "shown", "quoted"),
    [
        ("NO", "NO (the truth value false)", "NO"),
        ("on", "on (the truth value true)", "on"),
        ("1_000", "1_000 (the number 1000)", "1_000"),
        ("3", "3 (the number)", "3"),
        ("2.50", "2.50 (the number 2.5)", "2.50"),
        ("2020-01-31", "2020-01-31 (the date)", "2020-01-31"),
        ("~", "'~'", "~"),
    ],
)
def test_what_is_read_as_something_else_is_to_be_quoted(tmp_path: Path, written: str, shown: str, quoted: str) -> None:
    alone, listed = section(tmp_path, f"k: {written}"), section(tmp_path, f"k: [a, {written}]")
    for read in (lambda: alone.get("k", str), lambda: alone.texts("k"), lambda: alone.choice("k", ["a"])):
        with pytest.raises(UsageError) as caught:
            read()
        assert f"key 'k': {shown} is not a word" in str(caught.value)
        assert str(caught.value).endswith(f"; put it in quotes: {quoted!r}")
    with pytest.raises(UsageError) as caught:
        listed.texts("k")
    assert f"key 'k': {shown} in the list is not a word; put it in quotes: {quoted!r}" in str(caught.value)
    assert section(tmp_path, f"k: [a, '{written}']").texts("k") == ["a", written]


@pytest.mark.parametrize("text", ["k: {a: b}", "k: [{a: b}]", "k: [[a]]", "k:", "k: []"])
def test_what_has_no_quotes_to_miss_is_not_to_be_quoted_and_no_address_is_printed(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        section(tmp_path, text).get("k", str)
    assert "in quotes" not in str(caught.value)
    assert "object at" not in str(caught.value)


@pytest.mark.parametrize("written", ["0777", "1:30", "0x10", ".inf", ".nan"])
def test_numbers_that_are_read_as_other_numbers_are_refused_wherever_they_stand(tmp_path: Path, written: str) -> None:
    for text in (f"k: {written}", f"k: [1, {written}]"):
        with pytest.raises(UsageError, match=r"my\.yaml, line 1, key 'k.*': \S+ is read as .*; put it in quotes, '"):
            section(tmp_path, text)
    assert section(tmp_path, f"k: '{written}'").get("k", str) == written


@pytest.mark.parametrize(
    ("written", "value"), [("3", 3.0), ("-0.5", -0.5), (".5", 0.5), ("5.", 5.0), ("1e-3", 0.001), ("1_000", 1000.0)]
)
def test_numbers_are_numbers_however_they_are_written(tmp_path: Path, written: str, value: float) -> None:
    assert section(tmp_path, f"k: {written}").get("k", float) == value


def test_quoted_number_is_a_word(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'3' is not a number; write a number"):
        section(tmp_path, "k: '3'").get("k", float)
