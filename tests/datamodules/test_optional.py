"""Where nothing else depends on what is written, a failure is told once, and all else goes on."""

import errno
import warnings
from pathlib import Path

import pytest

from datamodules.optional import optional


def fail(folder: Path, advice: str = "") -> None:
    with optional("b.png", folder, advice):
        raise OSError(errno.ENOSPC, "No space left on device")


def make_again(folder: Path) -> None:
    with optional("a.txt", folder):
        folder.mkdir()


def test_a_failure_is_told_once_a_folder(tmp_path: Path) -> None:
    said = r"^b.png cannot be written into \S+b \(No space left on device\); all else goes on. Leave it out$"
    with pytest.warns(UserWarning, match=said):
        fail(tmp_path / "b", "Leave it out")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fail(tmp_path / "b")


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.warns(UserWarning, match=r"into \S+a \(\S+a is no folder\); all else goes on$"):
        make_again(tmp_path / "a")


def test_what_is_no_matter_of_writing_ends_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wrong"), optional("a.txt", tmp_path):
        raise ValueError("wrong")
