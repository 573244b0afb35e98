"""What people call the variables in a Keras file: ``dense/kernel``.

Keras 3 numbers the variables of a layer and names its group after the layer's class
(``layers/dense_1/vars/0``); the layer's own name is an attribute of the group. The
older files spell the name out below the layer (``model_weights/logits/net/logits/
kernel``), with the name of the model in it, which changes with every model made in
one process. Neither is what tells a variable of one version from those of another.
"""
from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from git_model_driver.core.layout import Tensor

Meta = Mapping[str, str]
_KERNEL = ('kernel', 'bias')
_SCALE = ('gamma', 'beta')
VARIABLES = {
    'dense': _KERNEL, 'einsum_dense': _KERNEL, 'conv1d': _KERNEL, 'conv2d': _KERNEL,
    'conv3d': _KERNEL, 'conv1d_transpose': _KERNEL, 'conv2d_transpose': _KERNEL,
    'conv3d_transpose': _KERNEL, 'depthwise_conv1d': _KERNEL,
    'depthwise_conv2d': _KERNEL, 'embedding': ('embeddings',),
    'batch_normalization': (*_SCALE, 'moving_mean', 'moving_variance'),
    'layer_normalization': _SCALE, 'group_normalization': _SCALE,
    'normalization': ('mean', 'variance', 'count'), 'p_re_lu': ('alpha',),
    'separable_conv1d': ('depthwise_kernel', 'pointwise_kernel', 'bias'),
    'separable_conv2d': ('depthwise_kernel', 'pointwise_kernel', 'bias'),
    'cell': ('kernel', 'recurrent_kernel', 'bias'),
    'seed_generator': ('seed_generator_state',),
}
# Those that may lack their last variable; of others all must be there.
_MAY_LACK = frozenset({_KERNEL, VARIABLES['cell'], VARIABLES['separable_conv1d']})
_NOT_TRAINED = frozenset({
    'moving_mean', 'moving_variance', 'mean', 'variance', 'count',
    'seed_generator_state',
})
SLOTS = {
    'adam': ('momentum', 'velocity'), 'adamw': ('momentum', 'velocity'),
    'nadam': ('momentum', 'velocity'), 'adamax': ('momentum', 'norm'),
    'lamb': ('momentum', 'velocity'), 'sgd': ('momentum',), 'lion': ('momentum',),
    'rmsprop': ('velocity',), 'adagrad': ('accumulator',),
}
FIRST = ('optimizer/iteration', 'optimizer/learning_rate')
NUMBERED = re.compile(r'_\d+$')
VARS = 'vars'


def renamed(
    tensors: Sequence[Tensor], meta: Meta, config: Any = None,
) -> list[Tensor]:
    """The same tensors by their names, where Keras wrote the file.

    ``meta`` are the attributes by ``path@name``, ``config`` the content of
    config.json. A name that two tensors would have is given to neither.
    """
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    known = _legacy(shapes, meta) or _numbered(shapes, meta, config)
    counts = Counter(known.get(name, name) for name in shapes)
    found = []
    for tensor in tensors:
        label = known.get(tensor.name, tensor.name)
        found.append(tensor._replace(name=label) if counts[label] == 1 else tensor)
    return found


# --- Keras 3: layers/dense_1/vars/0 ------------------------------------------

def _numbered(
    shapes: Mapping[str, tuple[int, ...]], meta: Meta, config: Any,
) -> dict[str, str]:
    groups: dict[str, list[str]] = {}
    for path in shapes:
        group, _, index = path.rpartition('/')
        if index.isdecimal() and (group == VARS or group.endswith(f'/{VARS}')):
            groups.setdefault(group, []).append(path)
    named = {}
    for group, paths in groups.items():
        paths.sort(key=lambda path: int(path.rpartition('/')[2]))
        owner = group[:-len(VARS)].rstrip('/')
        variables = _variables(owner, [shapes[path] for path in paths])
        label = _label(owner, meta)
        for path, variable in zip(paths, variables):
            named[path] = f'{label}/{variable}' if label else variable
    optimizer = groups.get(f'optimizer/{VARS}', [])
    named.update(_optimizer(optimizer, shapes, named, meta, config))
    return named


def _variables(owner: str, shapes: Sequence[tuple[int, ...]]) -> Sequence[str]:
    """What the variables of a layer are called; their numbers where that is unknown."""
    element = NUMBERED.sub('', owner.rpartition('/')[2])
    if element.endswith('_dense') and element not in VARIABLES:
        element = 'dense'           # query_dense and the like
    known = VARIABLES.get(element, ())
    enough = len(known) - 1 if known in _MAY_LACK else len(known)
    if not enough <= len(shapes) <= len(known):
        return [str(i) for i in range(len(shapes))]
    return known


