from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from monolayer.data.sources import members
from monolayer.errors import BadData
from tests.data.cifar_files import write_tar


def test_only_wanted_names_are_read_whatever_folder_they_are_in(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tgz", {"a.bin": b"a", "b.bin": b"b"}, top="../../outside")
    assert members.read_tar(path, {"a.bin"}) == {"a.bin": b"a"}
    assert not (tmp_path.parent / "outside").exists()


def test_links_are_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("a.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert members.read_tar(tmp_path / "a.tar", {"a.bin"}) == {}


def test_an_archive_cut_short_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tgz", {"a.bin": bytes(range(256)) * 1000})
    path.write_bytes(path.read_bytes()[:800])
    with pytest.raises(BadData, match=r"a\.tgz: the archive is damaged or cut short"):
        members.read_tar(path, {"a.bin"})


def test_a_huge_member_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "MAX_MEMBER_BYTES", 10)
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("a.bin")
        info.size = 11
        archive.addfile(info, io.BytesIO(bytes(11)))
    with pytest.raises(BadData, match=r"a\.bin: 11 bytes; no file of CIFAR-10 has more than 10"):
        members.read_tar(path, {"a.bin"})
    (tmp_path / "a.bin").write_bytes(bytes(11))
    with pytest.raises(BadData, match=r"a\.bin: 11 bytes"):
        members.read_folder(tmp_path, {"a.bin"})
