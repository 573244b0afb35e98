"""What Git is to store and show, computed without the package."""
from __future__ import annotations

import hashlib
import math
import subprocess
from typing import Any

import numpy

DTYPES = {
    'bool': 'BOOL', 'int32': 'I32', 'int64': 'I64',
    'bfloat16': 'BF16', 'float16': 'F16', 'float32': 'F32', 'float64': 'F64',
}
COMMENT = (
    'git-model manifest v1\n'
    '# The weights of this model are stored outside this file. To get them:\n'
    '#   pip install git-model-driver && git model install && git model pull\n'
)
HEAD = f'{COMMENT}format safetensors\nlayout canonical\n'
SUMMARY = '# git-model summary: name dtype shape oid mean std min max norm\n'


def array(values: Any) -> Any:
    """An array as it is; anything else becomes float32."""
    if isinstance(values, numpy.ndarray):
        return values
    return numpy.array(values, numpy.float32)


def oid(values: Any) -> str:
    return f'sha256:{hashlib.sha256(array(values).tobytes()).hexdigest()}'


def short(values: Any) -> str:
    return oid(values).removeprefix('sha256:')[:12]


def _kind(values: Any) -> str:
    shape = 'x'.join(map(str, array(values).shape)) or 'scalar'
    return f'{DTYPES[array(values).dtype.name]} {shape}'


def line(name: str, values: Any) -> str:
    """The line of a tensor in a manifest."""
    return f'tensor {name} {_kind(values)} {oid(values)}\n'


def manifest(**tensors: Any) -> str:
    """The manifest of a file without metadata; names must not hold digits."""
    return f'{HEAD}\n' + ''.join(line(*pair) for pair in sorted(tensors.items()))


def shown(name: str, values: Any) -> str:
    """The line of a tensor in what git diff compares."""
    wide = array(values).astype(numpy.float64)
    norm = math.sqrt((wide * wide).sum())
    numbers = (wide.mean(), wide.std(), wide.min(), wide.max(), norm)
    said = ' '.join(f'{number:.6g}' for number in numbers)
    zeros = wide.size - numpy.count_nonzero(wide)
    said += f' zeros={zeros}' if zeros else ''
    return f'{name} {_kind(values)} {short(values)} {said}\n'


def summary(**tensors: Any) -> str:
    """What git diff compares, for a file without metadata."""
    lines = ''.join(shown(*pair) for pair in sorted(tensors.items()))
    return f'{SUMMARY}format safetensors\n\n{lines}'


def git_version() -> tuple[int, ...]:
    said = subprocess.check_output(('git', 'version'), text=True)
    return tuple(map(int, said.split()[2].split('.')[:2]))


def labels(ours: str, theirs: str) -> tuple[str, str]:
    """What markers call the sides: Git tells a driver since 2.44."""
    return (ours, theirs) if git_version() >= (2, 44) else ('ours', 'theirs')


def marked(ours: str, theirs: str, reason: str, names: tuple[str, str]) -> str:
    """Lines of a manifest between conflict markers."""
    return (
        f'<<<<<<< {names[0]}: {reason}\n{ours}=======\n{theirs}>>>>>>> {names[1]}\n'
    )
