"""Lines of .gitattributes that give files to the model filter."""
from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import files
from git_model_driver.git import run
from git_model_driver.git.repository import Repository

FILE = '.gitattributes'
ATTRIBUTES = 'filter=model diff=model merge=model -text'
# JSON that must agree with the tensors beside it.
CONFIGS = (
    'config.json', 'generation_config.json', 'adapter_config.json', 'tokenizer.json',
    'tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json',
    'vocab.json', '*.index.json',
)
_LINE = re.compile(
    r'\s*("(?:[^"\\]|\\.)*"|[^\s#"]\S*)((?:\s+\S+)*)\s*', re.ASCII,
)
_SPECIAL = re.compile(r'([*?\[\]\\])')


class Pattern(NamedTuple):
    text: str           # as it stands in the file
    file: str           # the .gitattributes it stands in, from here


def quoted(pattern: str, literal: bool = False) -> str:
    r"""A pattern as a line of .gitattributes begins with it.

    Spaces, quotes and control characters need C quotes; a literal file name has
    its ``*?[]\`` escaped.
    """
    if literal:
        pattern = _SPECIAL.sub(r'\\\1', pattern)
        if pattern.startswith('!'):
            pattern = '\\' + pattern    # git obeys no negative pattern
    if re.search(r'[\s"\x00-\x1f]', pattern) or pattern.startswith('#'):
        escaped = pattern.replace('\\', '\\\\').replace('"', '\\"')
        escaped = escaped.replace('\t', '\\t').replace('\n', '\\n')
        return f'"{escaped}"'
    return pattern


def add(pattern: str, file: Path) -> bool:
    """Append a line; False if it is there already. ``pattern`` is quoted.

    Raises GitModelError for a symbolic link: git does not follow that either.
    """
    if file.is_symlink():
        raise GitModelError(
            f"'{file}' is a symbolic link, which git ignores",
            f'replace it by a file: rm {file}',
        )
    text = _read(file)
    if pattern in _ours(text):
        return False
    if text and not text.endswith('\n'):
        text += '\n'
    _write(file, f'{text}{pattern} {ATTRIBUTES}\n')
    return True


def add_configs(file: Path) -> list[str]:
    """Have JSON files beside models merged key by key; the patterns that were new."""
    text = _read(file)
    has_rule = {
        match[1] for line in text.splitlines()
        if (match := _LINE.fullmatch(line)) and re.search(r'(^|\s)-?merge', match[2])
    }
    added = [pattern for pattern in CONFIGS if pattern not in has_rule]
    if text and not text.endswith('\n'):
        text += '\n'
    if added:
        _write(file, text + ''.join(f'{name} merge=model-json\n' for name in added))
    return added


def remove(pattern: str, file: Path) -> bool:
    """Remove the lines for a pattern; False if there is none."""
    text = _read(file)
    kept = [
        line for line in text.splitlines(keepends=True)
        if not (_pattern_of(line) == pattern and _is_ours(line))
    ]
    if len(kept) == len(text.splitlines()):
        return False
    if kept:
        _write(file, ''.join(kept))
    else:
        file.unlink()
    return True


def listing() -> list[Pattern]:
    """The patterns in all .gitattributes of the worktree below here."""
    names = {
        os.fsdecode(name) for name in run.zsplit(
            'ls-files', '-z', '--cached', '--others', '--exclude-standard',
            '--', FILE, f'**/{FILE}',
        )
    }
    return [
        Pattern(pattern, name)
        for name in sorted(names) for pattern in _ours(_read(Path(name)))
    ]


def _ours(text: str) -> list[str]:
    lines = filter(_is_ours, text.splitlines())
    return [pattern for line in lines if (pattern := _pattern_of(line))]


def _pattern_of(line: str) -> str | None:
    match = _LINE.fullmatch(line)
    return match[1] if match else None


def _is_ours(line: str) -> bool:
    match = _LINE.fullmatch(line)
    if match is None or match[1].startswith('[attr]'):
        return False
    return 'filter=model' in match[2].split()


def _read(file: Path) -> str:
    try:
        return os.fsdecode(file.read_bytes())
    except FileNotFoundError:
        return ''


def _write(file: Path, text: str) -> None:
    files.replace(file, os.fsencode(text))


def merged_as_models(paths: Iterable[str]) -> set[str]:
    """Those of the paths (from the top) whose merge driver is ours."""
    return _of_model('merge', run.text('rev-parse', '--show-toplevel') or '.', paths)


def filtered(paths: Iterable[str]) -> set[str]:
    """Those of the paths (from here) that the filter is responsible for."""
    return _of_model('filter', '.', paths)


def filtered_from_top(paths: Iterable[str], repository: Repository) -> set[str]:
    """The same of paths from the top; in a bare repository, by its own attributes."""
    return _of_model('filter', str(repository.top or repository.git_dir), paths)


def _of_model(attribute: str, folder: str, paths: Iterable[str]) -> set[str]:
    asked = b''.join(os.fsencode(path) + b'\0' for path in paths)
    fields = run.output(
        '-C', folder, 'check-attr', '-z', '--stdin', attribute, input=asked,
    ).split(b'\0')
    return {
        os.fsdecode(path) for path, value in zip(fields[::3], fields[2::3])
        if value == b'model'
    }
