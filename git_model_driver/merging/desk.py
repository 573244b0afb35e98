"""What those who merge a unit work with: rules, store, and the arithmetic."""
from __future__ import annotations

import hashlib
from collections.abc import Iterator
from collections.abc import Sequence
from fractions import Fraction
from typing import Any
from typing import NamedTuple
from typing import Optional

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import numbers
from git_model_driver.core.model import Entry
from git_model_driver.core.trailer import Way
from git_model_driver.merging import applicable
from git_model_driver.merging import entries
from git_model_driver.merging import sanity
from git_model_driver.merging import tensors
from git_model_driver.merging.fisher import Fisher
from git_model_driver.merging.keys import WEIGHTS
from git_model_driver.merging.methods import find
from git_model_driver.merging.methods.base import Block
from git_model_driver.merging.methods.base import Combine
from git_model_driver.merging.methods.base import Method
from git_model_driver.merging.methods.base import MethodFailed
from git_model_driver.merging.methods.base import trait
from git_model_driver.merging.rules import Choice
from git_model_driver.merging.rules import Rules
from git_model_driver.merging.rules import complete
from git_model_driver.merging.sanity import Sample
from git_model_driver.merging.tensors import Operand
from git_model_driver.merging.tensors import Values
from git_model_driver.merging.units.base import Siblings
from git_model_driver.merging.units.base import Unsettled
from git_model_driver.store.batch import Batch
from git_model_driver.store.codec import form as forms
from git_model_driver.store.objectfile import CHUNK
from git_model_driver.store.objects import Store


class Room(NamedTuple):
    """What all desks of a merge share; ``labels`` are all versions' names."""

    rules: Rules
    labels: Sequence[str]
    siblings: Siblings
    store: Store
    batch: Batch
    fisher: Optional[Fisher] = None


class _Some(NamedTuple):
    """The files beside the model of some of the versions."""

    siblings: Siblings
    members: Sequence[int]

    def read(self, side: int, name: str) -> bytes | None:
        return self.siblings.read(side if side < 0 else self.members[side], name)


