"""Git LFS, where it is installed."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

from git_model_driver.git import run


def storage(git_dir: Path, *scope: str) -> Path:
    """The folder that its objects are in: lfs.storage in that configuration."""
    found = run.attempt('config', *scope, '--type=path', '--get', 'lfs.storage').out
    folder = os.fsdecode(found).removesuffix('\n') or 'lfs'
    return git_dir / folder


def get(pointer: bytes) -> bool:
    """Have it fetch an object; False where it cannot, or is not there."""
    done = subprocess.run(
        ('git', 'lfs', 'smudge'), input=pointer, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, check=False,
        env={**os.environ, 'GIT_LFS_SKIP_SMUDGE': '0'},
    )
    return done.returncode == 0
