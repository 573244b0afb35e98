"""A small file is the old one or the new one, whatever happens."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from git_model_driver.git import files


@pytest.mark.parametrize('call', ['replace', 'chmod'])
def test_the_old_one_stays_where_the_new_one_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str,
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise OSError

    file = tmp_path / 'hook'
    files.replace(file, b'old', 0o755)
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError):
        files.replace(file, b'new', 0o755)
    assert file.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['hook']


def test_the_mode_stays(tmp_path: Path) -> None:
    file = tmp_path / 'hook'
    files.replace(file, b'old', 0o750)
    files.replace(file, b'new')
    assert file.read_bytes() == b'new' and file.stat().st_mode & 0o777 == 0o750
