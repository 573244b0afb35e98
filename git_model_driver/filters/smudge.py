"""A manifest becomes the model file again, byte for byte."""
from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from functools import cached_property
from itertools import accumulate

from git_model_driver.core import skeleton as skeletons
from git_model_driver.core import sums
from git_model_driver.core import words
from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.errors import ObjectError
from git_model_driver.core.manifest import OPAQUE
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.core.skeleton import Literal
from git_model_driver.core.skeleton import RangeSum
from git_model_driver.core.skeleton import Segment
from git_model_driver.core.skeleton import Skeleton
from git_model_driver.core.skeleton import Slot
from git_model_driver.core.skeleton import SumOf
from git_model_driver.filters import pouring
from git_model_driver.filters.naming import name_of
from git_model_driver.filters.pouring import Sink as Sink
from git_model_driver.formats import registry
from git_model_driver.formats.base import canonical_writer
from git_model_driver.git.pktline import Unframed
from git_model_driver.store.ahead import Step
from git_model_driver.store.ahead import in_order
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objects import Store

_SUM = struct.Struct('<I')
_LARGE = 4 << 30
_MOST_REPETITION = 10_000
_CHAIN_THREADS = 4
_MOST_SUMS = 8      # a ZIP member has its CRC-32 in two or three places


class Assembly:
    """A model file about to be written.

    ``check`` reads everything there is to read and finds what is missing or
    damaged before the first byte is given away; ``write`` then writes. Whoever can
    take back what was written calls ``prepare`` instead: then ``write`` finds damage.
    """

    def __init__(self, manifest: Manifest, store: Store, path: str = '-') -> None:
        self.manifest = manifest
        self.store = store
        self.path = path
        self._checked: set[Oid] = set()
        self._sums: dict[RangeSum | SumOf, bytes] = {}
        self._is_chained = False        # some of it is stored as differences
        self._current: Oid | None = None     # the object that is being read

    def check(self) -> None:
        """Raises MissingObject, CorruptObject, FormatError and ManifestError."""
        self.prepare()
        with self._naming():
            for oid in self.manifest.oids:
                if oid not in self._checked:
                    self._verify(oid)

    def check_fit(self) -> None:
        """Check that each tensor has a place of its size. Raises as ``check`` does."""
        with self._naming():
            self._check_places()

    def _check_places(self) -> None:
        for segment in self.skeleton.segments:
            if isinstance(segment, Slot):
                self._check_slot(segment)
        self._check_all_placed()

    def prepare(self) -> None:
        """Check all that can be without reading tensors. Raises as ``check`` does."""
        with self._naming():
            self._check_proportions()
            self._add_sums_of_tensors()
            self._check_places()
            for segment in self.skeleton.segments:
                if isinstance(segment, RangeSum) and segment not in self._sums:
                    covered = self._covered(segment)
                    self._sums[segment] = self._sum(segment.kind, covered)

    @property
    def size(self) -> int:
        """Bytes of the file. Raises as ``check`` does."""
        return self.skeleton.size

    @cached_property
    def skeleton(self) -> Skeleton:
        self.store.gather(self.manifest.oids)
        missing = self.store.missing(self.manifest.oids)
        if missing:
            n = len(missing)
            raise MissingObject(
                f"'{self.path}' has {n} tensor{'s' * (n != 1)} that "
                f"{'are' if n != 1 else 'is'} not in the store", *self.store.gone(),
                f'get what is missing with "git model pull {words.shell(self.path)}"',
            )
        return self._find_skeleton()

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *accumulate(s.length for s in self.skeleton.segments)]

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Errors say what of this file an object is; what that is based on has no name.
        """
        try:
            yield
        except (CorruptObject, MissingObject) as e:
            oid = self._current or Oid(e.oid or '')
            if oid not in set(self.manifest.oids):
                raise
            what = f"{name_of(oid, self.manifest)} of '{self.path}'"
            raise type(e)(f'{what}: {e.message}', *e.hints, oid=e.oid) from None

    def _open(self, oid: Oid) -> ObjectFile:
        self._current = oid
        return self.store.open(oid)

    def _add_sums_of_tensors(self) -> None:
        """Those of tensors in other files; each tensor is read once."""
        known: dict[tuple[str, Oid], bytes] = {}
        for segment in self.skeleton.segments:
            if isinstance(segment, SumOf):
                key = segment.kind, self._oid(segment)
                if key not in known:
                    known[key] = self._sum(segment.kind, self._chunks(key[1]))
                self._sums[segment] = known[key]

    def _sum(self, kind: str, chunks: Iterable[bytes | memoryview]) -> bytes:
        return _SUM.pack(sums.of(kind, chunks))

    def _check_proportions(self) -> None:
        """Refuse what a hostile manifest blows up out of next to nothing."""
        size = self.skeleton.size
        covered = sum(
            s.covered for s in self.skeleton.segments if isinstance(s, RangeSum)
        )
        if covered > _MOST_SUMS * size:
            raise self._disagrees('(a checksum)')
        if size > _LARGE:
            unique = sum(self._nbytes(oid) for oid in set(self.manifest.oids))
            if size > unique * _MOST_REPETITION:
                raise ManifestError(
                    f"'{self.path}' would be {size} bytes made of {unique}: refused",
                    'no model is that repetitive; see it with '
                    f'"git show {words.shell("HEAD:" + self.path)}"',
                )

    def _nbytes(self, oid: Oid) -> int:
        with self._open(oid) as file:
            return file.nbytes

    def _find_skeleton(self) -> Skeleton:
        manifest = self.manifest
        if manifest.format == OPAQUE:
            chunks = enumerate(manifest.chunks)
            slots = (Slot(str(i), chunk.nbytes) for i, chunk in chunks)
            return Skeleton(tuple(slots), memoryview(b''))
        if manifest.skeleton is not None:
            if self._nbytes(manifest.skeleton.oid) != manifest.skeleton.nbytes:
                raise self._disagrees('(the skeleton)')
            return skeletons.parse(b''.join(self._chunks(manifest.skeleton.oid)))
        form = registry.find(manifest.format)
        write = canonical_writer(form)
        if write is None:
            raise ManifestError(
                f"'{self.path}': '{manifest.format}' files have no canonical layout",
                f'bring the last good version back with "git checkout HEAD -- '
                f'{words.shell(self.path)}"',
            )
        return write(manifest)

    def _oid(self, slot: Slot | SumOf) -> Oid:
        if self.manifest.format == OPAQUE:
            return self.manifest.chunks[int(slot.name)].oid
        try:
            return self.manifest.tensors[slot.name].oid
        except KeyError:
            raise self._disagrees(slot.name) from None

    def _check_all_placed(self) -> None:
        """A tensor that goes nowhere would be lost: the manifest was put together."""
        slots = [s for s in self.skeleton.segments if isinstance(s, (Slot, SumOf))]
        placed = {self._oid(slot) for slot in slots}
        for entry in self.manifest.tensors.values():
            if entry.nbytes and entry.oid not in placed:
                raise self._disagrees(entry.name)

    def _check_slot(self, slot: Slot) -> None:
        with self._open(self._oid(slot)) as file:
            if file.nbytes != slot.length:
                raise self._disagrees(slot.name)
            self._is_chained |= file.header.base is not None

    def _disagrees(self, name: str) -> ManifestError:
        return ManifestError(
            f"'{self.path}': the layout and the tensor '{name}' do not fit together",
            f'bring the last good version back with "git checkout HEAD -- '
            f'{words.shell(self.path)}"',
        )

    def _verify(self, oid: Oid) -> None:
        """An object and all that it is based on, as it is stored.

        Where that is not whole it is decoded: it may need no more than what is.
        """
        self._current = oid
        try:
            self._verify_chain(oid)
        except ObjectError:
            for _ in self._chunks(oid):
                pass

    def _verify_chain(self, oid: Oid | None) -> None:
        while oid is not None and oid not in self._checked:
            with self.store.open(oid) as file:
                file.verify()
            self._checked.add(oid)
            oid = file.header.base

    def _chunks(self, oid: Oid) -> Iterator[memoryview]:
        with self._open(oid) as file:
            yield from file.chunks()
        self._checked.add(oid)

    def _covered(self, segment: RangeSum) -> Iterator[bytes | memoryview]:
        """The file's bytes that the segment covers."""
        end = segment.offset + segment.covered
        i = max(0, bisect_right(self._starts, segment.offset) - 1)
        while i < len(self.skeleton.segments) and self._starts[i] < end:
            start, part = self._starts[i], self.skeleton.segments[i]
            first = max(0, segment.offset - start)
            yield from self._part(part, first, min(part.length, end - start))
            i += 1

    def _part(
        self, part: Segment, first: int, last: int,
    ) -> Iterator[bytes | memoryview]:
        if isinstance(part, Literal):
            yield self.skeleton.literal(part)[first:last]
        elif isinstance(part, RangeSum) or last - first != part.length:
            raise self._disagrees('(a checksum)')
        elif isinstance(part, SumOf):
            yield self._sums[part]
        else:
            yield from self._chunks(self._oid(part))

    def write(self, sink: Sink) -> None:
        """Write the whole file; ``check`` or ``prepare`` has been called."""
        self._current = None
        with ExitStack() as opened, self._naming():
            # One thread decodes faster than git takes; several cost a third more.
            threads = _CHAIN_THREADS if self._is_chained else 1
            for give in in_order(self._steps(opened), threads):
                assert callable(give)
                give(sink)

    def into(self, fd: int) -> None:
        """Write the file to an open one, which means nothing where this raises."""
        self.prepare()
        self.write(Unframed(fd))

    def _steps(self, opened: ExitStack) -> Iterator[Step]:
        for segment in self.skeleton.segments:
            if isinstance(segment, Slot):
                yield from self._slot_steps(self._oid(segment), opened)
            elif isinstance(segment, Literal):
                yield pouring.bytes_step(self.skeleton.literal(segment))
            else:
                yield pouring.bytes_step(self._sums[segment])

    def _slot_steps(self, oid: Oid, opened: ExitStack) -> Iterable[Step]:
        held = self.store.recent.pop(oid)
        if held is not None:
            return [pouring.bytes_step(held)]
        return pouring.object_steps(self.store.open(oid), oid in self._checked, opened)
