"""What needs no repository to be measured: zipnn, and the idea of BitX; git-theta."""
from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy
import weights as weights_
from tools import THETA_BIN
from weights import Weights

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZIPNN = 'zipnn'
_LEVELS = (1, 3)
_NAMES = {
    weights_.FP32: 'float32', weights_.BF16: 'bfloat16', weights_.FP16: 'float16',
}
_BITS = {2: numpy.uint16, 4: numpy.uint32}


def zipnn_size(weights: Weights, dtype: str) -> int | None:
    """Bytes of all floats compressed as one, by zipnn; None where it is not there."""
    try:
        from zipnn import ZipNN
    except ImportError:
        return None
    data = b''.join(v.tobytes() for v in weights.values() if weights_.is_float(v))
    codec = ZipNN(input_format='byte', bytearray_dtype=_NAMES[dtype], threads=1)
    packed = codec.compress(bytearray(data))    # which it changes
    assert codec.decompress(packed) == data
    return len(packed)


def bitx_size(base: Weights, tuned: Weights, names: Iterable[str]) -> int:
    """XOR with the base, cut into byte planes, each through zstd of level 1 or 3."""
    return sum(_planes(base[name], tuned[name]) for name in names)


def _planes(base: numpy.ndarray, tuned: numpy.ndarray) -> int:
    bits = _BITS[tuned.dtype.itemsize]
    differs = numpy.ascontiguousarray(tuned).view(bits) ^ base.view(bits)
    planes = differs.reshape(-1, 1).view(numpy.uint8).T
    return sum(_smallest(plane.tobytes()) for plane in planes)


def _smallest(plane: bytes) -> int:
    packed = (len(zstd.compress(plane, level)) for level in _LEVELS)
    return min(len(plane), *packed)


def make_theta() -> bool:
    """git-theta in an environment of its own, of versions that are known to do."""
    if (THETA_BIN / 'git-theta').exists():
        return True
    listed = Path(__file__).with_name('requirements-theta.txt')
    pip = (THETA_BIN / 'python', '-m', 'pip', '-q', 'install', '-r', listed)
    for command in ((sys.executable, '-m', 'venv', THETA_BIN.parent), pip):
        if subprocess.run(command, check=False).returncode:
            print('git-theta cannot be installed: it is left out', file=sys.stderr)
            return False
    return True


def write_torch(weights: Weights, path: Path) -> None:
    """What git-theta reads: a dictionary that torch saved."""
    import torch

    torch.save({n: torch.from_numpy(v) for n, v in weights.items()}, path)


def same_torch(one: Path, other: Path) -> bool:
    import torch

    a, b = torch.load(one), torch.load(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
