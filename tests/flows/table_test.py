"""The table of what a merge makes of a tensor, row by row, through plain Git.

Each row stands for a situation: base, ours and theirs, what ``git merge`` makes of
them, and what carrying the change over does (``git cherry-pick``, as rebase does).
"""
from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from functools import partial
from typing import Any

import ml_dtypes
import numpy
import pytest

from tests.testing.models import info
from tests.testing.models import npz
from tests.testing.models import safetensors
from tests.testing.params import slow_unless
from tests.testing.repository import Repo
from tests.testing.repository import make

M = 'm.safetensors'
WAYS = {
    'merge': ('merge', '-q', '--no-edit', 'topic'), 'apply': ('cherry-pick', 'topic'),
}
BOTH = pytest.mark.parametrize('way', WAYS)
OURS_TOO = pytest.mark.parametrize('swapped', [False, True], ids=['theirs', 'ours'])
NAN, INF = float('nan'), float('inf')
BF16 = ml_dtypes.bfloat16
E4M3 = ml_dtypes.float8_e4m3fn
WORDS = {
    'F16': 'f2', 'F32': 'f4', 'F64': 'f8', 'I8': 'i1', 'U8': 'u1', 'I32': 'i4',
    'I64': 'i8', 'BOOL': '?', 'BF16': BF16, 'F8_E4M3': E4M3, 'C64': 'c8',
}
# A tensor that only ours changed, and one that only theirs did: so that Git always
# asks the driver.
ONLY_OURS, ONLY_THEIRS = 'left.alone', 'right.alone'
Tensors = Mapping[str, Any]
Shown = dict[str, str]


def f4(*values: float) -> Any:
    return numpy.array(values, 'f4')


def shown(**tensors: Any) -> Shown:
    """Each tensor's dtype and values; lists are float32."""
    return {
        name.replace('__', '.'): _shown(
            value if isinstance(value, numpy.ndarray) else numpy.array(value, 'f4'),
        ) for name, value in tensors.items()
    }


def _shown(array: Any) -> str:
    wide = array.astype('f8') if array.dtype.kind == 'V' else array
    return f'{array.dtype.name} {wide.tolist()}'


def read(data: bytes) -> Shown:
    """The tensors of a file, as ``shown`` has them."""
    length, = struct.unpack_from('<Q', data)
    header = json.loads(data[8:8 + length])
    header.pop('__metadata__', None)
    found = {}
    for name, said in header.items():
        start, end = (8 + length + at for at in said['data_offsets'])
        array = numpy.frombuffer(data[start:end], WORDS[said['dtype']])
        found[name] = _shown(array.reshape(said['shape']))
    return found


