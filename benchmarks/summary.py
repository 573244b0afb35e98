"""Everything known of the histories as Markdown."""
from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import chart
import finetunes
import goals
import scenario
import throughput
from report import markdown
from tools import LFS
from tools import OURS
from tools import PLAIN
from tools import THETA

MB = 1e6
Record = dict[str, Any]
_SIZES = {
    OURS: 'git-model', f'{OURS} gc': 'git-model, after gc', LFS: LFS,
    PLAIN: 'git, loose', f'{PLAIN} gc': 'git, `gc --aggressive`', THETA: THETA,
    chart.ZIPNN: 'zipnn, each alone',
}
_STEPS = {scenario.AGAIN: f'add, {throughput.CHANGED} tensors changed'}
_ABOUT_SEQUENCES = '''\
Ten versions, each made from the one before: the last two layers and the pooler move,
or all tensors do (noise of 1e-3 of each tensor's own standard deviation in every
element), or an adapter of rank 8 is merged into the queries and values of all layers
(factors of deviation 0.01, alpha 16). Computed in float32, rounded for bf16 and fp16.
Bytes of all that `.git` grew by, in units of one model.'''
_ABOUT_TUNES = '''\
Trained for real: AdamW on pairs of the standard library's docstrings (first line and
the rest), 40 steps of batch 8, learning rate falling from the one given, in float32;
bf16 and fp16 are that rounded, which changes fewer elements the smaller the steps
were. LoRA: rank 8 on all linear layers of the encoder, learning rate 2e-4, merged in
the dtype. IA3: keys, values and wide layers scaled by 1 + 5 % normal, not trained.
"Same" is the share of elements, of the tensors that changed, that did not change.
Ratios are raw bytes to stored bytes: of the whole model stored alone, and of the
changed tensors where the base is in the store. The BitX idea is XOR with the base,
byte planes, zstd (level 1 or 3, the smaller for each plane); ZipLLM itself was not run.
gc adds a list of what it has looked at, a few kB.
Embeddings hardly change in so short a training: the encoder alone tells more.'''


def document(known: Record) -> str:
    about = known['about']
    parts = ['# Histories', _intro(about)]
    if set(known) - {'about', 'from base'}:
        rows = [g.row for g in goals.goals(known)]
        parts += ['## Targets',
                  markdown([['target', 'limit', 'measured', ''], *rows])]
    for name, write in _SECTIONS.items():
        if name in known:
            parts += write(known[name])
    return '\n\n'.join(parts) + '\n'


def _intro(about: Record) -> str:
    model = ('A model of 4 MB made on the spot.' if about['quick'] else
             'The weights of all-MiniLM-L6-v2 (90.9 MB in fp32, 104 tensors).')
    return (f'{model} Written by `benchmarks/run histories`; every version was checked '
            'out again and compared byte for byte (the first one of git-theta).\n\n'
            f'{about["machine"]}')


def _sequences(known: Record) -> Iterator[str]:
    yield '## Ten commits'
    yield _ABOUT_SEQUENCES
    yield '![Bytes stored after each commit](histories.svg)'
    yield from _sizes(known)
    yield '### What it took'
    yield from _costs(known)


def _sizes(known: Record) -> Iterator[str]:
    for dtype, by_name in known.items():
        columns = [c for c in _SIZES if any(_size(r, c) for r in by_name.values())]
        rows = [[dtype, *(_SIZES[c] for c in columns)]]
        for name, record in by_name.items():
            one = record['model']['bytes']
            sizes = (_size(record, column) for column in columns)
            rows.append([name, *(f'{s / one:.2f}' if s else '–' for s in sizes)])
        yield markdown(rows)


def _size(record: Record, column: str) -> int | None:
    tool, _, collected = column.partition(' ')
    found = record.get(tool, {})
    return found.get('gc size') if collected else found.get('sizes', [None])[-1]


def _costs(known: Record) -> Iterator[str]:
    rows = [['fp32', 'tool', 'ten adds, CPU s', 'peak of the filter, MB', 'gc, CPU s',
             'gc, peak MB', 'versions that came back']]
    for name, record in known.get('fp32', {}).items():
        for tool in (OURS, LFS, PLAIN, THETA):
            if tool in record:
                rows.append([name, tool, *_cost(record[tool])])
    yield markdown(rows)


