"""Two versions of a model beside each other: what only one has, and what differs."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core import documents
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.errors import ObjectError
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.git.progress import NOBODY
from git_model_driver.git.progress import Meter
from git_model_driver.looking import change as changes
from git_model_driver.looking.change import Change
from git_model_driver.store import cores
from git_model_driver.store.readable import Readable

ADDED, DELETED, MODIFIED, RENAMED = 'A', 'D', 'M', 'R'
_PARALLEL_FROM = 8 << 20


class TensorChange(NamedTuple):
    """One tensor that differs. ``change`` is None where numbers say nothing: it is on
    one side only, its dtype or shape is another, it holds no numbers, or its bytes
    are not to be had (``lacking``).
    """

    kind: str
    old: Entry | None
    new: Entry | None
    change: Change | None = None
    lacking: str = ''
    is_lost: bool = False       # the bytes are missing or damaged

    @property
    def name(self) -> str:
        entry = self.new or self.old
        assert entry
        return entry.name


class Line(NamedTuple):
    """Something that is no tensor: metadata, a value of the architecture."""

    key: str
    old: str | None
    new: str | None


class Comparison(NamedTuple):
    """What differs between two versions of a model, names in the manifest's order."""

    old: Manifest
    new: Manifest
    tensors: Sequence[TensorChange]
    lines: Sequence[Line]

    def of_kind(self, kind: str) -> list[TensorChange]:
        return [tensor for tensor in self.tensors if tensor.kind == kind]

    @property
    def is_rewritten(self) -> bool:
        """Only the container differs: neither tensors nor metadata do."""
        same = self.old.tensors == self.new.tensors and not self.lines
        return same and not self.is_other_bytes and self.old != self.new

    @property
    def is_other_bytes(self) -> bool:
        """A file of no known format has other content."""
        return self.old.chunks != self.new.chunks


Chosen = Callable[[str], bool]


def compare(
    old: Manifest, new: Manifest, store: Readable, chosen: Chosen = lambda name: True,
    numbers: bool = True, ranks: bool = True, meter: Meter = NOBODY,
) -> Comparison:
    """What differs of the tensors that are ``chosen`` by name; only those are read.

    Without ``numbers`` no tensor is read at all; ``ranks`` take longest. ``meter``
    is told the bytes as they are read, of ``to_read`` in all.
    """
    found = [each for each in _pairs(old, new) if chosen(each.name)]
    if numbers:
        found = list(_measured(found, store, ranks, meter))
    return Comparison(old, new, found, list(_lines(old, new)))


def to_read(
    old: Manifest, new: Manifest, chosen: Chosen = lambda name: True,
) -> int:
    """How many bytes a comparison of values reads."""
    return sum(
        entry.nbytes for each in _pairs(old, new)
        if chosen(each.name) and _has_numbers(each)
        for entry in (each.old, each.new) if entry
    )


def _pairs(old: Manifest, new: Manifest) -> Iterator[TensorChange]:
    gone = {n: e for n, e in old.tensors.items() if n not in new.tensors}
    came = {n: e for n, e in new.tensors.items() if n not in old.tensors}
    renamed = _renamed(gone, came)
    for name, entry in new.tensors.items():
        if name in came:
            was = renamed.get(name)
            yield TensorChange(RENAMED if was else ADDED, was, entry)
        elif (before := old.tensors[name]) != entry:
            yield TensorChange(MODIFIED, before, entry)
    taken = {entry.name for entry in renamed.values()}
    for name, entry in gone.items():
        if name not in taken:
            yield TensorChange(DELETED, entry, None)


def _renamed(gone: dict[str, Entry], came: dict[str, Entry]) -> dict[str, Entry]:
    """By the new name, where exactly one that is gone has the same bytes and shape."""
    def places(entries: Iterable[Entry]) -> dict[tuple[object, ...], list[Entry]]:
        found: dict[tuple[object, ...], list[Entry]] = {}
        for entry in entries:
            found.setdefault(entry[1:], []).append(entry)
        return found

    before, after = places(gone.values()), places(came.values())
    return {
        new[0].name: before[what][0] for what, new in after.items()
        if len(new) == 1 and len(before.get(what, ())) == 1
    }


def _measured(
    found: Sequence[TensorChange], store: Readable, ranks: bool, meter: Meter,
) -> Iterator[TensorChange]:
    wanted = [each for each in found if _has_numbers(each)]
    store.gather({
        entry.oid for each in wanted for entry in (each.old, each.new) if entry
    })
    nbytes = sum(each.new.nbytes for each in wanted if each.new)
    if nbytes < _PARALLEL_FROM:
        yield from (_measure(each, store, ranks, meter) for each in found)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(cores.threads()) as pool:
        yield from pool.map(lambda each: _measure(each, store, ranks, meter), found)


def _has_numbers(each: TensorChange) -> bool:
    return bool(
        each.kind == MODIFIED and each.old and each.new
        and changes.is_comparable(each.old, each.new)
    )


def _measure(
    each: TensorChange, store: Readable, ranks: bool, meter: Meter,
) -> TensorChange:
    if not _has_numbers(each):
        return each

    def read(entry: Entry) -> Iterator[memoryview]:
        with store.open(entry.oid) as file:
            for chunk in file.chunks():
                yield chunk
                meter.add(len(chunk))

    assert each.old and each.new
    try:
        return each._replace(
            change=changes.compute(each.old, each.new, read, ranks),
        )
    except ObjectError as e:
        word = 'not' if isinstance(e, MissingObject) else 'damaged'
        return each._replace(lacking=f'{word} in the store', is_lost=True)
    except GitModelError as e:
        return each._replace(lacking=e.message)


def _lines(old: Manifest, new: Manifest) -> Iterator[Line]:
    if old.format != new.format and old.format and new.format:
        yield Line('format', old.format, new.format)
    before, after = (dict(_said(manifest)) for manifest in (old, new))
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            yield Line(key, before.get(key), after.get(key))


def _said(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Metadata; of a document (a model's config) each value in it."""
    for key, value in manifest.meta.items():
        document = value.removeprefix('str ') if '{' in value else None
        values = documents.flattened(document) if document else None
        if values:
            yield from ((f'{key}.{path}', said) for path, said in values)
        else:
            yield key, value
