from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing.repository import Git


@pytest.fixture
def everywhere(pinned: Path) -> None:
    """The driver is installed for the user, so that clones have it from the start."""
    Git(pinned).git('model', 'install', '--skip-repo')
