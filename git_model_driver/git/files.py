"""Small files that are replaced whole: the old one or the new one is there."""
from __future__ import annotations

import os
from pathlib import Path


def replace(file: Path, data: bytes, mode: int | None = None) -> None:
    """Write a file anew, with the mode it had unless one is given."""
    temporary = file.with_name(f'.{file.name}.{os.getpid()}')
    try:
        temporary.write_bytes(data)
        if mode is None and file.exists():
            mode = file.stat().st_mode & 0o777
        if mode is not None:
            temporary.chmod(mode)
        os.replace(temporary, file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
