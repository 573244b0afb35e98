"""What the keys of rules may say: parameters of methods, and options."""
from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from collections.abc import Sequence
from fractions import Fraction
from typing import Any
from typing import NamedTuple

from git_model_driver.core.errors import RuleError
from git_model_driver.merging.classes import CLASSES
from git_model_driver.merging.methods import METHODS
from git_model_driver.merging.methods import PICKS
from git_model_driver.merging.methods import find
from git_model_driver.merging.methods import find_or_none
from git_model_driver.merging.methods import names
from git_model_driver.merging.methods.base import Parameter

ALL = '*'
NAMES = ('merge', 'apply')
FILE = '.gitmodel'
_NUMBER = re.compile(r'-?[0-9]+(\.[0-9]+)?([eE]-?[0-9]{1,2})?|[0-9]+/0*[1-9][0-9]*')
_ONE = Fraction(1)
WEIGHTS = ('weight', 'ours-weight', 'theirs-weight', 'weights')
# Keys that are for no method in particular.
OPTIONS: Mapping[str, Parameter] = {
    'weight': Parameter(None, Fraction(0), _ONE),
    'ours-weight': Parameter(None),
    'theirs-weight': Parameter(None),
    'weights': Parameter(None),
    'class': Parameter(None, words=CLASSES),
    'added': Parameter('conflict', words=('conflict', 'average')),
    'strict': Parameter(False),
    'lora': Parameter('svd', words=('svd', 'concatenate', 'factors')),
    'fisher': Parameter(None, words=(ALL,)),
    'align': Parameter('none', words=('none', 'permutation')),
    'align-spec': Parameter(None, words=(ALL,)),
}
_OF_A_MODEL = ('align', 'align-spec')


class Rule(NamedTuple):
    """``key = value`` for the tensors that match ``glob``; ``origin`` says where.

    An empty glob is for the whole model: classes of tensors that have a way of their
    own keep to it, where ``*`` names them too.
    """

    glob: str
    key: str
    value: str
    origin: str


def parameters_of(method: str) -> Mapping[str, Parameter]:
    """The keys of rules that a method takes, beside the weights."""
    return {} if method in PICKS else find(method).PARAMETERS


def check(rule: Rule) -> None:
    """Raises RuleError for a rule that cannot be obeyed."""
    if rule.key in NAMES:
        known = (*METHODS, *PICKS)
        if rule.value not in known and find_or_none(rule.value) is None:
            glob = rule.glob or ALL
            raise RuleError(
                f"{rule.origin}: unknown method '{rule.value}' for '{glob}'",
                _suggestion(rule.value, known),
            )
        return
    keys = known_keys()
    if rule.key not in keys:
        raise RuleError(
            f"{rule.origin}: unknown key '{rule.key}' for '{rule.glob or ALL}'",
            _suggestion(rule.key, (*NAMES, *sorted(keys))),
        )
    if rule.key in _OF_A_MODEL and rule.glob not in ('', ALL):
        raise RuleError(
            f"{rule.origin}: '{rule.key}' is for a model, not for '{rule.glob}' of it",
            'put it below "[model]"',
        )
    _check_value(rule, keys[rule.key])


def known_keys() -> dict[str, Parameter]:
    """Every key but those that name a method, with what it may say."""
    keys = dict(OPTIONS)
    for name in names():
        keys.update(find(name).PARAMETERS)
    return keys


def _check_value(rule: Rule, parameter: Parameter) -> None:
    if parameter.words:
        if ALL not in parameter.words and rule.value not in parameter.words:
            raise RuleError(
                f"{rule.origin}: '{rule.key}' cannot be '{rule.value}'",
                _suggestion(rule.value, parameter.words),
            )
    elif isinstance(parameter.default, bool):
        if rule.value.lower() not in _FLAGS:
            raise RuleError(
                f"{rule.origin}: '{rule.key}' is true or false, not '{rule.value}'",
                f'write it as in "{rule.key} = true"',
            )
    else:
        for text in _items(rule):
            _check_number(rule, text, parameter)


def _check_number(rule: Rule, text: str, parameter: Parameter) -> None:
    if not is_number(text):
        raise RuleError(
            f"{rule.origin}: '{rule.key}' is no number: '{text}'",
            f'write it as in "{rule.key} = 0.5"',
        )
    value, low, high = Fraction(text), parameter.low, parameter.high
    if (low is None or low <= value) and (high is None or value <= high):
        return
    if rule.key == 'weight':
        raise RuleError(
            f"{rule.origin}: 'weight' is theirs' share, 0 to 1, not {text}",
            "for other weights set 'ours-weight' and 'theirs-weight'",
        )
    limits = [f'at least {low}'] if low is not None else []
    limits += [f'at most {high}'] if high is not None else []
    raise RuleError(
        f"{rule.origin}: '{rule.key}' is {' and '.join(limits)}, not {text}",
        f'write it as in "{rule.key} = {parameter.default or low}"',
    )


_FLAGS = {'true': True, 'yes': True, 'on': True, '1': True,
          'false': False, 'no': False, 'off': False, '0': False}


def _items(rule: Rule) -> list[str]:
    """The numbers of a list, as in ``[0, 0.5, 1]``; of one number, itself.

    Only ``weights`` needs no brackets: "0,5" may well be meant for a half.
    """
    text = rule.value
    if text.startswith('[') and text.endswith(']'):
        text = text[1:-1]
    elif rule.key != 'weights':
        return [text]
    return [item.strip() for item in text.split(',')]


def value_of(rule: Rule, depth: Fraction) -> Any:
    """What a checked rule says, at a depth between 0 and 1."""
    parameter = known_keys()[rule.key]
    if parameter.words:
        return rule.value
    if isinstance(parameter.default, bool):
        return _FLAGS[rule.value.lower()]
    numbers = [Fraction(text) for text in _items(rule)]
    if rule.key == 'weights':
        return tuple(numbers)
    return _interpolated(numbers, depth)


def _interpolated(numbers: Sequence[Fraction], depth: Fraction) -> Fraction:
    """The value at ``depth`` on the straight lines between evenly spaced numbers."""
    at = depth * (len(numbers) - 1)
    i = min(int(at), len(numbers) - 1)
    after = numbers[min(i + 1, len(numbers) - 1)]
    return numbers[i] + (after - numbers[i]) * (at - i)


def is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def _suggestion(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    if close:
        return f"did you mean '{close[0]}'?"
    return 'known are ' + ', '.join(f"'{k}'" for k in known)
