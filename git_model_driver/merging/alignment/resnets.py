"""Residual networks named as in torchvision (He et al., arXiv 1512.03385).

All blocks of a stage write into one stream of channels, which has one order; a
stage whose first block has no convolution in its shortcut goes on with the stream
of the stage before.
"""
from __future__ import annotations

import re

from git_model_driver.merging.alignment.spec import AlignmentError
from git_model_driver.merging.alignment.spec import Place
from git_model_driver.merging.alignment.spec import Shapes

_BLOCK = re.compile(r'(.*?)layer([0-9]+)\.([0-9]+)\.(conv|bn)([0-9]+)\.(\w+)', re.S)
_SHORTCUT = re.compile(
    r'(.*?)layer([0-9]+)\.([0-9]+)\.(?:downsample|shortcut)\.([01])\.(\w+)', re.S,
)
_STEM = re.compile(r'(.*?)(conv1|bn1)\.(\w+)', re.S)
_HEAD = re.compile(r'(.*?)(?:fc|linear|classifier)\.(weight|bias)', re.S)
_STREAM = 'stream'


def recognised(shapes: Shapes) -> bool:
    return any(
        (found := _BLOCK.fullmatch(name)) and found[4] == 'conv' for name in shapes
    )


def infer(shapes: Shapes) -> tuple[dict[str, tuple[Place, ...]], str]:
    """The groups, and words for the report. Raises AlignmentError."""
    own = {
        (int(found[2]), int(found[3])) for name in shapes
        if (found := _SHORTCUT.fullmatch(name))
    }
    last = _last_convolutions(shapes)
    groups: dict[str, list[Place]] = {}
    for name in shapes:
        for group, axis in _places(name, own, last):
            if axis < len(shapes[name]):
                groups.setdefault(group, []).append(Place(name, axis))
    return {g: tuple(places) for g, places in groups.items()}, (
        f'a residual network of {len(last)} blocks'
    )


def _last_convolutions(shapes: Shapes) -> dict[tuple[int, int], int]:
    """The number of each block's last convolution: two, or three of a bottleneck."""
    last: dict[tuple[int, int], int] = {}
    for name in shapes:
        if found := _BLOCK.fullmatch(name):
            block = int(found[2]), int(found[3])
            last[block] = max(last.get(block, 0), int(found[5]))
    return last


def _places(
    name: str, own: set[tuple[int, int]], last: dict[tuple[int, int], int],
) -> list[tuple[str, int]]:
    """Group and axis of each place of a tensor. Raises AlignmentError."""
    if name.endswith('num_batches_tracked'):
        return []
    if found := _BLOCK.fullmatch(name):
        block, number = (int(found[2]), int(found[3])), int(found[5])
        inner = 'layer{}.{}.'.format(*block)
        out = f'{inner}{number}'
        if number == last[block]:
            out = _stream(block[0], own)
        if found[4] == 'bn' or found[6] != 'weight':
            return [(out, 0)]
        into = f'{inner}{number - 1}' if number > 1 else _into(block, own)
        return [(out, 0), (into, 1)]
    if found := _SHORTCUT.fullmatch(name):
        block = int(found[2]), int(found[3])
        out = _stream(block[0], own)
        is_kernel = (found[4], found[5]) == ('0', 'weight')
        return [(out, 0), (_into(block, own), 1)] if is_kernel else [(out, 0)]
    if _STEM.fullmatch(name):
        return [(_stream(0, own), 0)]
    if (found := _HEAD.fullmatch(name)) and 'layer' not in found[1]:
        stages = max(stage for stage, _ in last)
        return [(_stream(stages, own), 1)] if found[2] == 'weight' else []
    raise AlignmentError(f"'{name}' is in no known place of a residual network")


def _into(block: tuple[int, int], own: set[tuple[int, int]]) -> str:
    """The stream that a block reads."""
    stage, number = block
    return _stream(stage if number else stage - 1, own)


def _stream(stage: int, own: set[tuple[int, int]]) -> str:
    """The stream of a stage: its own, where its first block has a shortcut's kernel."""
    while stage > 0 and (stage, 0) not in own:
        stage -= 1
    return f'{_STREAM}.{stage}'
