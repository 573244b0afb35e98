"""MiniLM's forward pass and its words, in plain torch: nothing else is installed."""
from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

HEADS, TOKENS = 12, 32
Parameters = dict[str, Tensor]


class Words:
    """WordPiece, as BERT's uncased vocabulary wants it."""

    def __init__(self, vocabulary: Path) -> None:
        lines = vocabulary.read_text(encoding='utf-8').splitlines()
        self._ids = {word: i for i, word in enumerate(lines)}

    def batch(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Ids, and where there is a token at all."""
        rows = [self._row(text) for text in texts]
        length = max(map(len, rows))
        ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
        return ids, ids != 0

    def _row(self, text: str) -> list[int]:
        plain = unicodedata.normalize('NFD', text.lower())
        plain = ''.join(c for c in plain if unicodedata.category(c) != 'Mn')
        found = [i for word in re.findall(r'\w+|[^\w\s]', plain)
                 for i in self._pieces(word)]
        return [self._ids['[CLS]'], *found[:TOKENS - 2], self._ids['[SEP]']]

    def _pieces(self, word: str) -> list[int]:
        pieces, at = [], 0
        while at < len(word):
            mark = '##' if at else ''
            end = next((end for end in range(len(word), at, -1)
                        if mark + word[at:end] in self._ids), None)
            if end is None:
                return [self._ids['[UNK]']]
            pieces.append(self._ids[mark + word[at:end]])
            at = end
        return pieces


def embed(p: Parameters, ids: Tensor, mask: Tensor, drop: float) -> Tensor:
    """A unit vector for each row: the mean over its tokens."""
    x = p['embeddings.word_embeddings.weight'][ids]
    x = x + p['embeddings.position_embeddings.weight'][:ids.shape[1]]
    x = x + p['embeddings.token_type_embeddings.weight'][0]
    x = functional.dropout(_norm(p, 'embeddings', x), drop)
    layers = {name.split('.')[2] for name in p if name.startswith('encoder.layer.')}
    for i in sorted(map(int, layers)):
        x = _layer(p, f'encoder.layer.{i}', x, mask, drop)
    kept = mask[:, :, None].to(x.dtype)
    return functional.normalize((x * kept).sum(1) / kept.sum(1))


def _layer(p: Parameters, at: str, x: Tensor, mask: Tensor, drop: float) -> Tensor:
    q, k, v = (
        _linear(p, f'{at}.attention.self.{name}', x).unflatten(2, (HEADS, -1))
        .transpose(1, 2) for name in ('query', 'key', 'value')
    )
    seen = functional.scaled_dot_product_attention(q, k, v, mask[:, None, None, :])
    seen = _linear(p, f'{at}.attention.output.dense', seen.transpose(1, 2).flatten(2))
    x = _norm(p, f'{at}.attention.output', x + functional.dropout(seen, drop))
    wide = functional.gelu(_linear(p, f'{at}.intermediate.dense', x))
    narrow = functional.dropout(_linear(p, f'{at}.output.dense', wide), drop)
    return _norm(p, f'{at}.output', x + narrow)


def _linear(p: Parameters, at: str, x: Tensor) -> Tensor:
    return functional.linear(x, p[f'{at}.weight'], p[f'{at}.bias'])


def _norm(p: Parameters, at: str, x: Tensor) -> Tensor:
    weight, bias = p[f'{at}.LayerNorm.weight'], p[f'{at}.LayerNorm.bias']
    return functional.layer_norm(x, x.shape[-1:], weight, bias, 1e-12)
