"""Which method and parameters apply to which tensor.

Rules come from ``.gitmodel`` in HEAD, then git's own configuration, then
``git -c``; ``[model]`` is for all tensors, ``[model "<glob>"]`` for those whose
name matches (``*`` crosses dots). The last match wins, for each key by itself.
"""
from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any
from typing import NamedTuple

from git_model_driver.core.errors import RuleError
from git_model_driver.git.operation import MERGE
from git_model_driver.merging.depths import Depths
from git_model_driver.merging.keys import ALL
from git_model_driver.merging.keys import FILE
from git_model_driver.merging.keys import OPTIONS
from git_model_driver.merging.keys import WEIGHTS
from git_model_driver.merging.keys import Rule
from git_model_driver.merging.keys import check
from git_model_driver.merging.keys import parameters_of
from git_model_driver.merging.keys import value_of
from git_model_driver.merging.methods import PICKS
from git_model_driver.merging.methods import find
from git_model_driver.merging.methods.base import trait

_ONE = Fraction(1)


class Choice(NamedTuple):
    """What the rules say for one tensor.

    ``parameters`` has what they say for the method and its weights, ``options`` the
    rest. ``explicit`` is False where no rule names the method: it is the default.
    ``specific``: the rule that names it is for some tensors, not for all of a model.
    """

    method: str
    parameters: dict[str, Any]
    explicit: bool
    origin: str
    specific: bool = False
    options: Mapping[str, Any] = MappingProxyType({})

    @property
    def strict(self) -> bool:
        return bool(self.options.get('strict'))

    def weights(self, n: int) -> tuple[Fraction, ...]:
        """A weight for each of n versions; Raises ValueError for a wrong number.

        Where no rule says otherwise 1 for each, or equal shares for a mean.
        """
        given = self.parameters.get('weights')
        if given is not None:
            if len(given) != n:
                raise ValueError(f'{len(given)} weights are given for {n} versions')
            return tuple(given)
        each = {'ours-weight', 'theirs-weight'} & self.parameters.keys()
        if n == 2 and not each and 'weight' in self.parameters:
            share = self.parameters['weight']
            return 1 - share, share
        if n == 2 and each:
            ours = self.parameters.get('ours-weight', _ONE)
            return ours, self.parameters.get('theirs-weight', _ONE)
        average = self.method not in PICKS and trait(find(self.method), 'AVERAGE')
        return (Fraction(1, n) if average else _ONE,) * n


class Rules:
    """The rules of a repository for one operation (MERGE or APPLY)."""

    def __init__(
        self, rules: Sequence[Rule], operation: str, names: Iterable[str] = (),
    ) -> None:
        for rule in rules:
            check(rule)
        self.rules = rules
        self.operation = operation
        self._depths = Depths(names)

    @property
    def has_others(self) -> bool:
        """Whether some are from elsewhere than .gitmodel: settings, options."""
        return any(not rule.origin.startswith(f'{FILE}:') for rule in self.rules)

    def for_names(self, names: Iterable[str]) -> Rules:
        """The same rules for a model with these tensors: their layers are counted."""
        return Rules(self.rules, self.operation, names)

    def deciding(self, name: str) -> dict[str, Rule]:
        """The last rule of each key that matches the tensor's name."""
        return {
            rule.key: rule for rule in self.rules
            if fnmatch.fnmatchcase(name, rule.glob or ALL)
        }

    def is_graded(self, name: str) -> bool:
        """Whether a weight of the tensor depends on how deep in the model it lies."""
        last = self.deciding(name)
        return any('[' in last[key].value for key in WEIGHTS[:-1] if key in last)

    def choose(self, name: str) -> Choice:
        """The method for the tensor of that name. Raises RuleError."""
        last = self.deciding(name)
        rule = last.get('merge' if self.operation == MERGE else 'apply')
        default = 'linear' if self.operation == MERGE else 'apply'
        method = rule.value if rule else default
        taken = parameters_of(method)
        values = {
            key: value_of(found, self._depths.of(name)) for key, found in last.items()
            if key in taken or key in OPTIONS
        }
        parameters = {
            key: value for key, value in values.items()
            if key in taken or key in WEIGHTS
        }
        options = {k: v for k, v in values.items() if k not in parameters}
        choice = Choice(
            method, parameters, rule is not None, rule.origin if rule else '',
            bool(rule and rule.glob), options,
        )
        _check_together(choice, last.values())
        return choice


def _check_together(choice: Choice, rules: Iterable[Rule]) -> None:
    if choice.method in PICKS:
        return
    try:
        if trait(find(choice.method), 'AVERAGE') and not sum(choice.weights(2)):
            raise ValueError('the weights of ours and theirs sum to 0')
    except ValueError as e:
        if 'weights' in choice.parameters and sum(choice.parameters['weights']):
            return      # for more versions than two
        origins = {r.origin for r in rules if r.key in choice.parameters}
        where = ', '.join(sorted(origins))
        raise RuleError(f"{where}: method '{choice.method}': {e}") from None


def complete(choice: Choice) -> dict[str, Any]:
    """The method's parameters with defaults for what no rule says."""
    return {
        key: choice.parameters.get(key, parameter.default)
        for key, parameter in parameters_of(choice.method).items()
    }
