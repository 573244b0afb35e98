"""The pages of the manual, shown by ``git help``."""
from __future__ import annotations

import os
import subprocess
import sys

from git_model_driver.git import run


def show(page: str) -> None:
    """Go on as ``git help``, on a terminal and where ``man`` has the page.

    Returns where that is not so.
    """
    if not sys.stdout.isatty():
        return
    try:
        found = subprocess.run(
            ('man', '-w', page), stdin=subprocess.DEVNULL, capture_output=True,
            check=False, env=os.environ,
        )
    except FileNotFoundError:
        return
    if found.returncode == 0:
        run.become('help', '--man', page)       # "git help model-x" is another page
