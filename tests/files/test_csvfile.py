"""CSV as people write it, and as it breaks: each fault is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gairbench.errors import DataError
from gairbench.files.cells import Unusable
from gairbench.files.csvfile import CsvFile
from gairbench.files.tables import read_table


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_lines_are_those_of_the_file_despite_quoted_and_blank_lines(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", 'a,b\n"two\nlines",1\n\nlast,high\n'))
    with pytest.raises(DataError, match=r"t\.csv, line 5, column 'b': 'high' is not a number; fix"):
        table.column("b").numbers()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2,\n", "line 2 has 3 fields and the header 2"),
        ("a,b\n1,2\n3\n", "line 3 has 1 fields and the header 2"),
        ("a,b\n", "has no rows"),
        ("", "has no rows"),
        ('a,b\n1,"2\n', "cannot read table .*: unexpected end of data"),
    ],
)
def test_broken_csv_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path, "t.csv", text))


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("city\nZürich\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"table .*t\.csv, line 2 is not UTF-8 text \(byte 0xfc\); save it as UTF-8"):
        read_table(path)


def test_a_field_of_many_thousand_characters_is_read(tmp_path: Path) -> None:
    corners = ", ".join(f"{i / 1e3:.6f} {i * 7 % 100}" for i in range(200_000))
    path = write(tmp_path, "t.csv", f'id,wkt,lon\na,"POLYGON (({corners}))",1\nb,"say ""hi""",2\n')
    table = read_table(path)
    assert len(table.column("wkt").values[0]) > 2**20
    assert table.column("wkt").values[1] == 'say "hi"'
    assert table.column("lon").values.tolist() == ["1", "2"]


def test_a_quotation_mark_that_is_never_closed_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gairbench.files import csvfile

    monkeypatch.setattr(csvfile, "MAX_FIELD", 1000)
    path = write(tmp_path, "t.csv", 'id,a\n1,"' + "x\n" * 5000)
    with pytest.raises(DataError, match=r"t\.csv, line \d+: field larger than field limit .*close every"):
        read_table(path)


def test_nul_characters_are_told_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv, line 3 holds NUL characters"):
        read_table(write(tmp_path, "t.csv", "id,a\n1,2\n3,\0\n"))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_told(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("id,a\n1,2\n".encode(encoding))
    with pytest.raises(DataError, match=r"holds NUL characters.* it may be UTF-16"):
        read_table(path)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "shift_jis"])
def test_other_encodings_are_told_with_the_line(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    city = "東京" if encoding == "shift_jis" else "Málaga"
    path.write_bytes(f"id,city\n1,Rome\n2,{city}\n".encode(encoding))
    with pytest.raises(DataError, match=r"t\.csv, line 3 is not UTF-8 text \(byte 0x"):
        read_table(path)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(tmp_path: Path, end: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(end.join(["\ufeffid , a", "1,x", "", '2,"y, z"', ""]).encode())
    table = read_table(path)
    assert table.names == ["id", "a"], "blanks around a name do not count"
    assert table.column("a").words().tolist() == ["x", "y, z"]
    assert table.lines.tolist() == [2, 4]


def test_ragged_lines_are_faults_of_their_rows_when_streamed(tmp_path: Path) -> None:
    file = CsvFile(write(tmp_path, "t.csv", "a,b\n1,2\n3\n4,5,6\n7,8\n"))
    rows = list(file.rows(["b"]))
    assert [line for line, _ in rows] == [2, 3, 4, 5]
    assert [cells[0] for _, cells in rows[::3]] == ["2", "8"]
    assert all(isinstance(cells[0], Unusable) and cells[0].whole_row for _, cells in rows[1:3])


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_are_recognized_and_refused(tmp_path: Path, separator: str) -> None:
    path = write(tmp_path, "t.csv", separator.join(["id", "lon"]) + "\n" + separator.join(["1", "2"]) + "\n")
    with pytest.raises(DataError, match=r"its fields are separated by .*; save it with commas"):
        read_table(path).column("lon")


def test_a_name_in_two_unicode_forms_is_one_name(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", "Cafe\u0301,b\n1,2\n"))
    assert table.column("Caf\u00e9").values.tolist() == ["1"]
    twice = read_table(write(tmp_path, "u.csv", "Cafe\u0301,Caf\u00e9\n1,2\n"))
    with pytest.raises(DataError, match=r"stands in the header of .* more than once"):
        twice.column("Caf\u00e9")