def _label(owner: str, meta: Meta) -> str:
    """The names of the layers that lead to one."""
    parts, path = [], ''
    for element in owner.split('/'):
        path = f'{path}/{element}' if path else element
        name = meta.get(f'{path}/{VARS}@name', '').partition(' ')[2]
        if path == 'optimizer':
            parts.append(element)
        elif element not in ('layers', '_layer_checkpoint_dependencies'):
            parts.append(name or element)
    return '/'.join(part for part in parts if part)


def _optimizer(
    paths: Sequence[str], shapes: Mapping[str, tuple[int, ...]],
    named: Mapping[str, str], meta: Meta, config: Any,
) -> dict[str, str]:
    """Keras' optimizers: the step, the rate, then some for each trained variable."""
    found = dict(zip(paths, FIRST))
    order = trained(shapes, named, config)
    slots, rest = divmod(len(paths) - 2, len(order)) if order else (0, 0)
    if slots < 1 or rest:
        return found
    kind = meta.get(f'optimizer/{VARS}@name', '').partition(' ')[2]
    words = SLOTS.get(NUMBERED.sub('', kind), ())
    if len(words) != slots:
        words = tuple(str(i) for i in range(slots))
    for i, path in enumerate(paths[2:]):
        label, shape = order[i // slots]
        if shape != shapes[path]:
            return dict(list(found.items())[:2])
        found[path] = f'optimizer/{label}/{words[i % slots]}'
    return found


def trained(
    shapes: Mapping[str, tuple[int, ...]], named: Mapping[str, str], config: Any,
) -> list[tuple[str, tuple[int, ...]]]:
    """Label and shape of what is trained, in the order of the model's layers."""
    try:
        layers = [
            layer['config']['name'] for layer in config['config']['layers']
            if layer['config'].get('trainable', True)
        ]
    except (KeyError, TypeError, AttributeError):
        return []
    below: dict[str, list[str]] = {}
    for path, label in named.items():
        below.setdefault(label.partition('/')[0], []).append(path)
    return [
        (named[path], shapes[path]) for layer in layers if isinstance(layer, str)
        for path in below.get(layer, ())
        if named[path].rpartition('/')[2] not in _NOT_TRAINED
    ]


# --- Before: model_weights/dense/net/dense/kernel ----------------------------

def _legacy(shapes: Iterable[str], meta: Meta) -> dict[str, str]:
    for top in ('model_weights', ''):
        layers = _listed(meta.get(f'{top}@layer_names', ''))
        if layers:
            prefix = f'{top}/' if top else ''
            return _spelled_out(shapes, prefix, layers)
    return {}


def _listed(text: str) -> list[str]:
    """The strings of an attribute that is an array of them."""
    kind, _, listed = text.partition('] ')
    if not kind.startswith(('str[', 'S')) or not listed:
        return []
    return [name for name in json.loads(listed) if isinstance(name, str)]


def _spelled_out(
    paths: Iterable[str], prefix: str, layers: Sequence[str],
) -> dict[str, str]:
    named, flat = {}, {}
    known = set(layers)
    paths = list(paths)
    for path in paths:
        layer, _, weight = path[len(prefix):].partition('/')
        if path.startswith(prefix) and layer in known and weight:
            named[path] = f'{layer}/{_below(layer, weight)}'
            flat[_plain(weight).replace('/', '_')] = named[path]
    finder = _longest_prefix(flat)
    for path in paths:
        if path.startswith('optimizer_weights/'):
            named[path] = f'optimizer/{finder(_plain(path.rpartition("/")[2]))}'
    return named


def _below(layer: str, weight: str) -> str:
    """The part of a weight's name behind that of its layer."""
    parts = _plain(weight).split('/')
    if layer in parts[:-1]:
        last = len(parts) - 1 - parts[::-1].index(layer, 1)
        return '/'.join(parts[last + 1:])
    return parts[-1]


def _plain(weight: str) -> str:
    return weight.removesuffix(':0')


def _longest_prefix(flat: Mapping[str, str]) -> Callable[[str], str]:
    """``net_dense_kernel_momentum`` as ``dense/kernel/momentum``."""
    def find(name: str) -> str:
        parts = name.split('_')
        for end in range(len(parts) - 1, 0, -1):
            label = flat.get('_'.join(parts[:end]))
            if label is not None:
                return f'{label}/{"_".join(parts[end:])}'
        return name

    return find
