"""Word vectors in files."""

import gzip

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.vectors import read_vectors, read_words, write_vectors


def test_there_and_back(tmp_path):
    vectors = torch.randn(3, 5)
    write_vectors(tmp_path / "v.txt", ["the", "naïve", "3.5"], vectors)
    found = dict(read_vectors(tmp_path / "v.txt"))
    assert list(found) == ["the", "naïve", "3.5"]
    torch.testing.assert_close(torch.tensor(list(found.values())), vectors, atol=1e-5, rtol=1e-5)


def test_without_a_first_line_and_damaged(tmp_path):
    (tmp_path / "glove.txt").write_text("the 1 2\na 3 4\n")
    assert dict(read_vectors(tmp_path / "glove.txt")) == {"the": [1, 2], "a": [3, 4]}
    with pytest.raises(MisconfigurationException, match="there are no word vectors at"):
        list(read_vectors(tmp_path / "none.txt"))


@pytest.mark.parametrize("line", ["a 3 x", "a 3", "a 3 nan", "a inf 3", " 3 4", "a"])
@pytest.mark.parametrize("first", ["", "3 2\n"])
def test_a_line_that_is_no_word_and_vector(tmp_path, first, line):
    (tmp_path / "bad.txt").write_text(f"{first}the 1 2\nof 1 2\n{line}\n")
    number = 3 + bool(first)
    with pytest.raises(MisconfigurationException, match=rf"bad.txt, line {number} is not a word and its vector of 2"):
        list(read_vectors(tmp_path / "bad.txt"))


def test_words_that_hold_blanks(tmp_path):
    lines = ["film 1 2", ". . . 3 4", "at name@example.com 5 6", "to 7 8", "\xa0 9 9", "2 1 1"]
    words = ["film", ". . .", "at name@example.com", "to", "\xa0", "2"]
    for name, header in (("glove.txt", ""), ("word2vec.txt", "6 2\n")):
        (tmp_path / name).write_text(header + "\n".join(lines) + "\n", encoding="utf-8")
        assert [word for word, _ in read_vectors(tmp_path / name)] == words
        assert dict(read_vectors(tmp_path / name))[". . ."] == [3, 4]
    (tmp_path / "first.txt").write_text(". . . 3 4\nfilm 1 2\nto 7 8\n")
    assert dict(read_vectors(tmp_path / "first.txt"))[". . ."] == [3, 4]


def test_other_ways_of_writing_it(tmp_path):
    content = "3 2\nthe\t1 2 \r\nof\t3\t4\n\na 5 6"
    (tmp_path / "v.txt.gz").write_bytes(gzip.compress(content.encode("utf-8-sig"), mtime=0))
    assert dict(read_vectors(tmp_path / "v.txt.gz")) == {"the": [1, 2], "of": [3, 4], "a": [5, 6]}


def test_a_file_that_lost_its_end(tmp_path):
    (tmp_path / "v.txt").write_text("3 2\nthe 1 2\nof 3 4\n")
    with pytest.warns(UserWarning, match="announces 3 words, but 2 are there"):
        assert len(list(read_vectors(tmp_path / "v.txt"))) == 2


def test_words_of_vectors_and_of_a_list(tmp_path):
    (tmp_path / "v.txt").write_text("2 2\nthe 1 2\nof 3 4\n")
    (tmp_path / "list.txt").write_text("the\n\nof \n")
    assert list(read_words(tmp_path / "v.txt")) == list(read_words(tmp_path / "list.txt")) == ["the", "of"]
