import numpy as np
import pytest
from conversion import convert, drawn, fails, labels, photo, write


@pytest.fixture
def eg1800(tmp_path):
    root = tmp_path / "EG1800"
    label = np.zeros((6, 8), np.uint8)
    label[1, 1:4] = 1, 2, 255
    for name in ("1", "2", "3"):
        photo(root / "Images" / f"{name}.jpg")
        write(root / "Labels" / f"{name}.png", label)
    blue = np.zeros((6, 8, 3), np.uint8)
    blue[5, 7, 0] = 1  # too little to show in grey
    write(root / "Labels" / "3.png", blue)
    (root / "eg1800_train.txt").write_bytes(b"1.png\r\ngone.png\r\n2.png\r\n\r\nlost.png\r\n")
    (root / "eg1800_test.txt").write_text("3.png\n")
    return root


@pytest.mark.parametrize("names", [("Images", "Labels"), ("image", "mask")])
def test_eg1800(tmp_path, eg1800, capsys, names):
    (eg1800 / "Images").rename(eg1800 / names[0])
    (eg1800 / "Labels").rename(eg1800 / names[1])
    out = tmp_path / "out"
    assert convert("eg1800", eg1800, out) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{out / 'train.txt'}: 2 samples; 2 of 4 portraits are missing and left out",
        f"{out / 'val.txt'}: 1 samples",
    ]
    train, val = labels(out, "train.txt"), labels(out, "val.txt")
    assert list(train) == ["1.jpg", "2.jpg"]
    for mask in train.values():
        assert mask.tolist() == drawn("........ .###.... ........ ........ ........ ........").tolist()
    assert val["3.jpg"].tolist() == drawn("........ " * 5 + ".......#").tolist()


def test_eg1800_files_that_are_missing_or_broken(tmp_path, eg1800, capsys):
    out = tmp_path / "out"
    (eg1800 / "Labels" / "2.png").rename(tmp_path / "2.png")
    assert "2.jpg: has no label" in fails(capsys, out, "eg1800", eg1800, out)
    write(eg1800 / "Labels" / "2.png", np.zeros((6, 9)))
    assert "2.jpg: the photo has 8x6 pixels and its annotation 9x6" in fails(capsys, out, "eg1800", eg1800, out)
    (eg1800 / "Labels" / "2.png").write_bytes(b"")
    assert "2.png: the file is empty" in fails(capsys, out, "eg1800", eg1800, out)
    (eg1800 / "eg1800_train.txt").write_text("gone.png\n")
    assert "eg1800_train.txt: none of its 1 portraits is there" in fails(capsys, out, "eg1800", eg1800, out)
    (eg1800 / "eg1800_train.txt").unlink()
    assert "eg1800_train.txt: the list cannot be read" in fails(capsys, out, "eg1800", eg1800, out)
    (eg1800 / "Labels").rename(eg1800 / "labels of mine")
    assert f"{eg1800}: has no folder Labels or mask" in fails(capsys, out, "eg1800", eg1800, out)
