"""Whether files are those of training."""

import os

from datamodules.files import fingerprint as module
from datamodules.files.fingerprint import fingerprint


def test_a_file_by_its_content(tmp_path):
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text("a\n1\n2\n")
    other.write_text("a\n1\n2\n")
    assert fingerprint([one]) == fingerprint([other])  # whatever it is called
    other.write_text("a\n2\n1\n")
    assert fingerprint([one]) != fingerprint([other])  # rows in another order
    assert fingerprint([]) == ""


def test_a_long_file_by_samples(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WHOLE", 1000)
    monkeypatch.setattr(module, "BLOCK", 40)
    path = tmp_path / "t.csv"
    rows = [f"{k:05d}" for k in range(20_000)]
    path.write_text("\n".join(rows))
    before = fingerprint([path])
    path.write_text("\n".join(rows[:5000] + rows[:4999:-1]))
    assert fingerprint([path]) != before


def test_a_folder_by_its_names(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "1.txt").write_text("x")
    before = fingerprint([tmp_path])
    (tmp_path / "a" / "1.txt").rename(tmp_path / "b" / "1.txt")
    assert fingerprint([tmp_path]) != before
    (tmp_path / "b" / "1.txt").rename(tmp_path / "a" / "1.txt")
    (tmp_path / ".hidden").write_text("x")
    assert fingerprint([tmp_path]) == before
    (tmp_path / "a" / "1.txt").write_text("y")
    assert fingerprint([tmp_path]) != before


def test_of_a_folder_only_visible_files_count(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.txt").write_text("1")
    before = fingerprint([tmp_path])
    (tmp_path / "a" / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    os.mkfifo(tmp_path / "a" / "pipe.txt")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "1.txt").write_text("1")
    assert fingerprint([tmp_path]) == before
