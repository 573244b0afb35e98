"""Which tensors a commit changed, by name: none is read."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core.words import natural_key
from git_model_driver.git.logs import File
from git_model_driver.git.logs import Logged
from git_model_driver.history import parts
from git_model_driver.history.parts import Lines
from git_model_driver.history.parts import Versions

ADDED, DELETED, MODIFIED = 'A', 'D', 'M'


class Model(NamedTuple):
    """A model that a commit changed: letters as Git's, and names of tensors.

    ``total`` is of the newer side that has any. Where nothing is in ``tensors`` the
    file has another name, metadata or container. In a merge these are the tensors that
    no parent has.
    """

    file: File
    total: int
    tensors: tuple[tuple[str, str], ...]

    def count(self, letter: str) -> int:
        return sum(each == letter for each, _ in self.tensors)


def models(
    logged: Logged, versions: Versions, chosen: Callable[[str], bool] | None = None,
) -> Iterator[Model]:
    """The models among the files of a commit.

    With ``chosen`` only tensors of such names, and models that have some that changed.
    """
    for file in logged.files:
        olds = [versions.lines(blob) for blob in file.olds]
        new = versions.lines(file.new)
        if not new and not any(olds):
            continue            # no model
        tensors = _compared(olds, new)
        if chosen is not None:
            tensors = tuple(each for each in tensors if chosen(each[1]))
        if tensors or chosen is None:
            yield Model(file, parts.count(new or olds[0]), tensors)


def _compared(olds: Sequence[Lines], new: Lines) -> tuple[tuple[str, str], ...]:
    """A line that is the same in all is not looked into."""
    came = parts.named(new.difference(*olds))
    gone = [parts.named(old - new) for old in olds]
    there = {name for lines in gone for name in lines}
    letters = {name: MODIFIED if name in there else ADDED for name in came}
    # What one parent has as it is now was not deleted: it is not gone there.
    letters |= {
        name: DELETED for name in set.intersection(*map(set, gone)) - came.keys()
    }
    return tuple((letters[name], name) for name in sorted(letters, key=natural_key))
