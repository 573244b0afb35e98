"""Read mutated model files, and put each together again.

    python tests/oracles/mutations.py <folder> <file> <count> [<seed>]

The file is mutated and cleaned in its folder, with the files beside it. Prints one
JSON document: how many mutated files had which format, the longest time that one
took (seconds), and the peak memory of the process (MB). A mutated file that does not
come back byte for byte, or any exception, ends it with a traceback.
"""
from __future__ import annotations

import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from unittest import mock

from git_model_driver.core import manifest as manifests
from tests.testing.models import Vault

_LONGEST = 20       # seconds, then it hangs
_RENEW = 500        # files, then the store is thrown away


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Some bytes set, inserted, repeated, taken away, or numbers put in."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(out) or 1)
        kind = rng.randrange(7)
        if kind < 3:
            byte = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
            out[at:at + 1] = bytes([byte])
        elif kind == 3:
            number = rng.choice((0, 1, 255, 1 << 31, (1 << 32) - 1, 1 << 62, -1))
            width = rng.choice((2, 4, 8))
            out[at:at + width] = (number % (1 << 8 * width)).to_bytes(
                width, rng.choice(('little', 'big')))
        elif kind == 4:
            del out[at:at + rng.choice((1, 4, 64))]
        elif kind == 5:
            out[at:at] = out[at:at + rng.choice((1, 8, 100))]
        else:
            del out[at:]
    return bytes(out)


def _peak() -> float:
    """MB. The figure of getrusage begins with that of the process that forked."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith('VmHWM:'):
            return int(line.split()[1]) / 1024
    return 0


def run(file: Path, count: int, seed: int) -> dict[str, object]:
    data, rng = file.read_bytes(), random.Random(seed)
    found: Counter[str] = Counter()
    slowest = 0.
    with tempfile.TemporaryDirectory() as scratch:
        for i in range(count):
            if i % _RENEW == 0:
                shutil.rmtree(Path(scratch) / 'store', ignore_errors=True)
                vault = Vault(Path(scratch))
            file.write_bytes(mutated(data, rng))
            signal.alarm(_LONGEST)
            began = time.process_time()
            if file.stat().st_size:
                manifest = vault.around_file(file)
                slowest = max(slowest, time.process_time() - began)
                found[manifest.format] += 1
                assert manifests.parse(manifests.serialize(manifest)) == manifest
    file.write_bytes(data)
    peak = _peak()
    return {'formats': dict(found), 'slowest': round(slowest, 3), 'peak': round(peak)}


if __name__ == '__main__':
    folder, name, count, *seed = sys.argv[1:]
    with mock.patch('os.fsync'):
        result = run(Path(folder) / name, int(count), int(*seed or ('1',)))
    print(json.dumps(result))
