"""Runs of one's own may name one's own packages; nobody else's file can say so."""

import sys
from pathlib import Path

import pytest

from experiments.signatures import sign, trusted

TEXT = "model:\n  class_path: json.JSONDecoder\n"  # json stands for a package of the user's own


def test_only_the_user_who_signed_trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = sign(TEXT, ["json", "never_imported", "sys"])
    assert signed.startswith(TEXT)
    assert trusted(signed) == ["json"]  # of sys nothing is named
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "other"))
    assert trusted(signed) == []
    assert not (tmp_path / "other").exists()  # to read makes no key
    sign(TEXT, ["json"])
    assert trusted(signed) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("JSONDecoder", "JSONEncoder"),
        ("trusts json", "trusts json, os"),
        ("trusts json", "trusts os"),
        (TEXT, ""),
        (TEXT, TEXT * 2),
        (", signed ", ", signed 0"),
        ("\n", "\n\n"),
    ],
)
def test_what_was_changed_is_not_trusted(old: str, new: str) -> None:
    signed = sign(TEXT, ["json"])
    assert trusted(signed.replace(old, new)) == []
    assert trusted(signed) == ["json"]


def test_a_signature_that_something_follows_does_not_count() -> None:
    assert trusted(sign(TEXT, ["json"]) + "data: os.popen\n") == []


def test_nothing_to_note() -> None:
    assert sign(TEXT, []) == TEXT
    assert trusted(TEXT) == []
    assert trusted(None) == []


def test_no_home_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    assert sign(TEXT, ["json"]) == TEXT


def test_the_key_is_for_the_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    sign(TEXT, ["json"])
    (key,) = (tmp_path / "leyden").iterdir()
    assert key.stat().st_mode & 0o077 == 0
    assert len(set(key.read_bytes())) > 16
    assert "json" in sys.modules
