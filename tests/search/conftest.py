"""A folder of pictures to search."""

import pytest

from colours import paint


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(["a.png", "b.PNG", "deep/c.webp", "deep/er/d.jpg", "e.bmp", "f.gif"]):
        paint(tmp_path / "photos" / name, i)
    return tmp_path / "photos"
