"""Bytes on their way into a file: what is to be done for each piece, and given on."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Protocol

from git_model_driver.store.ahead import Step
from git_model_driver.store.objectfile import ObjectFile

_HEAVY = 256 << 10


class Sink(Protocol):
    """Where a file's bytes go."""

    def data(self, data: bytes | memoryview) -> None: ...

    def file(self, fd: int, offset: int, length: int) -> None: ...


Give = Callable[[Sink], None]


def bytes_step(data: bytes | memoryview) -> Step:
    return Step(partial(_give, data), False)


def object_steps(file: ObjectFile, checked: bool, opened: ExitStack) -> Iterator[Step]:
    """Those of an object. It is closed by the last one, or with ``opened``."""
    closing = opened.enter_context(ExitStack())
    closing.push(file)
    if file.raw_at is not None:
        heavy = not checked and file.nbytes >= _HEAVY
        yield Step(partial(_give_file, file, checked), heavy)
    else:
        for i in range(file.chunk_count):
            yield Step(partial(_give_chunk, file, i), file.nbytes >= _HEAVY)
    yield Step(lambda: lambda sink: closing.close(), False)


def _give(data: bytes | memoryview) -> Give:
    return lambda sink: sink.data(data)


def _give_file(file: ObjectFile, checked: bool) -> Give:
    if not checked:     # the kernel will copy it, past our eyes
        file.verify()
    return lambda sink: sink.file(file.fd, file.raw_at or 0, file.nbytes)


def _give_chunk(file: ObjectFile, i: int) -> Give:
    return _give(file.chunk(i))
