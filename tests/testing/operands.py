"""One tensor of several versions in memory, merged by a method."""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy

from git_model_driver.merging.methods import find
from git_model_driver.merging.methods.base import trait
from git_model_driver.merging.tensors import Operand
from git_model_driver.merging.tensors import Values
from git_model_driver.merging.tensors import of_array

WORDS = {'float32': 'F32', 'float64': 'F64', 'float16': 'F16', 'bfloat16': 'BF16',
         'complex64': 'C64', 'complex128': 'C128'}


def operand(array: Any, side: int) -> Operand:
    return of_array(array, WORDS[array.dtype.name], f'sha256:{side:064x}')


def merge(method: str, base: Any, versions: Sequence[Any], weights: Sequence[Any] = (),
          block: int = 0, companions: Sequence[Any] = (), **parameters: Any) -> Any:
    """The computed values, not yet rounded; ``block`` sets another block length.

    Parameters as rules have them: ``select_topk`` is ``select-topk``, numbers as
    text or Fractions.
    """
    module = find(method)
    given = {key.replace('_', '-'): value for key, value in parameters.items()}
    complete = {
        key: _value(given[key]) if key in given else parameter.default
        for key, parameter in module.PARAMETERS.items()
    }
    equal = Fraction(1, len(versions)) if trait(module, 'AVERAGE') else Fraction(1)
    values = Values(
        'layers.0.weight', versions[0].shape,
        None if base is None or not (module.NEEDS_BASE or given.get('use-base'))
        else operand(base, 0),
        [operand(array, i + 1) for i, array in enumerate(versions)],
        [Fraction(w) for w in weights] or [equal] * len(versions),
        [operand(array, 9) for array in companions], trait(module, 'ROWS'),
    )
    if block:
        values._block = block
    combine = module.plan(values, complete)
    parts = [combine(one) for one in values.blocks()]
    done = numpy.concatenate(parts) if parts else numpy.zeros(0, versions[0].dtype)
    return done.reshape(versions[0].shape)


def _value(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    return Fraction(value)
