"""What ``git model diff --json`` prints (docs/diff.schema.json)."""
from __future__ import annotations

import math
from typing import Any

from git_model_driver.core.manifest import Entry
from git_model_driver.looking.comparison import Comparison
from git_model_driver.looking.comparison import TensorChange

VERSION = 1


def model(
    path: str, old_path: str, found: Comparison, limit: int | None = None,
) -> dict[str, Any]:
    """No more than ``limit`` tensors; ``left_out`` counts the others."""
    tensors = found.tensors[:limit]
    return {
        'path': path, 'old_path': old_path,
        'old_format': found.old.format or None, 'format': found.new.format or None,
        'old_tensor_count': len(found.old.tensors),
        'tensor_count': len(found.new.tensors),
        'rewritten': found.is_rewritten,
        'tensors': [_tensor(each) for each in tensors],
        'left_out': len(found.tensors) - len(tensors),
        'metadata': [line._asdict() for line in found.lines],
    }


def _tensor(each: TensorChange) -> dict[str, Any]:
    document: dict[str, Any] = {
        'name': each.name, 'status': each.kind,
        'old': _side(each.old), 'new': _side(each.new),
    }
    if each.change:
        change = each.change
        document['change'] = {
            'relative_l2': _number(change.sums.relative),
            'l2': _number(math.sqrt(change.sums.delta)),
            'largest': _number(change.largest), 'cosine': _number(change.sums.cosine),
            'elements': change.elements, 'changed': change.changed,
            'not_finite': change.odd, 'rank': change.rank,
        }
    if each.lacking:
        document['lacking'] = each.lacking
    return document


def _side(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        'name': entry.name, 'dtype': entry.dtype, 'shape': list(entry.shape),
        'oid': entry.oid, 'bytes': entry.nbytes, 'extra': dict(entry.extra),
    }


def _number(value: float) -> float | None:
    """JSON has no infinity: null stands for it, and for what is undefined."""
    return value if math.isfinite(value) else None
