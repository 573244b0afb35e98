"""The method that numbers are merged by: what the rules say, where it can be."""
from __future__ import annotations

from git_model_driver.core.model import Entry
from git_model_driver.merging import tensors
from git_model_driver.merging.methods import PICKS
from git_model_driver.merging.methods import find
from git_model_driver.merging.methods.base import Method
from git_model_driver.merging.methods.base import trait
from git_model_driver.merging.rules import Choice
from git_model_driver.merging.rules import complete
from git_model_driver.merging.units.base import Unsettled

# Dropping elements of a bias or a norm by rank or chance is noise.
_TOO_SMALL_TO_SPARSIFY = 1024
_COMPLEX = ('C64', 'C128')
_FOR_COMPLEX = ('linear', 'apply', 'task_arithmetic')


def averages_added(choice: Choice) -> bool:
    """Whether the options want tensors merged that both sides added."""
    options = choice.options
    return options.get('added') == 'average' or options.get('align') == 'permutation'


def choose(
    choice: Choice, operation: str, entry: Entry | None, n: int, added: bool = False,
) -> tuple[Choice, Method]:
    """The method for n versions of a tensor; ``added``: it has no base.

    ``entry`` is None for numbers that are no tensor of a file. Raises Unsettled.
    """
    default = 'linear' if operation == 'merge' else 'apply'
    if choice.method in PICKS:
        choice = choice._replace(method=default)
    if added and not choice.explicit and averages_added(choice):
        choice = _plain(choice, 'linear')
    if entry is not None and not choice.specific and _is_too_small(entry, choice):
        choice = _plain(choice, default)
    method = find(choice.method)
    word = entry.dtype if entry is not None else ''
    if word in _COMPLEX and choice.method not in _FOR_COMPLEX:
        raise Unsettled(f"'{choice.method}' has no meaning for {word}")
    wanted = trait(method, 'VERSIONS')
    if wanted is not None and wanted != n:
        raise Unsettled(f"'{choice.method}' takes {wanted} versions, not {n}")
    return choice, method


def _plain(choice: Choice, method: str) -> Choice:
    """Another method with the weights of this one."""
    kept = {k: v for k, v in choice.parameters.items() if 'weight' in k}
    return choice._replace(method=method, parameters=kept)


def _is_too_small(entry: Entry, choice: Choice) -> bool:
    """Whether a vector would lose elements, with the parameters that are set."""
    if len(entry.shape) > 1 or tensors.size(entry) >= _TOO_SMALL_TO_SPARSIFY:
        return False
    values = complete(choice)
    share = values.get('density', values.get('select-topk'))
    drops = trait(find(choice.method), 'SPARSE')
    return bool(drops) and (share is None or share < 1)
