"""What a merge did to models, kept until its commit is made.

The driver runs before there is a commit, and before git knows whether there will
be one: each merged model leaves a small file in ``<git dir>/model/merges``, from which
the hook prepare-commit-msg makes a trailer. It counts only for the same HEAD, the same
other heads, and where the index still has the result.
"""
from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from typing import Optional

from git_model_driver.core.trailer import BY_HAND
from git_model_driver.git import run

_HEADS = 'GITHEAD_'


class Record(NamedTuple):
    """One merged model; ``result`` is the blob of its manifest, None for a conflict."""

    path: str
    head: str
    others: tuple[str, ...]
    result: Optional[str]
    summary: str


def note(path: str, text: str | None, summary: str) -> None:
    """Remember a merge that git is making (not one that it tries: merge-tree).

    ``text`` is the manifest. It is not worth an error if that cannot be done.
    """
    others = sorted(
        name.removeprefix(_HEADS) for name in os.environ if name.startswith(_HEADS)
    )
    head = run.attempt('rev-parse', '--verify', '-q', 'HEAD')
    if not others or head.code:
        return
    result = None
    if text is not None:
        hashed = run.output('hash-object', '--stdin', input=text.encode())
        result = hashed.decode().strip()
    made = Record(path, head.out.decode().strip(), tuple(others), result, summary)
    try:
        _write(made)
    except OSError:
        return


def _folder() -> Path:
    return Path(os.path.abspath(run.text('rev-parse', '--git-path', 'model/merges')))


def _write(record: Record) -> None:
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        found = None if '.' in old.name else _read(old)      # or a killed driver's
        if found is None or (found.head, found.others) != (record.head, record.others):
            old.unlink(missing_ok=True)
    name = hashlib.sha256(os.fsencode(record.path)).hexdigest()[:16]
    temporary = folder / f'{name}.{os.getpid()}'
    temporary.write_text(json.dumps(record._asdict()), encoding='utf-8')
    os.replace(temporary, folder / name)


def _read(file: Path) -> Record | None:
    try:
        data = json.loads(file.read_text(encoding='utf-8'))
        return Record(
            str(data['path']), str(data['head']), tuple(map(str, data['others'])),
            data['result'] and str(data['result']), str(data['summary']),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def trailers(merge_heads: Sequence[str]) -> Iterator[str]:
    """What to write below the message of a merge of these commits into HEAD."""
    head = run.text('rev-parse', 'HEAD')
    for file in sorted(_folder().iterdir()):
        record = None if '.' in file.name else _read(file)
        if record is None or record.head != head:
            continue
        if not set(merge_heads) <= set(record.others):
            continue
        staged = _staged(record.path)
        if staged is not None:
            by_hand = '' if staged == record.result else f'; {BY_HAND}'
            yield f'{json.dumps(record.path)[1:-1]}: {record.summary}{by_hand}'


def _staged(path: str) -> str | None:
    """The blob in the index, None while the path is in conflict or gone."""
    records = run.zsplit('ls-files', '-s', '-z', '--', f':(top,literal){path}')
    if len(records) != 1:
        return None
    _, blob, stage = records[0].partition(b'\t')[0].decode().split()
    return blob if stage == '0' else None
