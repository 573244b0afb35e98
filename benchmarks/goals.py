"""The targets for the store, each with the figure that was measured."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

import finetunes
import scenario
import throughput
import weights as weights_
from tools import LFS
from tools import OURS

MB = 1e6
_FP32, _BF16 = weights_.FP32, weights_.BF16
_MOST_PEAK = 200 * MB
_ALIKE = 1.1        # peaks that differ by no more than that are "the same"
Record = dict[str, Any]


class Goal(NamedTuple):
    """``value`` is None where it was not measured."""

    text: str
    value: float | None
    limit: float
    measured: str = ''
    at_least: bool = False

    @property
    def row(self) -> list[str]:
        sign = '≥' if self.at_least else '≤'
        if self.value is None:
            return [self.text, f'{sign} {self.limit:.2f}', '–', 'not measured']
        good = (self.value >= self.limit if self.at_least
                else self.value <= self.limit)
        return [self.text, f'{sign} {self.limit:.2f}',
                f'{self.value:.2f} {self.measured}'.strip(),
                'reached' if good else '**not reached**']


def goals(known: Record) -> Iterator[Goal]:
    yield from _sequences(known)
    yield from _finetunes(known)
    yield from _throughput(known)
    yield from _memory(known)


def _sequences(known: Record) -> Iterator[Goal]:
    for name, limit, after_gc in (
        ('last two layers', 1.70, None), ('all tensors', 5.90, None),
        ('LoRA merged', 1.30, 0.95),
    ):
        place = _at(known, 'sequences', _FP32, name)
        one, ours = _at(place, 'model', 'bytes'), _at(place, OURS)
        text = f'10 commits, {name}, fp32, in models'
        last = ours['sizes'][-1] / one if ours else None
        yield Goal(f'{text}, no gc', last, limit)
        if after_gc:
            size = _at(ours, 'gc size')
            yield Goal(f'{text}, after `git model gc`', size and size / one, after_gc)


def _finetunes(known: Record) -> Iterator[Goal]:
    name = finetunes.TUNES[0]
    tuned = _at(known, 'finetunes', _BF16, name, finetunes.ENCODER)
    ratio = tuned and tuned['changed'] / tuned['delta']
    bitx = _at(tuned, 'bitx')
    beside = f'(BitX idea {tuned["changed"] / bitx:.2f})' if bitx else ''
    yield Goal('bf16 fine-tune (lr 5e-5) against its base, encoder only, raw/stored',
               ratio, 4.4, beside, at_least=True)
    whole = _at(known, 'finetunes', _BF16, name, finetunes.WHOLE)
    zipnn = _at(whole, 'zipnn')
    beside = f'(zipnn {whole["raw"] / zipnn:.3f})' if zipnn else ''
    ratio = whole and whole['raw'] / whole['alone']
    yield Goal('one bf16 model alone, raw/stored', ratio, 1.50, beside, at_least=True)


def _throughput(known: Record) -> Iterator[Goal]:
    place = _at(known, 'throughput')
    for step, text, limit in (
        (scenario.ADD, 'add 1 GB bf16', 0.65),
        (scenario.AGAIN, f're-add, {throughput.CHANGED} of 149 tensors changed', 0.35),
        (scenario.OLD, 'checkout 1 GB', 1.0),
    ):
        ours, theirs = (_at(place, 'steps', step, tool, 'cpu') for tool in (OURS, LFS))
        both = ours and theirs
        seconds = f'({ours:.2f} s to {theirs:.2f} s)' if both else ''
        yield Goal(f'{text}: CPU to that of {LFS}', ours / theirs if both else None,
                   limit, seconds)
        if step == scenario.ADD:
            ours, theirs = (_at(place, 'stored', tool) for tool in (OURS, LFS))
            yield Goal(f'{text}: bytes written to those of {LFS}',
                       ours[0] / theirs[0] if ours and theirs else None, 0.68)


def _memory(known: Record) -> Iterator[Goal]:
    place = _at(known, 'memory') or {}
    peaks = [max(r['add'], r.get('checkout', 0)) / MB for r in place.values()]
    first, *larger = peaks or [None]
    text = ', '.join(f'{name} {peak:.0f}' for name, peak in zip(place, peaks))
    most = max(peaks) if peaks else None
    yield Goal('peak RSS of the filter in add and checkout, MB', most, _MOST_PEAK / MB,
               f'({text})')
    again = _at(known, 'throughput', 'steps', scenario.AGAIN, OURS, 'peak')
    yield Goal('peak RSS of the filter in the re-add of 1 GB, MB', again and again / MB,
               _MOST_PEAK / MB)
    yield Goal('peak RSS does not grow: the larger ones to that of 1 GB',
               max(larger) / first if first and larger else None, _ALIKE)


def _at(record: Record | None, *path: str) -> Any:
    """What is known under these names, or None."""
    value: Any = record
    for name in path:
        value = value.get(name) if value else None
    return value