class Table:
    """Three versions of a model, and what becomes of them."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.said = ''

    def versions(
        self, base: Tensors, ours: Tensors, theirs: Tensors,
        metadata: tuple[dict[str, str] | None, ...] = (None, None, None),
        **files: tuple[Any, Any, Any],
    ) -> None:
        """Commit them; ``files`` are JSON documents beside the model, by name."""
        def write(i: int, tensors: Tensors) -> None:
            alone = {ONLY_OURS: [float(i == 1)], ONLY_THEIRS: [float(i == 2)]}
            named = {k.replace('__', '.'): v for k, v in tensors.items()}
            self.repo.save(M, metadata[i], **{**alone, **named})
            for name, documents in files.items():
                text = json.dumps(documents[i], indent=2)
                self.repo.write(f'{name}.json', f'{text}\n')

        self.repo.fork(*(
            partial(write, i, version) for i, version in enumerate((base, ours, theirs))
        ))

    def settled(self, way: str, *options: str) -> Shown:
        """What is committed without a question."""
        pairs = [word for option in options for word in ('-c', f'model.{option}')]
        self.said = self.repo.run('git', *pairs, *WAYS[way]).err
        assert self.repo.status() == ''
        found = read(self.repo.read(M))
        assert found.pop(ONLY_OURS) == found.pop(ONLY_THEIRS) == 'float32 [1.0]'
        return found

    def refused(self, way: str, *options: str) -> Shown:
        """The conflicts' reasons by tensor, said on standard error and in the file.

        Between the markers stands what Git has of the sides, and nothing is lost by
        going back.
        """
        pairs = [word for option in options for word in ('-c', f'model.{option}')]
        self.said = self.repo.run('git', *pairs, *WAYS[way], code=1).err
        assert f'UU {M}\n' in self.repo.status()
        lines = self.said.split(f'{M}: ', 1)[1].splitlines()
        count = re.search(r'(\d+) conflicts?$', lines[0])
        assert count
        said = dict(
            line[2:].split(': ', 1) for line in lines[1:1 + int(count[1])]
        )
        assert said == self._marked()
        self.repo.git(WAYS[way][0], '--abort')
        assert self.repo.status() == ''
        return said

    def _marked(self) -> Shown:
        """Reasons by tensor from the markers, their lines compared to the index."""
        text = self.repo.read(M).decode()
        found = {}
        for reason, ours, theirs in re.findall(
            r'^<{7} [^:\n]*: (.*)\n((?:.+\n)*?)={7}\n((?:.+\n)*?)>{7} .*$', text, re.M,
        ):
            for stage, lines in ((2, ours), (3, theirs)):
                manifest = self.repo.git('show', '--no-textconv', f':{stage}:{M}')
                assert lines in manifest
            names = {line.split()[1] for line in (ours + theirs).splitlines()}
            found.update(dict.fromkeys(names, reason))
        return found


@pytest.fixture
def table(repo: Repo) -> Table:
    return Table(repo)


def ordered(swapped: bool, one: Tensors, other: Tensors) -> tuple[Tensors, Tensors]:
    return (other, one) if swapped else (one, other)


@BOTH
def test_row_01_what_nobody_changed_stays(table: Table, way: str) -> None:
    same = {'x': f4(1, NAN, -0.0), 'i': numpy.array(7), 'e': numpy.zeros((0, 2), 'f2')}
    table.versions(same, same, same)
    assert table.settled(way) == shown(**same)
    assert table.said.startswith(f'{M}: 1 from ours, 1 from theirs\n')


@BOTH
@OURS_TOO
def test_rows_02_and_03_a_change_of_one_side_is_taken_as_it_is(
    table: Table, way: str, swapped: bool,
) -> None:
    base = {
        'value': [1.0, 2.0], 'dtype': [1.0], 'shape': [1.0, 2.0], 'gone': [1.0],
        'int': numpy.array([1, 2]),
    }
    changed = {
        'value': [NAN, INF], 'dtype': numpy.array([1], 'f2'), 'shape': [[1.0, 2.0]],
        'new': [3.0], 'int': numpy.array([5, 6]),
    }
    table.versions(base, *ordered(not swapped, changed, base))
    assert table.settled(way) == shown(**changed)


@BOTH
def test_row_04_the_same_change_on_both_sides_is_made_once(
    table: Table, way: str,
) -> None:
    after = {'x': [5.0, NAN], 'i': numpy.array([9]), 'new': [1.0]}
    table.versions({'x': [1.0, 2.0], 'i': numpy.array([1])}, after, after)
    assert table.settled(way) == shown(**after)
    assert table.said.startswith(f'{M}: 1 from ours, 1 from theirs, 3 changed alike\n')


FLOATS: tuple[Any, ...] = ('f2', BF16, 'f4', 'f8', 'c8')


@pytest.mark.parametrize(('way', 'option', 'values'), [
    ('merge', '', [2.5, 4.0]), ('apply', '', [4.0, 6.0]),
    ('merge', 'merge=task_arithmetic', [4.0, 6.0]), ('merge', 'weight=0.25', [2.75, 3]),
    ('apply', 'apply=linear', [2.5, 4.0]), ('apply', 'merge=ours', [4.0, 6.0]),
])
def test_row_05_two_changes_of_floats_are_combined(
    table: Table, way: str, option: str, values: list[float],
) -> None:
    def version(*numbers: float) -> Tensors:
        return {f'x.{i}': numpy.array(numbers, t) for i, t in enumerate(FLOATS)}

    table.versions(version(1, 2), version(3, 2), version(2, 6))
    options = [option] if option else []
    assert table.settled(way, *options) == shown(**version(*values))


@BOTH
def test_row_06_two_tensors_of_one_name_are_a_conflict(table: Table, way: str) -> None:
    table.versions({}, {'x': [1.0]}, {'x': [3.0]})
    assert table.refused(way) == {'x': 'added on both sides with different values'}
    assert table.settled(way, 'added=average') == shown(x=[2.0])


@BOTH
def test_row_06_same_tensors_of_one_name_are_none(table: Table, way: str) -> None:
    table.versions({}, {'x': [1.0]}, {'x': [1.0]})
    assert table.settled(way) == shown(x=[1.0])


@BOTH
@pytest.mark.parametrize('option', [(), ('added=average',)], ids=str)
def test_row_07_tensors_of_one_name_that_do_not_fit_are_a_conflict(
    table: Table, way: str, option: tuple[str, ...],
) -> None:
    table.versions(
        {}, {'x': [1.0], 'y': [1.0, 2.0]}, {'x': numpy.array([3], 'f8'), 'y': [[1.0]]},
    )
    said = table.refused(way, *option)
    if option:
        assert said == {
            'x': 'dtypes differ: ours F32, theirs F64',
            'y': 'shapes differ: ours 2, theirs 1x1',
        }
    else:
        assert said == {
            'x': 'added on both sides with different dtypes',
            'y': 'added on both sides with different shapes',
        }


@BOTH
@OURS_TOO
def test_row_08_what_one_side_deleted_and_nobody_changed_is_gone(
    table: Table, way: str, swapped: bool,
) -> None:
    base = {'x': [1.0], 'y': [2.0]}
    table.versions(base, *ordered(swapped, {'y': [2.0]}, base))
    assert table.settled(way) == shown(y=[2.0])


@BOTH
@OURS_TOO
def test_row_09_what_one_side_deleted_and_the_other_changed_is_a_conflict(
    table: Table, way: str, swapped: bool,
) -> None:
    table.versions({'x': [1.0]}, *ordered(swapped, {}, {'x': [2.0]}))
    assert table.refused(way) == {'x': (
        'changed in ours, deleted in theirs' if swapped
        else 'deleted in ours, changed in theirs'
    )}


@BOTH
def test_row_10_what_both_deleted_is_gone(table: Table, way: str) -> None:
    table.versions({'x': [1.0]}, {}, {})
    assert table.settled(way) == {}


@BOTH
@OURS_TOO
def test_row_11_a_change_follows_a_renamed_tensor(
    table: Table, way: str, swapped: bool,
) -> None:
    base = {'old': [1.0, 2.0], 'other': [7.0]}
    renamed = {'new': [1.0, 2.0], 'other': [7.0]}
    changed = {'old': [3.0, 5.0], 'other': [7.0]}
    table.versions(base, *ordered(swapped, renamed, changed))
    assert table.settled(way) == shown(new=[3.0, 5.0], other=[7.0])
    who = 'ours' if swapped else 'theirs'
    assert f'  new: the change of {who} follows its new name\n' in table.said


@BOTH
@OURS_TOO
def test_row_11_only_a_single_match_is_a_new_name(
    table: Table, way: str, swapped: bool,
) -> None:
    base = {'old': [1.0], 'twin': [1.0]}
    renamed = {'new': [1.0], 'newer': [1.0]}
    changed = {'old': [3.0], 'twin': [1.0]}
    table.versions(base, *ordered(swapped, renamed, changed))
    has, lacks = ('ours', 'theirs') if swapped else ('theirs', 'ours')
    parts = [f'changed in {has}', f'deleted in {lacks}']
    if not swapped:
        parts.reverse()
    assert table.refused(way) == {'old': ', '.join(parts)}


@BOTH
def test_row_12_two_new_names_are_a_conflict(table: Table, way: str) -> None:
    table.versions({'old': [1.0]}, {'one': [1.0]}, {'two': [1.0]})
    why = 'old was renamed to one in ours, to two in theirs'
    assert table.refused(way) == {'one': why, 'two': why}


@BOTH
def test_row_12_a_new_name_with_new_values_is_not_guessed(
    table: Table, way: str,
) -> None:
    table.versions({'old': [1.0, 2.0]}, {'new': [1.0, 2.5]}, {'old': [1.5, 2.0]})
    assert table.refused(way) == {'old': 'deleted in ours, changed in theirs'}
    assert table.settled(way, 'old.merge=theirs', 'old.apply=theirs') == shown(
        old=[1.5, 2.0], new=[1.0, 2.5],
    )


@BOTH
@OURS_TOO
@pytest.mark.parametrize('dtype', ['f2', BF16, 'f8', E4M3], ids=str)
def test_row_13_values_go_into_a_dtype_that_only_was_cast_to(
    table: Table, way: str, swapped: bool, dtype: Any,
) -> None:
    base, changed = f4(1.1, 2.3, -0.0), f4(4.7, 2.3, 0)
    cast = {'x': base.astype(dtype)}
    table.versions({'x': base}, *ordered(swapped, cast, {'x': changed}))
    assert table.settled(way) == shown(x=changed.astype(dtype))
    word = {'float16': 'F16', 'float64': 'F64', 'bfloat16': 'BF16'}.get(
        numpy.dtype(dtype).name, 'F8_E4M3')
    assert f'  x: is {word} now, was F32\n' in table.said


@BOTH
def test_row_13_a_cast_with_new_values_is_a_conflict(table: Table, way: str) -> None:
    table.versions(
        {'x': [1.0, 2.0]}, {'x': numpy.array([1, 3], 'f2')}, {'x': [4.0, 2.0]},
    )
    assert table.refused(way) == {'x': (
        'dtypes differ: one side made it F16 and changed its values, the other '
        'changed them as F32'
    )}


@BOTH
def test_row_14_two_new_dtypes_are_a_conflict(table: Table, way: str) -> None:
    table.versions(
        {'x': [1.0], 'i': [1.0], 'j': numpy.array([1])},
        {'x': numpy.array([1], 'f2'), 'i': numpy.array([1]), 'j': [1.0]},
        {'x': numpy.array([1], BF16), 'i': [2.0], 'j': numpy.array([2])},
    )
    assert table.refused(way) == {
        'x': 'dtypes differ: ours F16, theirs BF16',
        'i': 'dtypes or shapes differ, and I64 is no float',
        'j': 'dtypes differ: ours F32, theirs I64',
    }


@BOTH
@OURS_TOO
def test_row_15_a_new_shape_and_new_values_are_a_conflict(
    table: Table, way: str, swapped: bool,
) -> None:
    shape, values = {'w': [[1.0], [2.0]]}, {'w': [3.0, 2.0]}
    table.versions({'w': [1.0, 2.0]}, *ordered(swapped, shape, values))
    shapes = ('2', '2x1') if swapped else ('2x1', '2')
    assert table.refused(way) == {
        'w': f'shapes differ: ours {shapes[0]}, theirs {shapes[1]}',
    }


@BOTH
def test_row_16_two_new_shapes_are_a_conflict(table: Table, way: str) -> None:
    base = {'w': numpy.zeros((2, 2), 'f4'), 'v': f4(1, 2, 3, 4)}
    ours = {'w': numpy.zeros((3, 2), 'f4'), 'v': f4(1, 2, 3, 4).reshape(2, 2)}
    theirs = {'w': numpy.zeros((4, 2), 'f4'), 'v': f4(1, 2, 3, 4).reshape(4, 1)}
    table.versions(base, ours, theirs)
    assert table.refused(way) == {
        'w': 'shapes differ: ours 3x2, theirs 4x2',
        'v': 'shapes differ: ours 2x2, theirs 4x1',
    }


@BOTH
def test_row_16_the_same_new_shape_with_other_values_is_a_conflict(
    table: Table, way: str,
) -> None:
    table.versions({'w': [1.0, 2.0]}, {'w': [[1.0, 2.0]]}, {'w': [[3.0, 2.0]]})
    assert table.refused(way) == {'w': 'both sides changed its dtype or shape'}


@BOTH
@OURS_TOO
@pytest.mark.parametrize('odd', [NAN, INF, -INF])
@pytest.mark.parametrize('dtype', ['f4', 'f2', BF16], ids=str)
def test_row_17_new_nan_and_infinity_are_never_averaged(
    table: Table, way: str, swapped: bool, odd: float, dtype: Any,
) -> None:
    sides = ({'x': numpy.array(x, dtype)} for x in ([odd, 2], [3, 4]))
    table.versions({'x': numpy.array([1, 2], dtype)}, *ordered(swapped, *sides))
    assert table.refused(way) == {'x': 'both sides changed it, and it holds NaN or '
                                       'infinity'}


@BOTH
def test_row_17_nan_of_one_side_is_taken_where_the_other_changed_nothing(
    table: Table, way: str,
) -> None:
    table.versions({'x': [1.0, 2.0]}, {'x': [1.0, 2.0]}, {'x': [NAN, -INF]})
    assert table.settled(way) == shown(x=[NAN, -INF])


@pytest.mark.parametrize(('way', 'value'), [('merge', 3.0), ('apply', 5.0)])
def test_row_18_masks_keep_their_bits_while_the_rest_is_merged(
    table: Table, way: str, value: float,
) -> None:
    odd = numpy.array([0x7fc12345, 0xff812345, 0xff800000], 'u4').view('f4')
    table.versions(*({'x': numpy.append(odd, f4(x))} for x in (1, 2, 4)))
    assert table.settled(way) == shown(x=[NAN, NAN, -INF, value])
    assert table.repo.read(M).count(odd.tobytes() + f4(value).tobytes()) == 1


@pytest.mark.parametrize(('dtype', 'word', 'high'), [
    ('f2', 'F16', 60000), (BF16, 'BF16', 3e38), ('f4', 'F32', 3e38),
    ('f8', 'F64', 1.7e308),
])
def test_row_19_a_result_beyond_the_dtype_is_a_conflict(
    table: Table, dtype: Any, word: str, high: float,
) -> None:
    sides = ({'x': numpy.array(x, dtype)} for x in ([0, 1], [high, 1], [high, 2]))
    table.versions(*sides)
    assert table.refused('apply') == {'x': f'the result overflows {word}'}
    assert table.refused('merge', 'merge=task_arithmetic') == {
        'x': f'the result overflows {word}',
    }
    mean = numpy.array([high, 1.5], dtype)
    assert table.settled('merge') == shown(x=mean)


@pytest.mark.parametrize('way', WAYS)
def test_row_20_weights_that_cancel_out_are_an_error(table: Table, way: str) -> None:
    table.versions({'x': [1.0]}, {'x': [2.0]}, {'x': [3.0]})
    options = ('ours-weight=1', 'theirs-weight=-1', f'{way}=linear')
    pairs = [word for option in options for word in ('-c', f'model.{option}')]
    done = table.repo.run('git', *pairs, *WAYS[way], code=1)
    assert (
        "'linear': the weights of ours and theirs sum to 0\n" in done.err
    ), done.err
    assert table.repo.status() == f'UU {M}\n'
    table.repo.git('add', M, code=128)
    table.repo.git(WAYS[way][0], '--abort')
    assert read(table.repo.read(M))['x'] == 'float32 [2.0]'


def words(*tokens: str) -> dict[str, Any]:
    """A tokenizer of a vocabulary without merges."""
    vocab = {token: i for i, token in enumerate(tokens)}
    return {'model': {'type': 'WordLevel', 'vocab': vocab}}


@BOTH
@OURS_TOO
def test_row_21_rows_of_one_side_are_added_to_what_the_other_trained(
    table: Table, way: str, swapped: bool,
) -> None:
    base = [[1.0, 1.0], [2.0, 2.0]]
    grown = {'embed_tokens.weight': [*base, [9.0, 9.0]]}
    trained = {'embed_tokens.weight': [[3.0, 1.0], [2.0, 2.0]]}
    table.versions({'embed_tokens.weight': base}, *ordered(swapped, grown, trained))
    assert table.settled(way) == {
        'embed_tokens.weight': 'float32 [[3.0, 1.0], [2.0, 2.0], [9.0, 9.0]]',
    }
    who = 'theirs' if swapped else 'ours'
    assert f'  embed_tokens.weight: rows added, 1 by {who}\n' in table.said


@pytest.mark.parametrize(('way', 'first'), [('merge', 3.5), ('apply', 6.0)])
def test_row_21_rows_of_both_sides_are_aligned_by_their_tokens(
    table: Table, way: str, first: float,
) -> None:
    table.repo.git('model', 'track', '--configs')
    table.versions(
        {'lm_head.weight': [[1.0]]}, {'lm_head.weight': [[3.0], [5.0], [6.0]]},
        {'lm_head.weight': [[4.0], [8.0], [9.0]]},
        tokenizer=(words('a'), words('a', 'x', 'y'), words('a', 'y', 'z')),
    )
    assert table.settled(way) == {
        'lm_head.weight': f'float32 [[{first}], [5.0], [7.0], [9.0]]',
    }
    assert json.loads(table.repo.read('tokenizer.json')) == words('a', 'x', 'y', 'z')


@BOTH
def test_row_21_rows_of_both_sides_without_a_tokenizer_are_a_conflict(
    table: Table, way: str,
) -> None:
    table.versions(*({'wte.weight': [[1.0]] * n} for n in (1, 2, 3)))
    assert table.refused(way) == {'wte.weight': (
        'rows were added on several sides, and no tokenizer of all of them says '
        'which is which'
    )}


@BOTH
def test_row_21_rows_that_were_removed_and_changed_are_a_conflict(
    table: Table, way: str,
) -> None:
    table.versions(
        {'wte.weight': [[1.0], [2.0]]}, {'wte.weight': [[1.0]]},
        {'wte.weight': [[1.0], [3.0]]},
    )
    assert table.refused(way) == {'wte.weight': 'rows were removed in ours'}


COUNTERS = ('bn.num_batches_tracked', 'step', 'opt.global_step', 'epoch')


@pytest.mark.parametrize(('way', 'counts', 'count'), [
    ('merge', (5, 10, 7), 10), ('merge', (5, 7, 10), 10), ('merge', (9, 4, 3), 4),
    ('apply', (5, 10, 7), 12), ('apply', (9, 4, 3), 0), ('apply', (9, 12, 3), 6),
])
def test_row_22_steps_are_counted(
    table: Table, way: str, counts: tuple[int, int, int], count: int,
) -> None:
    def version(n: int) -> Tensors:
        arrays = (numpy.array(n), numpy.array([n], 'i4'))
        return {name: arrays[i % 2] for i, name in enumerate(COUNTERS)}

    table.versions(*(version(n) for n in counts))
    assert table.settled(way) == shown(**version(count))


@BOTH
@pytest.mark.parametrize('dtype', ['i8', 'i4', 'u1', 'i1'])
def test_row_23_integers_are_taken_from_who_changed_them(
    table: Table, way: str, dtype: str,
) -> None:
    table.versions(*({'ids': numpy.array(x, dtype)} for x in (
        [[1, 2, 3], [4, 5, 6]], [[9, 2, 3], [4, 7, 6]], [[1, 2, 8], [4, 7, 6]],
    )))
    assert table.settled(way) == shown(
        ids=numpy.array([[9, 2, 8], [4, 7, 6]], dtype),
    )


@BOTH
def test_row_23_an_integer_that_both_changed_is_a_conflict(
    table: Table, way: str,
) -> None:
    table.versions(*(
        {'one': numpy.array([1, x]), 'two': numpy.array([x, x, 3])} for x in (1, 2, 3)
    ))
    assert table.refused(way) == {
        'one': 'both sides changed the same element of it',
        'two': 'both sides changed the same 2 of its 3 elements',
    }


@BOTH
def test_row_24_masks_are_merged_bit_by_bit(table: Table, way: str) -> None:
    every = [numpy.array([n & bit for n in range(8)], '?') for bit in (4, 2, 1)]
    base, ours, theirs = ({'mask': array} for array in every)
    table.versions(base, ours, theirs)
    assert table.settled(way) == shown(mask=numpy.array([0, 1, 1, 1, 0, 0, 0, 1], '?'))


@BOTH
def test_row_24_masks_of_other_shapes_are_a_conflict(table: Table, way: str) -> None:
    table.versions(*({'mask': numpy.zeros(n, '?')} for n in (2, 3, 4)))
    assert table.refused(way) == {
        'mask': 'dtypes or shapes differ, and BOOL is no float',
    }


def batch_norm(mean: float, var: float, count: int | None) -> Tensors:
    found: dict[str, Any] = {'bn.running_mean': [mean], 'bn.running_var': [var]}
    if count is not None:
        found['bn.num_batches_tracked'] = numpy.array(count)
    return found


@pytest.mark.parametrize(('way', 'counts', 'wanted'), [
    # 1/4 * 1 + 3/4 * 3; the variance of the union is in the next row.
    ('merge', (5, 10, 30), (2.5, 2.5, 30)), ('apply', (5, 10, 30), (4.0, 2.5, 35)),
    ('merge', (None, None, None), (2.0, 2.5, None)),
    ('apply', (None, None, None), (4.0, 2.5, None)),
])
def test_rows_25_and_26_statistics_of_batch_norm_are_pooled(
    table: Table, way: str, counts: Any, wanted: Any,
) -> None:
    """var = 1/4 (1 + 1.5^2) + 3/4 (2 + 0.5^2), or 1/2 (1 + 1^2) + 1/2 (2 + 1^2)."""
    base, ours, theirs = counts
    table.versions(
        batch_norm(0, 7, base), batch_norm(1, 1, ours), batch_norm(3, 2, theirs),
    )
    assert table.settled(way) == shown(**batch_norm(*wanted))
    assert (
        '  bn.running_var: pooled; estimating it anew on data is better still\n'
    ) in table.said


@pytest.mark.parametrize('name', ['running_var', 'moving_variance'])
def test_row_26_a_variance_is_never_negative(table: Table, name: str) -> None:
    """1 + (0.1 - 3) would be."""
    table.versions(*({f'bn.{name}': [x]} for x in (3.0, 1.0, 0.5)))
    assert table.settled('apply') == shown(**{f'bn.{name}': [0.75]})


@pytest.mark.parametrize(('way', 'values'), [
    ('merge', [1.5, 3.0]), ('apply', [0.0, 4.0]),
])
def test_row_27_averages_of_squares_are_not_negative(
    table: Table, way: str, values: list[float],
) -> None:
    name = 'w.exp_avg_sq'
    table.versions(*({name: x} for x in ([5.0, 2.0], [1.0, 2.0], [2.0, 4.0])))
    assert table.settled(way) == shown(**{name: values})


@BOTH
def test_row_28_optimizer_state_is_that_of_one_run(table: Table, way: str) -> None:
    names = ('optimizer.state.0.exp_avg', 'optimizer.state.0.step')
    table.versions(*(
        {names[0]: [x], names[1]: numpy.array(int(x))} for x in (1.0, 2.0, 3.0)
    ))
    strict = 'both sides changed it, and a rule is strict'
    assert table.refused(way, 'strict') == dict.fromkeys(names, strict)
    assert table.settled(way) == shown(
        **{names[0]: [2.0], names[1]: numpy.array(2)},
    )
    for name in names:
        assert f'  {name}: taken from ours (state of one run)\n' in table.said


def test_row_28_moments_are_averaged_where_a_rule_says_so(table: Table) -> None:
    name = 'optimizer.state.0.exp_avg'
    table.versions(*({name: [x]} for x in (1.0, 2.0, 3.0)))
    assert table.settled('merge', 'optimizer.*.merge=linear') == shown(**{name: [2.5]})


@BOTH
def test_row_29_states_of_generators_and_loaders_are_those_of_one_run(
    table: Table, way: str,
) -> None:
    names = ('rng_state', 'lr_scheduler.last_lr', 'train.dataloader.position')
    table.versions(*(
        {n: numpy.full(3, x, 'u1') for n in names} for x in (1, 2, 3)
    ))
    strict = 'both sides changed it, and a rule is strict'
    assert table.refused(way, 'strict') == dict.fromkeys(names, strict)
    assert table.settled(way) == shown(**{n: numpy.full(3, 2, 'u1') for n in names})


def int8(codes: list[int], scale: float) -> Tensors:
    return {'q.weight': numpy.array([codes], 'i1'), 'q.weight_scale': f4(scale)}


@pytest.mark.parametrize(('way', 'codes', 'scale'), [
    # values: base 127 1 1 1, ours 127 -127 0 64, theirs 381 0 3 192
    ('merge', [127, -32, 1, 64], 2.0), ('apply', [127, -43, 1, 85], 3.0),
])
def test_row_30_quantised_weights_are_merged_as_what_they_stand_for(
    table: Table, way: str, codes: list[int], scale: float,
) -> None:
    table.versions(
        int8([127, 1, 1, 1], 1.0), int8([127, -127, 0, 64], 1.0),
        int8([127, 0, 1, 64], 3.0),
    )
    assert table.settled(way) == shown(**int8(codes, scale))


@BOTH
def test_row_30_codes_come_with_the_scales_of_their_side(
    table: Table, way: str,
) -> None:
    base, theirs = int8([127, 1], 1.0), int8([5, 127], 0.5)
    table.versions(base, base, theirs)
    assert table.settled(way) == shown(**theirs)


@BOTH
def test_row_30_calibrated_codes_are_a_conflict(table: Table, way: str) -> None:
    table.versions(*(
        {'q.qweight': numpy.full((2, 2), x, 'i4'), 'q.scales': [[float(x)]],
         'q.qzeros': numpy.zeros((1, 1), 'i4')} for x in (1, 2, 3)
    ))
    why = (
        'it is quantised by a scheme (GPTQ or AWQ) whose codes cannot be merged: '
        'take one side'
    )
    assert table.refused(way) == dict.fromkeys(
        ('q.qweight', 'q.scales', 'q.qzeros'), why,
    )


@pytest.mark.parametrize(('way', 'values'), [
    # Beside 1 there are 1.125 and 0.9375: a tie goes to the even code.
    ('merge', [448.0, 1.0, 1.25]), ('apply', [448.0, 1.125, 1.5]),
])
def test_row_31_float8_is_merged_in_float32_and_saturates(
    table: Table, way: str, values: list[float],
) -> None:
    table.versions(*({'x': numpy.array(x, E4M3)} for x in (
        [0, 1, 1], [448, 1, 1.25], [448, 1.125, 1.25],
    )))
    assert table.settled(way) == shown(x=numpy.array(values, E4M3))


def tied(embed: float, head: float) -> Tensors:
    return {'embed': [[embed, 1.0]], 'head': [[head, 1.0]]}


@pytest.mark.parametrize(('way', 'value'), [('merge', 3.0), ('apply', 5.0)])
def test_row_32_tied_weights_stay_tied(table: Table, way: str, value: float) -> None:
    table.versions(tied(1, 1), tied(2, 2), tied(4, 4))
    assert table.settled(way) == shown(**tied(value, value))


@BOTH
@OURS_TOO
def test_row_32_weights_tied_here_and_trained_apart_there_are_a_conflict(
    table: Table, way: str, swapped: bool,
) -> None:
    table.versions(tied(1, 1), *ordered(swapped, tied(2, 2), tied(4, 5)))
    kept, apart = ('theirs', 'ours') if swapped else ('ours', 'theirs')
    why = (
        f'tied to {{}} and changed in {kept}, untied and changed in {apart}'
    )
    assert table.refused(way) == {
        'embed': why.format('head'), 'head': why.format('embed'),
    }


@BOTH
def test_row_32_a_tie_that_only_one_side_gave_up_is_given_up(
    table: Table, way: str,
) -> None:
    table.versions(tied(1, 1), tied(1, 1), tied(4, 5))
    assert table.settled(way) == shown(**tied(4, 5))


@BOTH
def test_row_32_an_alias_in_the_metadata_is_a_tie(table: Table, way: str) -> None:
    noted = {'head': 'embed'}
    table.versions(
        {'embed': [[1.0]]}, {'embed': [[2.0]]}, {'embed': [[4.0]], 'head': [[5.0]]},
        (noted, noted, {'format': 'pt'}),
    )
    assert table.refused(way) == {'head': (
        'tied to embed and changed in ours, untied and changed in theirs'
    )}


A, B = 'q.lora_A.weight', 'q.lora_B.weight'


def lora(a: list[float], b: list[float]) -> Tensors:
    return {A: numpy.array([a], 'f4'), B: numpy.array(b, 'f4').reshape(-1, 1)}


def product(found: Mapping[str, str]) -> Any:
    a, b = (numpy.array(json.loads(found[n].partition(' ')[2])) for n in (A, B))
    return b @ a


@pytest.mark.parametrize(('way', 'wanted'), [
    ('merge', [[3.0, 0.0], [6.0, 0.0]]), ('apply', [[5.0, 0.0], [10.0, 0.0]]),
])
def test_row_33_lora_factors_are_merged_as_their_product(
    table: Table, way: str, wanted: list[list[float]],
) -> None:
    """2 ab, -4 ab for the sides, whose factors differ in sign, and 1 ab for base."""
    table.versions(lora([1, 0], [1, 2]), lora([2, 0], [1, 2]), lora([-2, 0], [-2, -4]))
    found = table.settled(way)
    assert numpy.allclose(product(found), wanted, atol=1e-6, rtol=0)
    assert [s.count('],') for s in found.values()] == [0, 1]    # of rank 1, still


@BOTH
def test_row_33_ranks_are_concatenated_by_a_rule(table: Table, way: str) -> None:
    versions = lora([1, 0], [1, 2]), lora([2, 1], [1, 2]), lora([0, 3], [1, 0])
    table.versions(*versions)
    base, ours, theirs = (product(shown(**version)) for version in versions)
    wanted = (ours + theirs) / 2 if way == 'merge' else ours + theirs - base
    found = product(table.settled(way, 'lora=concatenate'))
    assert numpy.allclose(found, wanted, atol=1e-6, rtol=0)


@BOTH
@pytest.mark.parametrize(('key', 'sides', 'why'), [
    ('base_model_name_or_path', ('m', 'm', 'n'),
     'adapters for different models: m and n'),
    ('lora_alpha', (8, 16, 32), 'both sides changed the rank or alpha of the LoRA'),
    ('target_modules', (['q'], ['q', 'k'], ['q', 'v']),
     "both sides changed 'target_modules' in adapter_config.json"),
])
def test_row_33_adapters_of_different_kinds_are_a_conflict(
    table: Table, way: str, key: str, sides: Any, why: str,
) -> None:
    table.versions(
        lora([1, 0], [1, 2]), lora([2, 0], [1, 2]), lora([4, 0], [1, 2]),
        adapter_config=tuple({'r': 1, key: said} for said in sides),
    )
    pairs = table.repo.run('git', *WAYS[way], code=1).err
    assert f'  {A}: {why}\n' in pairs and f'  {B}: {why}\n' in pairs
    assert f'UU {M}\n' in table.repo.status()


@pytest.mark.parametrize(('way', 'a', 'b'), [
    ('merge', [2.0, 0.0], [2.0, 2.0]), ('apply', [3.0, 0.0], [3.0, 2.0]),
])
def test_row_34_factors_are_merged_one_by_one_by_a_rule(
    table: Table, way: str, a: list[float], b: list[float],
) -> None:
    table.versions(lora([1, 0], [1, 2]), lora([1, 0], [3, 2]), lora([3, 0], [1, 2]))
    assert table.settled(way, 'lora=factors') == shown(**lora(a, b))
    assert re.search(
        r'^  q: LoRA factors merged one by one: relative error \d+\.\d\d% of',
        table.said, re.M,
    )


def test_row_35_small_vectors_are_averaged_where_matrices_are_sparsified(
    table: Table,
) -> None:
    long = numpy.zeros(1024, 'f4')

    def version(matrix: list[list[float]], bias: list[float], last: float) -> Tensors:
        vector = long.copy()
        vector[-1], vector[:512] = last, last / 2
        return {'w': matrix, 'norm.bias': bias, 'scale': last, 'table': vector}

    table.versions(
        version([[0, 0], [0, 0]], [0, 0], 0), version([[4, 1], [1, 4]], [4, 1], 8),
        version([[2, 0.5], [0.5, -2]], [2, 1], 4),
    )
    found = table.settled('merge', 'merge=ties', 'density=0.001')
    kept = long.copy()
    kept[-1] = 6
    assert found == shown(
        w=[[3, 0], [0, 0]], norm__bias=[3, 1], scale=6, table=kept,
    )


def test_row_35_a_rule_for_a_vector_by_name_is_obeyed(table: Table) -> None:
    table.versions(*({'bias': x} for x in ([0, 0], [4, 1], [2, 1])))
    options = ('bias.merge=ties', 'density=0.5')
    assert table.settled('merge', *options) == shown(bias=[3, 0])


def experts(router: int, *values: float) -> Tensors:
    found: dict[str, Any] = {
        f'moe.experts.{i}.w': [[x, x]] for i, x in enumerate(values)
    }
    return {**found, 'moe.gate.weight': [[float(router)]] * len(values)}


@pytest.mark.parametrize(('way', 'first'), [('merge', 3.0), ('apply', 5.0)])
def test_row_36_experts_are_merged_as_any_tensors(
    table: Table, way: str, first: float,
) -> None:
    table.versions(experts(0, 1, 1), experts(0, 2, 1), experts(0, 4, 7))
    assert table.settled(way) == shown(**experts(0, first, 7))


@BOTH
def test_row_36_numbers_of_experts_that_differ_are_a_conflict(
    table: Table, way: str,
) -> None:
    table.versions(experts(0, 1, 1), experts(1, 1, 1, 1), experts(2, 1, 1, 1, 1))
    assert table.refused(way) == {
        'moe.gate.weight': 'shapes differ: ours 3x1, theirs 4x1',
    }


@BOTH
def test_row_36_experts_of_one_side_come_with_its_router(
    table: Table, way: str,
) -> None:
    table.versions(experts(0, 1, 1), experts(0, 1, 1), experts(2, 1, 1, 5))
    assert table.settled(way) == shown(**experts(2, 1, 1, 5))


@pytest.mark.parametrize('word', ['F8_E8M0', 'F4'])
@BOTH
def test_row_37_what_cannot_be_computed_with_is_whole_or_a_conflict(
    repo: Repo, way: str, word: str,
) -> None:
    def write(both: int, ours: int, theirs: int) -> None:
        values = {'both': both, 'ours': ours, 'theirs': theirs}
        length = 4 if word == 'F8_E8M0' else 8
        header = {
            name: info(word, [length], 4 * i, 4 * i + 4)
            for i, name in enumerate(values)
        }
        repo.write(M, safetensors(header, b''.join(
            bytes([value] * 4) for value in values.values()
        )))

    repo.fork(*(partial(write, *row) for row in ((1, 1, 1), (2, 3, 1), (4, 1, 5))))
    done = repo.run('git', *WAYS[way], code=1)
    why = f'both sides changed it, and {word} is not averaged'
    assert f'{M}: 1 from ours, 1 from theirs, 1 conflict\n  both: {why}\n' in done.err
    repo.git('model', 'resolve', '--theirs', M)
    repo.git('commit', '-q', '-m', 'settled')
    assert repo.read(M).endswith(bytes([4] * 4 + [3] * 4 + [5] * 4))


@BOTH
def test_row_37_texts_are_whole_or_a_conflict(table: Table, way: str) -> None:
    repo = make(table.repo.path.parent / 'npz', '*.npz')

    def write(both: str, ours: str, theirs: str) -> None:
        said = {'both': both, 'ours': ours, 'theirs': theirs}
        repo.write('m.npz', npz(**{k: numpy.array([v]) for k, v in said.items()}))

    repo.fork(*(partial(write, *row) for row in ('aaa', 'bca', 'dae')))
    done = repo.run('git', *WAYS[way], code=1)
    assert (
        'm.npz: 1 from ours, 1 from theirs, 1 conflict\n'
        '  both: both sides changed it, and <U1 is not averaged\n'
    ) in done.err


@BOTH
def test_row_38_metadata_is_merged_key_by_key(table: Table, way: str) -> None:
    table.versions(
        {'x': [1.0]}, {'x': [2.0]}, {'x': [1.0]},
        ({'a': '1', 'b': '1', 'gone': '1'}, {'a': '2', 'b': '1', 'gone': '1'},
         {'a': '1', 'b': '3', 'new': '4'}),
    )
    assert table.settled(way) == shown(x=[2.0])
    length, = struct.unpack_from('<Q', table.repo.read(M))
    header = json.loads(table.repo.read(M)[8:8 + length])
    assert header['__metadata__'] == {'a': '2', 'b': '3', 'new': '4'}


@BOTH
def test_row_38_a_key_that_both_changed_is_a_conflict(table: Table, way: str) -> None:
    table.versions(
        {}, {}, {}, ({'a': '1', 'b': '1'}, {'a': '2', 'b': '2'}, {'a': '3', 'b': '2'}),
    )
    done = table.repo.run('git', *WAYS[way], code=1)
    assert '1 conflict\n  meta "a": both sides changed it\n' in done.err
    marked = (
        r'<{7} [^:\n]*: both sides changed it\nmeta "a" "2"\n={7}\n'
        r'meta "a" "3"\n>{7} .*'
        r'\nmeta "b" "2"\n'
    )
    assert re.search(marked, table.repo.read(M).decode())


@BOTH
def test_row_39_configurations_are_merged_key_by_key(table: Table, way: str) -> None:
    table.repo.git('model', 'track', '--configs')
    table.versions(
        {'x': [1.0]}, {'x': [1.0]}, {'x': [1.0]}, config=(
            {'layers': 2, 'dtype': 'f', 'a': [1, 2]},
            {'layers': 3, 'dtype': 'f', 'a': [1, 2]},
            {'layers': 2, 'dtype': 'h', 'a': [1, 2], 'new': {'b': 1}},
        ),
    )
    assert table.settled(way) == shown(x=[1.0])
    assert json.loads(table.repo.read('config.json')) == {
        'layers': 3, 'dtype': 'h', 'a': [1, 2], 'new': {'b': 1},
    }


@BOTH
def test_row_39_a_key_that_both_changed_is_a_conflict(table: Table, way: str) -> None:
    table.repo.git('model', 'track', '--configs')
    table.versions({}, {}, {}, config=tuple({'layers': n} for n in (2, 3, 4)))
    done = table.repo.run('git', *WAYS[way], code=1)
    assert 'UU config.json\n' in table.repo.status()
    assert 'layers' in done.err
    text = table.repo.read('config.json').decode()
    assert re.search(
        r'<{7}.*\n  "layers": 3\n={7}\n  "layers": 4\n>{7}', text,
    ), text


@BOTH
def test_row_40_models_without_a_common_ancestor_are_a_conflict(
    table: Table, way: str,
) -> None:
    repo = table.repo
    repo.save(M, x=[2.0], same=[1.0], mine=[3.0])
    repo.commit('ours')
    repo.git('checkout', '-q', '--orphan', 'topic')
    repo.save(M, x=[6.0], same=[1.0], other=[4.0])
    repo.commit('theirs')
    repo.git('checkout', '-q', 'main')
    command = list(WAYS[way])
    if way == 'merge':
        command.append('--allow-unrelated-histories')
    done = repo.run('git', *command, code=1)
    assert '  x: added on both sides with different values\n' in done.err
    assert f'AA {M}\n' in repo.status()
    repo.git(command[0], '--abort')
    repo.git('-c', f'model.{way}=linear', *command)
    assert read(repo.read(M)) == shown(x=[4], same=[1], mine=[3], other=[4])


def trained(seed: int, near: Any = 0.0) -> Any:
    noise = numpy.random.default_rng(seed).standard_normal((16, 16))
    return (near + noise).astype('f4')


@pytest.mark.parametrize('way', slow_unless('merge'.__eq__, WAYS))
def test_row_41_versions_of_different_beginnings_are_warned_of(
    table: Table, way: str,
) -> None:
    base, ours, theirs = (trained(seed) for seed in range(3))
    table.versions({'w': base}, {'w': ours}, {'w': theirs})
    warning = (
        r'warning: the versions seem to be trained from different beginnings \(cosine '
        r'of their weights -?0\.\d\d\): a mean of them is no model, '
        r'but see the rule "align"'
    )
    done = table.repo.run('git', '-c', 'model.strict', *WAYS[way], code=1)
    refused = warning.removeprefix('warning: ')
    assert re.search(rf'1 conflict\n  the whole file: {refused}\n', done.err)
    table.repo.git(WAYS[way][0], '--abort')
    half = numpy.float32(0.5)
    mean = ours * half + theirs * half
    wanted = mean if way == 'merge' else ours + (theirs - base)
    assert table.settled(way) == shown(w=wanted)
    assert re.search(rf'^  {warning}$', table.said, re.M)


@BOTH
def test_row_41_branches_of_one_training_are_not(table: Table, way: str) -> None:
    base = trained(0)
    sides = ({'w': trained(seed, 4 * base)} for seed in (1, 2))
    table.versions({'w': 4 * base}, *sides)
    table.settled(way, 'strict')
    assert 'warning' not in table.said
