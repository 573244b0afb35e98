"""What kind of numbers a tensor holds, by its dtype and name.

A rule ``class = <word>`` overrides what is found here.
"""
from __future__ import annotations

import math
import re

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.model import Entry

WEIGHT = 'weight'
COUNTER = 'counter'
INDEX = 'index'
MASK = 'mask'
MEAN = 'mean'
VARIANCE = 'variance'
NONNEGATIVE = 'nonnegative'
OPTIMIZER = 'optimizer'
STATE = 'state'
OTHER = 'other'
CLASSES = (WEIGHT, COUNTER, INDEX, MASK, MEAN, VARIANCE, NONNEGATIVE, OPTIMIZER, STATE)

_INTEGER = re.compile('[IU](8|16|32|64)')
_COUNTER = frozenset(
    'num_batches_tracked step steps global_step epoch epochs iteration iterations iter '
    'num_updates num_steps save_counter total_steps current_step samples_seen'.split(),
)
_MEAN = frozenset({'running_mean', 'moving_mean'})
_VARIANCE = frozenset({'running_var', 'moving_variance', 'moving_var'})
_NONNEGATIVE = frozenset(
    'exp_avg_sq max_exp_avg_sq square_avg acc_delta exp_inf second_moment '
    'accumulator sum_of_squares'.split(),
)
_OPTIMIZER = frozenset(
    'optimizer optimizers optim opt_state optimizer_state optimizer_state_dict '
    'optimizer_states'.split(),
)
_STATE = frozenset(
    'rng_state cuda_rng_state rng random_state numpy_rng_state torch_rng_state '
    'dataloader data_loader sampler_state lr_scheduler lr_schedulers scheduler'.split(),
)
_PARTS = re.compile(r'[./:]+')


def classify(entry: Entry) -> str:
    """The class of a tensor; OTHER for a dtype that cannot be computed with."""
    parts = [part.lower() for part in _PARTS.split(entry.name) if part]
    last = parts[-1] if parts else ''
    if _STATE.intersection(parts):
        return STATE
    if _OPTIMIZER.intersection(parts[:-1]):
        return OPTIMIZER
    if entry.dtype == 'BOOL':
        return MASK
    if _INTEGER.fullmatch(entry.dtype):
        counts = last in _COUNTER and math.prod(entry.shape) == 1
        return COUNTER if counts else INDEX
    if entry.dtype not in dtypes.FLOATS:
        return OTHER
    for words, found in (
        (_MEAN, MEAN), (_VARIANCE, VARIANCE), (_NONNEGATIVE, NONNEGATIVE),
    ):
        if last in words:
            return found
    return WEIGHT