class Desk:
    """The desk of one unit: its notes and sample are taken over when it is done.

    ``members`` are the indices of the versions that take part, of all that are
    merged: who left a tensor as it was has no part in it.
    """

    def __init__(self, room: Room, members: Sequence[int]) -> None:
        self.room = room
        self.members = members
        self.operation = room.rules.operation
        self.labels: Sequence[str] = [room.labels[i] for i in members]
        self.siblings: Siblings = _Some(room.siblings, members)
        self.store = room.store
        self.batch = room.batch
        self.notes: list[str] = []
        self.note = self.notes.append
        self.ways: list[Way] = []
        self.sample = Sample()
        self._sampled: Sequence[int] = members      # in the order that is merged

    def choose(self, name: str) -> Choice:
        return self.room.rules.choose(name)

    def weights(self, name: str) -> list[Fraction]:
        return self._weights_of(self.choose(name))

    def shares(self, name: str) -> tuple[Fraction, ...]:
        weights = self.weights(name)
        if sum(weights) == 0:
            raise Unsettled('the weights sum to 0')
        return tuple(weight / sum(weights) for weight in weights)

    def load(self, entry: Entry) -> Any:
        return tensors.whole(entry, self.store)

    def save(self, array: Any, like: Entry) -> Entry:
        data, entry = tensors.unmade(array, like)
        form = forms.of_dtype(entry.dtype)
        return entry._replace(oid=self.batch.put_bytes(data, form, like.oid))

    def merge(
        self, name: str, base: Entry | None, versions: Sequence[Entry],
    ) -> Entry:
        """Combine floats by the rules' method. Raises Unsettled, FormatError, ...

        The result has the first version's dtype, order and byte order.
        """
        like = versions[0]
        choice, method = applicable.choose(
            self.choose(name), self.operation, like, len(versions), base is None,
        )
        entries.check(base, versions)
        base = base and entries.as_storage(base)
        versions = [entries.as_storage(entry) for entry in versions]
        first = versions[0]
        weights = self._weights(choice, method, len(versions))
        self._sampled = self.members if len(self.members) == len(versions) else (
            range(len(versions))    # casts leave some out
        )
        if trait(method, 'SYMMETRIC') and len(versions) > 2:
            order = sorted(range(len(versions)), key=lambda i: versions[i].oid)
            versions = [versions[i] for i in order]
            weights = [weights[i] for i in order]
            self._sampled = [self._sampled[i] for i in order]
        operands = [tensors.of_entry(entry, self.store) for entry in versions]
        old = tensors.of_entry(base, self.store) if base else None
        wanted = method.NEEDS_BASE or complete(choice).get('use-base')
        if base is None and wanted:
            raise Unsettled(f"added on both sides, and '{method.NAME}' needs a base")
        needed = old if wanted else None        # it need not even be here
        values = Values(
            name, first.shape, needed, operands, weights,
            self._companions(method, name, len(versions)), trait(method, 'ROWS'),
        )
        watch = None if base is None or needed else self._watched(base)
        blocks = self._combined(values, method, choice, first, watch)
        form = forms.of_dtype(first.dtype)
        oid = self.batch.put_stream(
            tensors.nbytes(first), chunked(blocks), form, first.oid,
        )
        self.ways.append(self._way(choice, len(versions)))
        extra = entries.stored(like) if like is first else like.extra
        return like._replace(oid=oid, extra=extra)

    def blend(self, name: str, base: Any, arrays: Sequence[Any]) -> Any:
        import numpy

        word = entries.word_of(arrays[0])
        choice, method = applicable.choose(
            self.choose(name), self.operation, None, len(arrays),
        )
        if base is None and method.NEEDS_BASE:
            choice, method = choice._replace(method='linear', parameters={}), (
                find('linear')
            )
        values = Values(
            name, arrays[0].shape,
            None if base is None else _operand(base, word),
            [_operand(array, word) for array in arrays],
            self._weights(choice, method, len(arrays)), (), trait(method, 'ROWS'),
        )
        combine = self._planned(values, method, choice)
        done = [
            tensors.finished(
                _quietly(combine, block, choice.method), word, ours, agreed,
            )
            for ours, block, agreed in values.passed()
        ]
        self.ways.append(self._way(choice, len(arrays)))
        return numpy.concatenate(done).reshape(arrays[0].shape) if done else arrays[0]

    def _weights(self, choice: Choice, method: Method, n: int) -> list[Fraction]:
        weights = self._weights_of(choice)
        if len(weights) != n:       # casts leave some out
            weights = [Fraction(1)] * n
        if trait(method, 'AVERAGE') and sum(weights) == 0:
            raise Unsettled('the weights sum to 0')
        return weights

    def _way(self, choice: Choice, n: int) -> Way:
        given = any(key in choice.parameters for key in WEIGHTS)
        if given and n == len(self.members) == len(self.room.labels):
            return Way(choice.method, tuple(self._weights_of(choice)))
        return Way(choice.method)

    def _weights_of(self, choice: Choice) -> list[Fraction]:
        """The members' weights, as the rules give them."""
        try:
            weights = choice.weights(len(self.room.labels))
        except ValueError as e:
            raise Unsettled(str(e)) from None
        return [weights[i] for i in self.members]

    def _companions(self, method: Method, name: str, n: int) -> list[Operand]:
        if getattr(method, 'COMPANION', None) is None:
            return []
        if self.room.fisher is None:
            raise Unsettled(f"'{method.NAME}' needs a Fisher file beside the model")
        return self.room.fisher.operands(name, self.members, self.store)

    def _watched(self, base: Entry) -> Iterator[Any] | None:
        """Base's sampled blocks for the report, where they can be read at a bargain."""
        width = dtypes.byte_length(base.dtype, (1,))
        if dict(base.extra).get('encoding'):
            return None

        def sampled() -> Iterator[Any]:
            endian = numbers.endian_of(base.extra)
            with self.store.open(base.oid) as file:
                step = numbers.BLOCK * width
                for at in range(0, file.nbytes, sanity.EVERY * step):
                    yield numbers.stored(file.read(at, step), base.dtype, endian)

        return sampled() if self.store.has(base.oid) else None

    def _combined(
        self, values: Values, method: Method, choice: Choice, like: Entry,
        watch: Iterator[Any] | None,
    ) -> Iterator[memoryview]:
        combine = self._planned(values, method, choice)
        endian = numbers.endian_of(like.extra)
        for i, (ours, block, agreed) in enumerate(values.passed()):
            seen = self._seen(i, block, watch, values)
            merged = _quietly(combine, block, choice.method)
            if seen is not None:
                base, versions = seen
                numbered = dict(zip(self._sampled, versions))
                self.sample.add(base, numbered, merged, len(like.shape) > 1)
            result = tensors.finished(merged, like.dtype, ours, agreed)
            yield numbers.as_bytes(result, like.dtype, endian)

    @staticmethod
    def _planned(values: Values, method: Method, choice: Choice) -> Combine:
        try:
            return method.plan(values, complete(choice))
        except ValueError as e:
            raise Unsettled(f"'{choice.method}': {e}") from None

    @staticmethod
    def _seen(
        i: int, block: Block, watch: Iterator[Any] | None, values: Values,
    ) -> Optional[tuple[Any, list[Any]]]:
        """Copies of the versions' values in a sampled block; methods may change it."""
        n = len(values.versions)
        if i % sanity.EVERY or n < 2 or block.versions[0].dtype.kind == 'c':
            return None
        if block.base is not None:
            base = block.base.copy()
        else:
            base = next(watch, None) if watch is not None else None
        versions = [array.copy() for array in block.versions[:n]]
        if base is None or len(base) != len(versions[0]):
            return None, versions
        return base, versions


def _quietly(combine: Combine, block: Block, method: str) -> Any:
    import numpy

    try:
        with numpy.errstate(all='ignore'):      # the result is looked at
            return combine(block)
    except MethodFailed as e:
        raise Unsettled(f"'{method}': {e}") from None


def _operand(array: Any, word: str) -> Operand:
    digest = hashlib.sha256(array.tobytes()).hexdigest()
    return tensors.of_array(array, word, f'sha256:{digest}')


def chunked(blocks: Iterator[bytes | memoryview]) -> Iterator[memoryview]:
    """The same bytes in the pieces that the store wants.

    Each is valid until the next is taken: they lie in one buffer.
    """
    buffer, filled = memoryview(bytearray(CHUNK)), 0
    for block in blocks:
        rest = memoryview(block)
        while rest:
            piece = rest[:CHUNK - filled]
            buffer[filled:filled + len(piece)] = piece
            filled += len(piece)
            rest = rest[len(piece):]
            if filled == CHUNK:
                yield buffer
                filled = 0
    if filled:
        yield buffer[:filled]
