"""A merge commit of what is in the index already: as git itself ends a merge."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import run


def merge(parents: Sequence[str], message: str) -> str:
    """Commit the index with HEAD and these as parents; the commit.

    Hooks run, and it is signed as commits are here. Raises GitModelError where git
    refuses: the merge is then to be concluded or aborted by hand.
    """
    for name, text in (
        ('MERGE_MSG', f'{message}\n'), ('MERGE_MODE', 'no-ff'),
        ('MERGE_HEAD', ''.join(f'{parent}\n' for parent in parents)),
    ):
        file = Path(run.text('rev-parse', '--git-path', name))
        file.write_text(text, encoding='utf-8')
    done = run.attempt('commit', '-q', '--no-edit')
    if done.code:
        said = done.err.decode(errors='replace').strip().splitlines()
        raise GitModelError(
            f'the merge is made, but could not be committed: {" ".join(said[:2])}',
            'commit it with "git commit --no-edit", or undo it with '
            '"git merge --abort"',
        )
    return run.text('rev-parse', 'HEAD')
