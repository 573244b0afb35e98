"""Transformers by the names that Hugging Face, timm and torch give their tensors.

What lies within a block is always free to move: the units between the two layers of
an MLP, and heads as a whole (with grouped queries: those that share a key). The
residual stream, which every block reads and writes, has one order in all of them; it
is only moved where all tensors are known, and where a head turns it into something
that does not depend on that order. Rotations of positions act within a head, norms
on each element: neither minds.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from git_model_driver.merging.alignment.spec import AlignmentError
from git_model_driver.merging.alignment.spec import Place
from git_model_driver.merging.alignment.spec import Shapes

_S, _H, _M = 'stream', 'heads', 'mlp'


class _Part(NamedTuple):
    """Tensors, by the end of their names: the group of each axis ('' for none).

    ``repeat``: how many projections are in one tensor, along its axis of heads.
    """

    pattern: re.Pattern[str]
    axes: tuple[str, ...]
    repeat: int = 1
    keys: bool = False      # as long as the keys, of which several heads share one


def _part(pattern: str, *axes: str, repeat: int = 1, keys: bool = False) -> _Part:
    return _Part(re.compile(rf'(?:.*\.)?(?:{pattern})', re.S), axes, repeat, keys)


_BLOCK = re.compile(r'(.*?(?:^|\.)(?:layers?|h|blocks?|resblocks)\.[0-9]+)\.(.*)', re.S)
# Within a block.
_INNER = (
    _part(r'(?:self_attn|attn|attention\.self|attention\.attention|attention)\.'
          r'(?:k|v|key|value)(?:_proj)?\.weight', _H, _S, keys=True),
    _part(r'(?:self_attn|attn|attention\.self|attention\.attention|attention)\.'
          r'(?:k|v|key|value)(?:_proj)?\.bias', _H, keys=True),
    _part(r'(?:self_attn|attn|attention\.self|attention\.attention|attention)\.'
          r'(?:q|query)(?:_proj)?\.weight', _H, _S),
    _part(r'(?:self_attn|attn|attention\.self|attention\.attention|attention)\.'
          r'(?:q|query)(?:_proj)?\.bias', _H),
    _part(r'self_attn\.in_proj_weight|attn\.qkv\.weight', _H, _S, repeat=3),
    _part(r'self_attn\.in_proj_bias|attn\.qkv\.bias', _H, repeat=3),
    _part(r'attn\.c_attn\.weight', _S, _H, repeat=3),       # transposed: Conv1D
    _part(r'attn\.c_attn\.bias', _H, repeat=3),
    _part(r'attn\.c_proj\.weight', _H, _S),
    _part(r'(?:self_attn\.(?:o_proj|out_proj)|attention\.output\.dense|attn\.proj)'
          r'\.weight', _S, _H),
    _part(r'(?:self_attn\.(?:o_proj|out_proj)|attention\.output\.dense|attn\.c_proj|'
          r'attn\.proj)\.bias', _S),
    _part(r'mlp\.c_fc\.weight', _S, _M),                    # transposed, too
    _part(r'mlp\.c_proj\.weight', _M, _S),
    _part(r'(?:mlp\.(?:up_proj|gate_proj|fc1)|intermediate\.dense|fc1|linear1)'
          r'\.weight', _M, _S),
    _part(r'(?:mlp\.(?:up_proj|gate_proj|fc1|c_fc)|intermediate\.dense|fc1|linear1)'
          r'\.bias', _M),
    _part(r'(?:mlp\.(?:down_proj|fc2)|output\.dense|fc2|linear2)\.weight', _S, _M),
    _part(r'(?:mlp\.(?:down_proj|fc2|c_proj)|output\.dense|fc2|linear2)\.bias', _S),
    _part(r'(?:input_layernorm|(?:post_attention|(?:pre|post)_feedforward)_layernorm|'
          r'ln_[12]|norm[12]|layernorm_(?:before|after)|layer_norm[12]|'
          r'(?:self_attn|final)_layer_norm|(?:attention\.)?output\.LayerNorm)'
          r'\.(?:weight|bias|gamma|beta)', _S),
    _part(r'self_attn\.[qk]_norm\.weight|rotary_emb\.inv_freq|attn\.(?:masked_)?bias'),
)
# Around the blocks.
_OUTER = (
    _part(r'(?:embed_tokens|wte|wpe|embed_positions|embeddings\.(?:word|position|'
          r'token_type)_embeddings)\.weight', '', _S),
    _part(r'(?:norm|ln_f|embeddings\.LayerNorm|predictions\.transform\.LayerNorm)'
          r'\.(?:weight|bias|gamma|beta)', _S),
    _part(r'(?:pooler\.dense)\.weight', '', _S),
    _part(r'(?:pooler\.dense)\.bias', ''),
    _part(r'predictions\.transform\.dense\.weight', _S, _S),
    _part(r'predictions\.transform\.dense\.bias', _S),
    _part(r'embeddings\.position_ids|rotary_emb\.inv_freq'),
)
_HEADS = (
    _part(r'(?:lm_head|predictions\.decoder)\.weight', '', _S),
    _part(r'score\.weight', '', _S),
    _part(r'predictions\.(?:decoder\.)?bias|lm_head\.bias', ''),
)
# Of a model whose head is its embedding, seen in config.json only.
_TIED = re.compile('ForCausalLM|LMHeadModel|ForMaskedLM|ForPreTraining')


class _Found(NamedTuple):
    part: _Part
    block: str


def recognised(shapes: Shapes) -> bool:
    """Whether there is a block with attention and an MLP."""
    kinds: dict[str, set[str]] = {}
    for name in shapes:
        found = _look_up(name)
        if found and found.block:
            kinds.setdefault(found.block, set()).update(found.part.axes)
    return any({_H, _M} <= seen for seen in kinds.values())


def infer(
    shapes: Shapes, config: Mapping[str, Any],
) -> tuple[dict[str, tuple[Place, ...]], str]:
    """The groups, and words for the report. Raises AlignmentError."""
    known = {name: found for name in shapes if (found := _look_up(name)) is not None}
    _check_whole(shapes, known)
    moves_stream = len(known) == len(shapes) and _has_head(known, config)
    heads = _heads(config)
    groups: dict[str, list[Place]] = {}
    for name, (part, block) in known.items():
        for axis, kind in enumerate(part.axes):
            if kind == _S and moves_stream:
                groups.setdefault(_S, []).append(Place(name, axis))
            elif kind == _M or (kind == _H and heads):
                place = Place(name, axis)
                if kind == _H:
                    place = _of_heads(place, part, shapes[name], *heads)
                groups.setdefault(f'{block}.{kind}', []).append(place)
    blocks = len({found.block for found in known.values()} - {''})
    return {group: tuple(places) for group, places in groups.items()}, (
        _words(blocks, moves_stream, bool(heads))
    )


def _look_up(name: str) -> _Found | None:
    inside = _BLOCK.fullmatch(name)
    rest = inside[2] if inside else name
    for part in _INNER if inside else (*_OUTER, *_HEADS):
        if part.pattern.fullmatch(rest):
            return _Found(part, inside[1] if inside else '')
    return None


def _has_head(known: Mapping[str, _Found], config: Mapping[str, Any]) -> bool:
    if any(found.part in _HEADS and found.part.axes[1:] for found in known.values()):
        return True
    said = config.get('architectures')
    kinds = said if isinstance(said, list) else []
    return any(isinstance(kind, str) and _TIED.search(kind) for kind in kinds)


def _heads(config: Mapping[str, Any]) -> tuple[int, ...]:
    """The numbers of heads and of keys that they share; () where it is not said."""
    found = [
        config.get(key) for key in ('num_attention_heads', 'n_head', 'num_heads')
    ]
    heads = next((n for n in found if type(n) is int and n > 0), None)
    if heads is None:
        return ()
    keys = config.get('num_key_value_heads')
    shared = keys if type(keys) is int and keys > 0 and heads % keys == 0 else heads
    return heads, shared


def _of_heads(
    place: Place, part: _Part, shape: tuple[int, ...], heads: int, keys: int,
) -> Place:
    """Units are the keys, with all the queries that belong to them."""
    length = shape[place.axis] if place.axis < len(shape) else 0
    size, rest = divmod(length, part.repeat * (keys if part.keys else heads))
    if rest or not size or (part.repeat > 1 and keys != heads):
        raise AlignmentError(
            f"'{place.tensor}' does not divide into {heads} heads: is config.json of "
            'this model?',
        )
    together = 1 if part.keys else heads // keys
    return place._replace(block=size * together, repeat=part.repeat)


def _check_whole(shapes: Shapes, known: Mapping[str, _Found]) -> None:
    """Raises AlignmentError for blocks with more or less in them than is known."""
    kernels: dict[tuple[str, str], list[str]] = {}
    for name, shape in shapes.items():
        inside = _BLOCK.fullmatch(name)
        if inside and name not in known and any(size > 1 for size in shape):
            raise AlignmentError(f"'{name}' is in no known place of a transformer")
        for kind in known[name].part.axes if inside and name in known else ():
            if kind != _S and len(shape) == 2:
                kernels.setdefault((inside[1] if inside else '', kind), []).append(name)
    for (block, kind), names in kernels.items():
        if len(names) != _wanted(kind, names):
            raise AlignmentError(f"the {kind} of '{block}' are not all here")


def _wanted(kind: str, names: list[str]) -> int:
    """How many kernels make and take in the units of a block."""
    said = ' '.join(names)
    if kind == _M:
        return 3 if 'up_proj' in said or 'down_proj' in said else 2
    fused = any(word in said for word in ('qkv', 'in_proj', 'c_attn'))
    return 2 if fused else 4


def _words(blocks: int, stream: bool, heads: bool) -> str:
    parts = ['its MLPs']
    if heads:
        parts.append('heads')
    if stream:
        parts.append('residual stream')
    said = ', '.join(parts[:-1]) + f' and {parts[-1]}' if parts[1:] else parts[0]
    why = '' if heads else '; config.json says no number of heads: they stay'
    return f'a transformer of {blocks} blocks: {said}{why}'