def _cost(record: Record) -> Iterator[str]:
    yield f'{record["add cpu"]:.1f}'
    yield f'{record["add peak"] / MB:.0f}' if record['add peak'] > MB else '–'
    yield f'{record["gc cpu"]:.1f}' if 'gc cpu' in record else '–'
    yield f'{record["gc peak"] / MB:.0f}' if 'gc peak' in record else '–'
    if 'values' in record:
        yield ('not the bytes, the values' if record['values']
               else '**neither bytes nor values**')
    else:
        yield f'**not {", ".join(record["wrong"])}**' if record['wrong'] else 'all'


def _from_base(known: Record) -> Iterator[str]:
    yield '### Every version made from the first'
    yield ('As above, but each version is made from the first one and not from the one '
           'before it: two versions in a row differ by both their changes.')
    rows = [['fp32', 'git-model', 'git-model, after gc']]
    for name, record in known.get('fp32', {}).items():
        one = record['model']['bytes']
        sizes = (_size(record, column) for column in (OURS, f'{OURS} gc'))
        rows.append([name, *(f'{s / one:.2f}' if s else '–' for s in sizes)])
    yield markdown(rows)


def _finetunes(known: Record) -> Iterator[str]:
    yield '## Fine-tunes against their base'
    yield _ABOUT_TUNES
    for part in (finetunes.WHOLE, finetunes.ENCODER):
        rows = [[part, 'dtype', 'same', 'alone', 'zipnn alone', 'against the base',
                 'after gc', 'BitX idea']]
        for name in finetunes.TUNES:
            for dtype, by_name in known.items():
                if part in by_name.get(name, {}):
                    rows.append([name, dtype, *_tune(by_name[name][part])])
        yield markdown(rows)


def _tune(record: Record) -> Iterator[str]:
    yield f'{100 * record["same"]:.0f} %'
    for raw, stored, digits in (
        ('raw', 'alone', 3), ('raw', 'zipnn', 3), ('changed', 'delta', 2),
        ('changed', 'delta gc', 2), ('changed', 'bitx', 2),
    ):
        size = record.get(stored)
        yield f'{record[raw] / size:.{digits}f}' if size else '–'


def _throughput(known: Record) -> Iterator[str]:
    yield '## 1 GB in bf16'
    yield (f'{known["size"] / MB:,.0f} MB, {known["rounds"]} rounds in turn, medians; '
           f'{throughput.CHANGED} of 149 tensors ({known["changed"] / MB:.0f} MB) '
           'changed for the second add. In "checkout new" Git reads the model of the '
           'checkout before it again.')
    tools: Sequence[str] = list(known['stored'])
    rows = [['step', *(f'{tool}, {what}' for what in ('CPU s', 'wall s', 'peak MB')
                       for tool in tools)]]
    for step, by_tool in known['steps'].items():
        rows.append([_STEPS.get(step, step), *(
            f'{by_tool[tool][key] / unit:.{digits}f}'
            for key, unit, digits in (('cpu', 1, 2), ('wall', 1, 2), ('peak', MB, 0))
            for tool in tools
        )])
    yield markdown(rows)
    stored = (f'{tool}: {first / MB:.1f} MB, then {then / MB:.1f} MB more'
              for tool, (first, then) in known['stored'].items())
    yield f'Stored: {"; ".join(stored)}.'


def _memory(known: Record) -> Iterator[str]:
    yield '## Memory of the filter'
    rows = [['bf16', 'add, peak MB', 'checkout, peak MB', 'add, CPU s',
             'checkout, CPU s', 'stored / raw']]
    for name, record in known.items():
        back = record.get('checkout')
        rows.append([
            name, f'{record["add"] / MB:.0f}', f'{back / MB:.0f}' if back else '–',
            f'{record["add cpu"]:.1f}',
            f'{record["checkout cpu"]:.1f}' if back else '–',
            f'{record["stored"] / record["size"]:.3f}',
        ])
    yield markdown(rows)


_SECTIONS = {
    'sequences': _sequences, 'from base': _from_base, 'finetunes': _finetunes,
    'throughput': _throughput, 'memory': _memory,
}
