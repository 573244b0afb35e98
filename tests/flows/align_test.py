"""Models that were trained apart are merged with their units in one order."""
from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import numpy
import pytest

from git_model_driver.merging.alignment import permute
from git_model_driver.merging.alignment.infer import infer
from git_model_driver.merging.alignment.match import located
from tests.testing.repository import Repo

pytest.importorskip('scipy', reason='the extra "align" is not installed')
M = 'm.safetensors'
ALIGN = '-c', 'model.align=permutation'
Model = dict[str, Any]


def mlp(seed: int, *widths: int) -> Model:
    made = numpy.random.default_rng(seed)
    model: Model = {}
    for i, (into, out) in enumerate(pairwise(widths)):
        model[f'fc{i}.weight'] = made.normal(size=(out, into)).astype('f4')
        model[f'fc{i}.bias'] = made.normal(size=out).astype('f4')
    return model


def run_mlp(model: Model, x: Any) -> Any:
    for i in range(len(model) // 2):
        x = x @ model[f'fc{i}.weight'].T.astype('f8') + model[f'fc{i}.bias']
        if i < len(model) // 2 - 1:
            x = numpy.maximum(x, 0)
    return x


def run_conv(model: Model, x: Any) -> Any:
    """Keras: a 1x1 convolution, statistics of a norm, flattened, two dense layers."""
    x = numpy.maximum(x @ model['conv2d/kernel'][0, 0] + model['conv2d/bias'], 0)
    x = x / numpy.sqrt(model['batch_normalization/moving_variance'])
    x = x.reshape(len(x), -1) @ model['dense/kernel'] + model['dense/bias']
    return numpy.maximum(x, 0) @ model['dense_1/kernel']


def conv(seed: int) -> Model:
    made = numpy.random.default_rng(seed)
    shapes = {
        'conv2d/kernel': (1, 1, 2, 6), 'conv2d/bias': (6,),
        'batch_normalization/moving_variance': (6,), 'dense/kernel': (54, 5),
        'dense/bias': (5,), 'dense_1/kernel': (5, 3),
    }
    return {n: abs(made.normal(size=s)) + .1 for n, s in shapes.items()}


HEADS, KEYS, SIZE, WIDTH = 4, 2, 3, 8
CONFIG = {'num_attention_heads': HEADS, 'num_key_value_heads': KEYS}


def transformer(seed: int) -> Model:
    made = numpy.random.default_rng(seed)
    shapes = {'model.embed_tokens.weight': (11, WIDTH), 'lm_head.weight': (11, WIDTH),
              'model.norm.weight': (WIDTH,)}
    for i in range(2):
        shapes.update({f'model.layers.{i}.{name}.weight': shape for name, shape in {
            'self_attn.q_proj': (HEADS * SIZE, WIDTH),
            'self_attn.k_proj': (KEYS * SIZE, WIDTH),
            'self_attn.v_proj': (KEYS * SIZE, WIDTH),
            'self_attn.o_proj': (WIDTH, HEADS * SIZE), 'mlp.up_proj': (10, WIDTH),
            'mlp.gate_proj': (10, WIDTH), 'mlp.down_proj': (WIDTH, 10),
            'input_layernorm': (WIDTH,), 'post_attention_layernorm': (WIDTH,),
        }.items()})
    return {n: made.normal(size=s) for n, s in shapes.items()}


def run_transformer(model: Model, tokens: Any) -> Any:
    def norm(x: Any, name: str) -> Any:
        scale = numpy.sqrt((x * x).mean(-1, keepdims=True))
        return x / scale * model[f'{name}.weight']

    x = model['model.embed_tokens.weight'][tokens]
    for i in range(2):
        at = f'model.layers.{i}'
        y = norm(x, f'{at}.input_layernorm')
        q, k, v = ((y @ model[f'{at}.self_attn.{n}_proj.weight'].T)
                   .reshape(len(x), -1, SIZE) for n in 'qkv')
        k, v = (numpy.repeat(a, HEADS // KEYS, axis=1) for a in (k, v))
        scores = numpy.exp(numpy.einsum('ihd,jhd->hij', q, k) / SIZE)
        seen = numpy.einsum('hij,jhd->ihd', scores / scores.sum(-1, keepdims=True), v)
        x = x + seen.reshape(len(x), -1) @ model[f'{at}.self_attn.o_proj.weight'].T
        y = norm(x, f'{at}.post_attention_layernorm')
        gate = numpy.tanh(y @ model[f'{at}.mlp.gate_proj.weight'].T)
        up = gate * (y @ model[f'{at}.mlp.up_proj.weight'].T)
        x = x + up @ model[f'{at}.mlp.down_proj.weight'].T
    return norm(x, 'model.norm') @ model['lm_head.weight'].T


def shuffled(model: Model, seed: int) -> Model:
    """The same function with the units of every inferred group in another order."""
    made = numpy.random.default_rng(seed)
    spec = infer({n: a.shape for n, a in model.items()}, CONFIG).spec
    orders = {}
    for group, places in spec.items():
        first = places[0]
        length = model[first.tensor].shape[first.axis]
        orders[group] = made.permutation(length // first.block // first.repeat)
    places_of = located(spec)
    return {
        n: numpy.ascontiguousarray(permute.reordered(a, places_of.get(n, []), orders))
        for n, a in model.items()
    }


X = numpy.random.default_rng(9)
KINDS: dict[str, tuple[Model, Any, Any]] = {
    'mlp': (mlp(0, 7, 16, 12, 3), run_mlp, X.normal(size=(5, 7))),
    'conv': (conv(0), run_conv, X.normal(size=(5, 3, 3, 2))),
    'transformer': (transformer(0), run_transformer, numpy.array([1, 5, 3, 10, 0])),
}


@pytest.mark.parametrize('kind', KINDS)
def test_inferred_units_may_change_places(kind: str) -> None:
    model, run, x = KINDS[kind]
    other = shuffled(model, 1)
    changed = [n for n in model if not numpy.array_equal(model[n], other[n])]
    assert changed
    numpy.testing.assert_allclose(run(other, x), run(model, x), rtol=1e-9)


def unrelated(repo: Repo, ours: Model, theirs: Model) -> None:
    """Two histories with nothing in common."""
    repo.write('config.json', json.dumps(CONFIG))
    repo.save(M, **ours)
    repo.commit('ours')
    repo.git('checkout', '-q', '--orphan', 'topic')
    repo.save(M, **theirs)
    repo.commit('theirs')
    repo.git('checkout', '-q', 'main')


MERGE = 'merge', '-q', '--no-edit', '--allow-unrelated-histories', 'topic'


@pytest.mark.parametrize('kind', KINDS)
def test_a_model_and_its_own_permutation_merge_into_the_model(
    repo: Repo, kind: str,
) -> None:
    model, _, _ = KINDS[kind]
    unrelated(repo, model, shuffled(model, 1))
    said = repo.run('git', *ALIGN, *MERGE).err
    assert repo.load() == {n: model[n].tolist() for n in sorted(model)}
    assert re.search(r' units moved, cosine -?0\.\d\d -> 1\.00 \(', said), said
    assert repo.status() == ''
    assert repo.git('model', 'fsck')


def test_a_change_is_carried_over_to_a_model_of_other_order(repo: Repo) -> None:
    model = mlp(0, 7, 16, 12, 3)
    changed = {n: a + numpy.float32(0.25) for n, a in model.items()}
    ours = shuffled(model, 1)
    repo.fork(
        lambda: repo.save(M, **model), lambda: repo.save(M, **ours),
        lambda: repo.save(M, **changed),
    )
    repo.git(*ALIGN, 'cherry-pick', 'topic')
    found = repo.load()
    for name, array in ours.items():
        numpy.testing.assert_allclose(found[name], array + .25, rtol=1e-6, atol=1e-6)


def test_several_heads_are_aligned_to_the_first(repo: Repo) -> None:
    model = mlp(0, 7, 16, 3)
    repo.save(M, **{n: a * 0 for n, a in model.items()})
    repo.commit('base')
    for seed, name in enumerate('abc'):
        repo.git('checkout', '-q', '-b', name, 'main')
        repo.save(M, **(shuffled(model, seed) if seed else model))
        repo.commit(name)
    repo.git('checkout', '-q', 'a')
    said = repo.run('git', *ALIGN, 'merge', '-q', 'b', 'c', '-m', 'all').err
    assert repo.load() == {n: model[n].tolist() for n in sorted(model)}
    assert '  b aligned to HEAD: ' in said and '  c aligned to HEAD: ' in said


def test_the_result_is_the_same_on_every_processor(
    repo: Repo, monkeypatch: pytest.MonkeyPatch,
) -> None:
    unrelated(repo, mlp(0, 20, 64, 40, 5), mlp(1, 20, 64, 40, 5))
    digests = set()
    for name, value in (
        ('NOTHING', ''), ('OPENBLAS_CORETYPE', 'Nehalem'),
        ('OPENBLAS_NUM_THREADS', '1'),
        ('NPY_DISABLE_CPU_FEATURES', 'X86_V4 AVX512_SKX'),
    ):
        monkeypatch.setenv(name, value)
        assert ' units moved, cosine ' in repo.run('git', *ALIGN, *MERGE).err
        digests.add(repo.sha256(M))
        repo.git('reset', '-q', '--hard', 'HEAD~')
    assert len(digests) == 1


def test_near_models_are_merged_near_both(repo: Repo) -> None:
    model, run, x = KINDS['mlp']
    made = numpy.random.default_rng(3)
    near = {
        n: (a + made.normal(size=a.shape) * .01).astype('f4') for n, a in model.items()
    }
    unrelated(repo, model, shuffled(near, 1))
    repo.git(*ALIGN, *MERGE)
    found = {n: numpy.array(a) for n, a in repo.load().items()}
    numpy.testing.assert_allclose(run(found, x), run(model, x), atol=1)
    half = numpy.float32(.5)
    for name, array in model.items():
        wanted = array * half + near[name] * half
        numpy.testing.assert_array_equal(found[name].astype('f4'), wanted)


def test_a_spec_beside_the_model_says_what_names_do_not(repo: Repo) -> None:
    made = numpy.random.default_rng(0)
    a, b = (made.normal(size=s).astype('f4') for s in ((5, 4), (3, 5)))
    order = [3, 1, 4, 0, 2]
    repo.write('units.json', json.dumps({'hidden': [['one', 0], ['two', 1]]}))
    unrelated(repo, {'one': a, 'two': b}, {'one': a[order], 'two': b[:, order].copy()})
    refused = repo.run('git', *ALIGN, *MERGE, code=1).err
    assert (
        '  the whole file: the versions cannot be aligned: '
        "'one' is of no layer that is known"
    ) in refused
    repo.git('merge', '--abort')
    assert repo.load() == {'one': a.tolist(), 'two': b.tolist()}
    repo.git(*ALIGN, '-c', 'model.align-spec=units.json', *MERGE)
    assert repo.load() == {'one': a.tolist(), 'two': b.tolist()}


@pytest.mark.parametrize(('spec', 'reason'), [
    ('{', "'units.json' is no JSON: "),
    ('{"a": 1}', "'units.json': group 'a' is no list of [tensor, axis, block, repeat]"),
    ('{"a": [["x", 0]]}', "there is no tensor 'x'"),
    ('{"a": [["fc0.weight", 5]]}', "'fc0.weight' has no axis 5"),
    ('{"a": [["fc0.weight", 0, 3]]}', "axis 0 of 'fc0.weight' has 4 elements: "),
])
def test_a_spec_that_does_not_fit_is_refused(
    repo: Repo, spec: str, reason: str,
) -> None:
    repo.write('units.json', spec)
    unrelated(repo, mlp(0, 2, 4, 2), mlp(1, 2, 4, 2))
    said = repo.run('git', *ALIGN, '-c', 'model.align-spec=units.json', *MERGE, code=1)
    assert f'  the whole file: the versions cannot be aligned: {reason}' in said.err
    assert f'AA {M}\n' in repo.status()


def test_alignment_is_for_a_whole_model(repo: Repo) -> None:
    repo.diverge({'x': [1]}, {'x': [2]}, {'x': [3]})
    said = repo.run(
        'git', '-c', 'model.x*.align=permutation', 'merge', 'topic', code=1,
    ).err
    assert "'align' is for a model, not for 'x*' of it" in said
    assert 'hint: put it below "[model]"' in said


BRANCHED = {'x': (4, 4), 'lstm.weight_ih_l0': (4, 4)}
AUTOENCODER = {'dec.0.weight': (6, 4), 'dec.1.weight': (8, 6), 'enc.0.weight': (6, 8),
               'enc.1.weight': (4, 6)}
GATED = {
    **{n: a.shape for n, a in transformer(0).items()},
    'model.layers.0.mlp.gate.weight': (4, WIDTH),
}


@pytest.mark.parametrize(('shapes', 'reason'), [
    (BRANCHED, "'lstm.weight_ih_l0' is of no plain chain of layers"),
    (AUTOENCODER, 'its layers form a chain in more than one way'),
    ({'a.weight': (3, 2), 'b.weight': (5, 4)}, 'its layers form no chain'),
    ({'a.weight': (3, 2)}, 'there are no two layers with units between them'),
    (GATED, "'model.layers.0.mlp.gate.weight' is in no known place of a transformer"),
])
def test_what_cannot_be_inferred_is_refused(shapes: Any, reason: str) -> None:
    with pytest.raises(Exception) as caught:
        infer(shapes, CONFIG)
    assert caught.value.message == reason  # type: ignore[attr-defined]
