"""Pickles read without running anything that they name.

The machine is the standard library's own, in Python (the one in C allocates what a
pickle asks for), with the instructions that torch.save uses. A class or function
that a pickle names is only a name here; calling it gives an object that remembers
what it was called with, but for the few that make a tensor.
"""
from __future__ import annotations

import pickle
from typing import Any
from typing import BinaryIO
from typing import ClassVar
from typing import NamedTuple

from git_model_driver.core.errors import FormatError
from git_model_driver.formats.pytorch import dtypes

_MOST_CALLS = 1 << 21
_MOST_AXES = 64
_REFUSED = ('EXT1', 'EXT2', 'EXT4', 'NEXT_BUFFER', 'READONLY_BUFFER', 'BYTEARRAY8',
            'PERSID')


class Global(NamedTuple):
    """A class or function by its name; nobody has looked for it."""

    module: str
    name: str


class Called:
    """What calling a global would have given, and what was done to that."""

    def __init__(self, what: Global, args: tuple[Any, ...]) -> None:
        self.what = what
        self.args = args
        self.items: list[tuple[Any, Any]] = []
        self.state: Any = None

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def append(self, value: Any) -> None:
        self.items.append((len(self.items), value))

    def extend(self, values: list[Any]) -> None:
        for value in values:
            self.append(value)

    def add(self, value: Any) -> None:
        self.append(value)


class Storage(NamedTuple):
    """A run of bytes beside the pickle."""

    dtype: str
    key: str
    elements: int


class View(NamedTuple):
    """A tensor: elements of a storage. All numbers count elements."""

    storage: Storage
    dtype: str
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


_Python: Any = getattr(pickle, '_Unpickler')     # noqa: B009 - typeshed has it not


class Unpickler(_Python):   # type: ignore[misc]
    """Raises FormatError, and whatever the standard library's raises."""

    dispatch: ClassVar[dict[int, Any]] = {
        code: method for code, method in _Python.dispatch.items()
        if code not in {getattr(pickle, name)[0] for name in _REFUSED}
    }

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding='utf-8', errors='surrogateescape')
        self._calls = 0

    def find_class(self, module: str, name: str) -> Global:
        return Global(module, name)

    def persistent_load(self, pid: Any) -> Storage:
        if type(pid) is not tuple or len(pid) < 5 or pid[0] != 'storage':
            raise FormatError('pickle: a reference that is no storage')
        _, kind, key, _, count = pid[:5]
        view = pid[5] if len(pid) > 5 else None
        if view is not None or type(kind) is not Global or type(count) is not int:
            raise FormatError('pickle: a malformed storage')
        return Storage(dtypes.of_storage(kind.name), str(key), count)

    def _call(self, what: Any, args: Any) -> Any:
        self._calls += 1
        if type(what) is not Global or type(args) is not tuple or (
            self._calls > _MOST_CALLS
        ):
            raise FormatError('pickle: a call of what is no global')
        if what == ('collections', 'OrderedDict') and not args:
            return {}
        make = _KNOWN.get(what)
        return Called(what, args) if make is None else make(*args)

    def load_reduce(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], args)

    def load_newobj(self) -> None:
        args = self.stack.pop()
        self.append(self._call(self.stack.pop(), args))

    def load_newobj_ex(self) -> None:
        named = self.stack.pop()
        args = self.stack.pop()
        if type(args) is not tuple:
            raise FormatError('pickle: malformed arguments')
        self.append(self._call(self.stack.pop(), (*args, named)))

    def _instantiate(self, what: Any, args: Any) -> None:
        self.append(self._call(what, tuple(args)))

    def load_build(self) -> None:
        state = self.stack.pop()
        made = self.stack[-1]
        if type(made) is Called:
            made.state = state
        elif type(made) not in (dict, View):    # OrderedDict's and a tensor's own
            raise FormatError('pickle: a state of what has none')

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build


def _tensor(storage: Any, start: Any, shape: Any, strides: Any, *_: Any) -> View:
    return _view(storage, storage.dtype, start, shape, strides)


def _tensor_of_dtype(
    storage: Any, start: Any, shape: Any, strides: Any, grad: Any, hooks: Any,
    dtype: Any, *_: Any,
) -> View:
    return _view(storage, dtypes.of_torch(dtype.name), start, shape, strides)


def _view(storage: Any, dtype: str, start: Any, shape: Any, strides: Any) -> View:
    numbers = [start, *shape[:_MOST_AXES], *strides[:_MOST_AXES]]
    if type(storage) is not Storage or len(shape) != len(strides) or (
        len(numbers) != 1 + 2 * len(shape)
        or any(type(n) is not int or not 0 <= n < 1 << 63 for n in numbers)
    ):
        raise FormatError('pickle: a malformed tensor')
    return View(storage, dtype, start, tuple(shape), tuple(strides))


def _first(first: Any, *_: Any) -> Any:
    return first


def _size(shape: Any) -> tuple[Any, ...]:
    if len(shape) > _MOST_AXES:
        raise FormatError('pickle: a shape of too many axes')
    return tuple(shape)


_KNOWN: dict[tuple[str, str], Any] = {
    ('torch._utils', '_rebuild_tensor'): _tensor,
    ('torch._utils', '_rebuild_tensor_v2'): _tensor,
    ('torch._utils', '_rebuild_tensor_v3'): _tensor_of_dtype,
    ('torch._utils', '_rebuild_parameter'): _first,
    ('torch._utils', '_rebuild_parameter_with_state'): _first,
    ('torch._tensor', '_rebuild_from_type_v2'): lambda make, kind, args, state: (
        Called(make, (kind, args, state)) if make not in _KNOWN
        else _KNOWN[make](*args)
    ),
    ('torch', 'Size'): _size,
}


def load(file: BinaryIO) -> Any:
    """The next pickle in the file."""
    try:
        return Unpickler(file).load()
    except pickle.UnpicklingError as e:
        raise FormatError(f'pickle: {e}') from None
