import shutil
import tarfile
import zipfile

import pytest
from archive_server import FILES, tarred, zipped
from conftest import files_of

from human_segmentation.archives import unpack

LINK = {"type": tarfile.SYMTYPE, "linkname": "../../secret"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tarred({"/etc/evil": b"x"}), "outside"),
        (tarred({"../evil": b"x"}), "outside"),
        (tarred({"a/../../evil": b"x"}), "outside"),
        (tarred({"a\\..\\..\\evil": b"x"}), "outside"),
        (tarred({"C:evil": b"x"}), "outside"),
        (tarred({"..": b""}, type=tarfile.DIRTYPE), "outside"),
        (tarred({"link": b""}, **LINK), "link"),
        (tarred({"link": b""}, type=tarfile.LNKTYPE, linkname="/etc/passwd"), "link"),
        (tarred({"device": b""}, type=tarfile.CHRTYPE, devmajor=1, devminor=5), "device"),
        (tarred({"pipe": b""}, type=tarfile.FIFOTYPE), "device"),
        (zipped({"../evil": b"x"}), "outside"),
        (zipped({"/evil": b"x"}), "outside"),
        (zipped({"..\\evil": b"x"}), "outside"),
        (tarred({}), "empty"),
        (b"", "damaged or no archive"),
        (b"no archive at all" * 100, "damaged or no archive"),
        (b'{"code": "NoSuchKey"}', "damaged or no archive"),
    ],
)
def test_archives_that_are_refused(tmp_path, data, reason):
    (tmp_path / "archive").write_bytes(data)
    (tmp_path / "in" / "to").mkdir(parents=True)
    with pytest.raises(ValueError, match=reason) as caught:
        unpack(tmp_path / "archive", tmp_path / "in" / "to")
    assert "\n" not in str(caught.value)
    assert list(files_of(tmp_path)) == ["archive"]


def test_a_link_in_a_zip_is_refused(tmp_path):
    member = zipfile.ZipInfo("link")
    member.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(ValueError, match="'link' is a link"):
        unpack(tmp_path / "archive", tmp_path)


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz"])
def test_every_cut_and_every_change_is_noticed(tmp_path, mode):
    data = zipped(FILES) if mode == "zip" else tarred(FILES, mode=mode)
    # A plain tar: 512 bytes of header and 512 of content, 512 and 300,032, 512 of header, and zeros. Its headers alone
    # have checksums.
    ends = (
        [100, 600, 1024, 1536, 300_000, 1536 + 300_032, 2048 + 300_032] if mode == "w" else range(8, len(data), 30_011)
    )
    changes = [1024 + 3, 1536 + 300_032 + 3] if mode == "w" else range(1000, len(data), 60_013)
    damaged = [data[:end] for end in ends]
    damaged += [data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :] for place in changes]
    archive, folder = tmp_path / "archive", tmp_path / "out"
    for content in [*damaged, data]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        archive.write_bytes(content)
        if content is data:
            unpack(archive, folder)
        else:
            with pytest.raises(ValueError, match=r"damaged|short"):
                unpack(archive, folder)
    assert files_of(folder) == FILES


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_bombs_are_refused(tmp_path, pack):
    (tmp_path / "archive").write_bytes(pack({"a": bytes(50_000), "b": bytes(50_000)}))
    folder = tmp_path / "out"
    folder.mkdir()
    unpack(tmp_path / "archive", folder, limit=100_000)
    with pytest.raises(ValueError, match=r"more than 99,999 bytes"):
        unpack(tmp_path / "archive", folder, limit=99_999)
