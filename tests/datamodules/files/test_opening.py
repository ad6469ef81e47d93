"""Lines of texts."""

import gzip
import re
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files import opening
from datamodules.files.opening import check_file, nearby, read_lines

TEXT = "one\ntwo\r\n\nwith \r and \u2028 and \x85 inside\nlast ä"
LINES = ["one", "two", "", "with \r and \u2028 and \x85 inside", "last ä"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_only_line_feeds_end_a_line(tmp_path, encoding):
    (tmp_path / "t.txt").write_bytes(TEXT.encode(encoding))
    assert list(read_lines(tmp_path / "t.txt")) == LINES
    (tmp_path / "t.txt.gz").write_bytes(gzip.compress(TEXT.encode(encoding), mtime=0))
    assert list(read_lines(tmp_path / "t.txt.gz")) == LINES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("last", ["", "\r"])
def test_carriage_returns_end_the_lines_of_a_file_without_line_feeds(tmp_path, monkeypatch, encoding, last):
    monkeypatch.setattr(opening, "MAX_LINE", 50)  # of a line, not of the file
    lines = ["one", "", "two ä", *(f"line {k}" for k in range(20))]
    (tmp_path / "t.txt").write_bytes(("\r".join(lines) + last).encode(encoding))
    assert list(read_lines(tmp_path / "t.txt")) == lines


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("data/peple.csv", "; did you mean data/people.csv?"),
        ("dta/peple.csv", "; did you mean data/people.csv?"),
        ("data/people.csv/x", ""),
        ("data/other", "; in data there is people.csv, runs"),
        ("data/runs/digits/7", "; in data/runs/digits there is 0"),
        ("data/runs/digit/0", "; did you mean data/runs/digits/0?"),
        ("data/runs/digit/7", "; in data/runs/digits there is 0"),
        ("nowhere/at/all", ""),
    ],
)
def test_what_lies_nearby_is_named(tmp_path, monkeypatch, path, more):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "runs" / "digits" / "0").mkdir(parents=True)
    (tmp_path / "data" / "people.csv").write_text("a")
    (tmp_path / "data" / ".hidden").write_text("a")
    assert nearby(Path(path)) == more
    with pytest.raises(MisconfigurationException, match=re.escape(f"there is no file {path}{more}") + "$"):
        check_file(Path(path))


def test_a_single_nul_is_text(tmp_path):
    (tmp_path / "t.txt").write_bytes(b"a\0b\nlonger line of text\n")
    assert list(read_lines(tmp_path / "t.txt")) == ["a\0b", "longer line of text"]


def test_a_byte_that_does_not_fit_is_named_with_its_line(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"gut\n" * 5000 + "schön\n".encode("cp1252"))
    with pytest.raises(MisconfigurationException, match=r"line 5001: byte 0xf6 is not UTF-8; .*--data.encoding cp1252"):
        list(read_lines(path))
    assert list(read_lines(path, "cp1252"))[-1] == "schön"
    with pytest.raises(MisconfigurationException, match=r"line 5001: byte 0xf6 is not ASCII"):
        list(read_lines(path, "ascii"))


def test_a_line_that_is_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "MAX_LINE", 50)
    (tmp_path / "t.txt").write_text("short\n" + "x" * 51 + "\n")
    with pytest.raises(MisconfigurationException, match="line 2 has more than 50 characters"):
        list(read_lines(tmp_path / "t.txt"))
