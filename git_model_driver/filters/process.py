"""The long-running filter process, version 2 (gitattributes(5)).

``delay`` is advertised: git then marks the requests that may be delayed, those for
files of the worktree. Nothing is delayed in git's sense: it would hold the file in
memory all the same. What ``model.materialize`` leaves for later is done at the end,
when git has closed the pipe and waits for this process.
"""
from __future__ import annotations

import os
import sys
from collections.abc import Callable
from collections.abc import Iterator

from git_model_driver.core.errors import GitModelError
from git_model_driver.filters import direct
from git_model_driver.filters.filter import Filter
from git_model_driver.filters.smudge import Sink
from git_model_driver.git import caller
from git_model_driver.git import pktline
from git_model_driver.git.pktline import ProtocolError
from git_model_driver.git.pktline import Reader
from git_model_driver.git.pktline import Writer

CAPABILITIES = ('clean', 'smudge', 'delay')


def serve(stdin: int, stdout: int) -> None:
    """Answer git until it closes the pipe."""
    pktline.widen(stdin)
    pktline.widen(stdout)
    reader, writer = Reader(stdin), Writer(stdout)
    _shake_hands(reader, writer)
    with Filter() as filter_:
        while True:
            try:
                lines = reader.lines()
            except EOFError:
                direct.write_later(filter_)
                return
            if not all('=' in line for line in lines):
                raise ProtocolError(f'expected key=value, got {lines[:4]}')
            request = dict(line.split('=', 1) for line in lines)
            _answer(filter_, request, reader, writer)


def _shake_hands(reader: Reader, writer: Writer) -> None:
    hello = reader.lines()
    if hello[:1] != ['git-filter-client'] or 'version=2' not in hello:
        raise ProtocolError(f'expected git-filter-client and version=2, got {hello}')
    writer.lines('git-filter-server', 'version=2')
    offered = reader.lines()
    writer.lines(*(f'capability={c}' for c in CAPABILITIES
                   if f'capability={c}' in offered))


def _answer(
    filter_: Filter, request: dict[str, str], reader: Reader, writer: Writer,
) -> None:
    command, path = request.get('command'), request.get('pathname', '')
    if command == 'list_available_blobs':
        writer.lines()
        writer.lines('status=success')
        return
    packets = reader.until_flush()
    try:
        if command == 'clean':
            result = _whole(filter_.clean(path, packets))
        elif command == 'smudge':
            result = _smudge(filter_, request, path, packets)
        else:
            raise ProtocolError(f'unknown command {command!r}')
    except GitModelError as e:
        print(e, file=sys.stderr)
        _drain(packets)
        writer.lines('status=error')
        return
    writer.lines('status=success')
    result(writer)
    writer.flush()
    writer.lines()      # the status stays as it is


def _whole(data: bytes) -> Callable[[Sink], None]:
    return lambda sink: sink.data(data)


def _smudge(
    filter_: Filter, request: dict[str, str], path: str, packets: Iterator[bytes],
) -> Callable[[Sink], None]:
    data = b''.join(packets)
    to_worktree = request.keys() & {'can-delay', 'ref', 'treeish'}
    if not to_worktree and caller.wants_textconv(path):
        return _whole(data)
    return filter_.smudge(path, data, request.get('can-delay') == '1')


def _drain(packets: Iterator[bytes]) -> None:
    for _ in packets:
        pass


def protect_stdout() -> int:
    """Take the real standard output away, so that a stray print harms nothing."""
    private = os.dup(1)
    os.dup2(2, 1)
    return private


def one_blas_thread() -> None:
    """Called before NumPy is imported: our threads are enough, BLAS' own would spin."""
    os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
