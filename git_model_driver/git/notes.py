"""Notes on objects, line by line: what several add at once is all kept.

They go to a remote with what is pushed, and come from it with ``git model fetch`` and
``pull``; the lines of both sides are kept. What a remote was seen to have is on a ref
of its own, so that nothing is asked where nothing is new.
"""
from __future__ import annotations

import os

from git_model_driver.core.errors import GitError
from git_model_driver.git import run

# What evaluators said of models, one JSON object a line.
EVALUATIONS = 'refs/notes/model-eval'
_TRIES = 20
NAMESPACE = 'refs/notes/'
SYNCED = 'refs/notes-of/'       # and a hash of the remote's name


def read(ref: str, oid: str) -> list[str]:
    """The lines of an object's note, without empty ones."""
    done = run.attempt('notes', f'--ref={ref}', 'show', oid)
    if done.code:
        return []
    lines = done.out.decode('utf-8', 'replace').splitlines()
    return [line for line in lines if line.strip()]


def listed(ref: str) -> dict[str, str]:
    """The blobs of all notes, by what they are on."""
    done = run.attempt('notes', f'--ref={ref}', 'list')
    pairs = (line.split() for line in done.out.decode().splitlines())
    return {about: note for note, about in pairs} if done.code == 0 else {}


def add(ref: str, lines: dict[str, list[str]]) -> None:
    """Add lines to the notes of objects, each line once. Raises GitError.

    The ref is moved only from where it was when its notes were read.
    """
    for _ in range(_TRIES):
        old = tip(ref)
        scratch = f'{NAMESPACE}{os.path.basename(ref)}-{os.getpid()}'
        try:
            if old:
                run.output('update-ref', scratch, old)
            if not _written(scratch, lines) or _moved(ref, scratch, old):
                return
        finally:
            run.attempt('update-ref', '-d', scratch)
    raise _restless(ref)


def _restless(ref: str) -> GitError:
    return GitError(
        f"'{ref}' is being changed by others all the time", 'run the command again',
    )


def _written(scratch: str, lines: dict[str, list[str]]) -> bool:
    """Whether there was anything to add."""
    changed = False
    for oid, more in lines.items():
        before = read(scratch, oid)
        after = sorted({*before, *more})
        if after != before:
            changed = True
            text = ''.join(f'{line}\n' for line in after).encode()
            run.output('notes', f'--ref={scratch}', 'add', '-f', '-F', '-', oid,
                       input=text)
    return changed


def _moved(ref: str, scratch: str, old: str) -> bool:
    """Move the ref to what was made, unless somebody else has moved it."""
    new = run.text('rev-parse', '--verify', scratch)
    zero = '0' * len(new)
    return run.attempt('update-ref', ref, new, old or zero).code == 0


def tip(ref: str) -> str:
    """The commit that a ref is at, '' where there is no such ref."""
    return run.attempt('rev-parse', '--verify', '--quiet', ref).out.decode().strip()


def merge(ref: str, theirs: str) -> None:
    """Take over the notes of another ref: the lines of both. Raises GitError."""
    for _ in range(_TRIES):
        old, new = tip(ref), tip(theirs)
        if not new or old == new:
            return
        scratch = f'{NAMESPACE}{os.path.basename(ref)}-{os.getpid()}'
        try:
            run.output('update-ref', scratch, old or new)
            if old:
                run.output(
                    'notes', f'--ref={scratch}', 'merge', '-q', '-s', 'cat_sort_uniq',
                    theirs,
                )
            if _moved(ref, scratch, old):
                return
        finally:
            run.attempt('update-ref', '-d', scratch)
    raise _restless(ref)


def fetch(remote: str, ref: str) -> bool:
    """Take over a remote's notes; whether it could be asked."""
    seen = seen_at(remote, ref)
    # A pattern does not fail where nothing matches; it is the name but for a letter.
    done = run.attempt(
        'fetch', '-q', '--no-tags', '--no-write-fetch-head', '--no-auto-gc',
        '--no-recurse-submodules', '--refmap=', remote, f'+{ref[:-1]}*:{seen[:-1]}*',
    )
    if done.code == 0:
        merge(ref, seen)
    return done.code == 0


def push(remote: str, ref: str) -> bool:
    """Have a remote's notes include ours; whether they do now. Theirs are taken over.

    Nothing is asked of the remote where ours are what it was last seen to have.
    """
    ours = tip(ref)
    if not ours or ours == tip(seen_at(remote, ref)):
        return True
    for _ in range(_TRIES):
        if not fetch(remote, ref):
            return False
        # Without the hook: it is what calls us.
        done = run.attempt('push', '-q', '--no-verify', remote, f'{ref}:{ref}')
        if done.code == 0:
            run.attempt('update-ref', seen_at(remote, ref), tip(ref))
            return True
        if b'rejected' not in done.err:
            return False
    return False


def remotes() -> list[str]:
    """The names of all that are configured."""
    return run.text('remote').split()


def seen_at(remote: str, ref: str) -> str:
    """Where is noted what a remote had."""
    import hashlib  # 6 ms, and few repositories have notes

    name = hashlib.sha256(os.fsencode(remote)).hexdigest()[:16]
    return f'{SYNCED}{name}/{os.path.basename(ref)}'
