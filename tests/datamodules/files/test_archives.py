"""Archives: what is in them, and what is refused."""

import io
import tarfile
import zipfile

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files import archives, opening
from datamodules.files.archives import members


def zip_of(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tar_of(path, *infos):
    with tarfile.open(path, "w:gz") as archive:
        for name, content, kind in infos:
            info = tarfile.TarInfo(name)
            info.size, info.type = len(content), kind
            info.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
            archive.addfile(info, io.BytesIO(content))
    return path


def test_members_in_the_order_of_their_names(tmp_path):
    files = [("b", b"2"), ("folder/a", b"1")]
    assert list(members(zip_of(tmp_path / "t.zip", **{"folder/a": b"1", "b": b"2"}))) == files
    path = tar_of(tmp_path / "t.tar.gz", ("folder/a", b"1", tarfile.REGTYPE), ("b", b"2", tarfile.REGTYPE))
    assert list(members(path)) == files


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/etc/out", "..\\out", "C:/out"])
def test_paths_that_lead_out(tmp_path, name):
    for path in (zip_of(tmp_path / "t.zip", **{name: b"1"}), tar_of(tmp_path / "t.tar", (name, b"1", tarfile.REGTYPE))):
        with pytest.raises(MisconfigurationException, match="leads out of the archive"):
            list(members(path))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links(tmp_path, kind):
    with pytest.raises(MisconfigurationException, match="holds a link, which is not followed: a"):
        list(members(tar_of(tmp_path / "t.tar", ("a", b"", kind))))


def test_link_in_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        info = zipfile.ZipInfo("a")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(MisconfigurationException, match="holds a link"):
        list(members(tmp_path / "t.zip"))


def test_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "UNPACKED", 10_000)
    monkeypatch.setattr(archives, "MEMBERS", 50)
    bombs = (
        zip_of(tmp_path / "t.zip", a=b"0" * 3_000_000),
        tar_of(tmp_path / "t.tgz", ("a", b"0" * 3_000_000, tarfile.REGTYPE)),
    )
    for path in bombs:
        with pytest.raises(MisconfigurationException, match="unpacks to more than 100 times its size"):
            list(members(path))
    with pytest.raises(MisconfigurationException, match="more than 50 files"):
        list(members(zip_of(tmp_path / "u.zip", **{f"f{k}": b"" for k in range(51)})))


def test_damaged(tmp_path):
    for name in ("t.zip", "t.tar.gz"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 nothing")
        with pytest.raises(MisconfigurationException, match="is no archive, or damaged") as error:
            list(members(tmp_path / name))
        assert "\n" not in str(error.value)
