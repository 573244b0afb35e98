"""What evaluators write, as known tools lay it out."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from git_model_driver.evaluation import written
from git_model_driver.evaluation.answers import Answer
from git_model_driver.evaluation.answers import Bad

# As lm-evaluation-harness 0.4.13 writes it, shortened.
RESULTS: dict[str, Any] = {
    'results': {
        'arc_easy': {
            'name': 'arc_easy', 'alias': 'arc_easy', 'sample_len': 4,
            'acc,none': .75, 'acc_stderr,none': .25,
            'acc_norm,none': .5, 'acc_norm_stderr,none': 'N/A',
        },
        'gsm8k': {
            'alias': 'gsm8k', 'sample_len': 2,
            'exact_match,strict-match': .5, 'exact_match_stderr,strict-match': .5,
            'exact_match,flexible-extract': 1.,
            'exact_match_stderr,flexible-extract': 0.,
        },
        'wikitext': {
            'alias': 'wikitext', 'word_perplexity,none': 12.5,
            'word_perplexity_stderr,none': 'N/A',
        },
        'all of it': {
            'alias': 'all of it', 'acc,none': .625, 'acc_stderr,none': .1,
            'sample_len': 6, 'sample_count': {'acc,none': 6},
        },
    },
    'groups': {'all of it': {'acc,none': .625}},
    'configs': {'arc_easy': {'num_fewshot': 0}}, 'n-shot': {'arc_easy': 0},
    'n-samples': {'arc_easy': {'original': 4, 'effective': 4}},
    'config': {'model': 'hf', 'batch_size': 1}, 'date': 1764412345.6,
    'total_evaluation_time_seconds': '12.5',
}
METRICS = {
    'arc_easy.acc': .75, 'arc_easy.acc_norm': .5,
    'gsm8k.exact_match,strict-match': .5, 'gsm8k.exact_match,flexible-extract': 1.,
    'wikitext.word_perplexity': 12.5, 'all of it.acc': .625,
}
TIME = '2026-11-29T10-41-09.123456'


def sample(doc: int, filter_: str = 'none', **metrics: object) -> dict[str, Any]:
    return {
        'doc_id': doc, 'doc': {'question': 'ü?'}, 'target': '1', 'arguments': {},
        'resps': [[[-1.5, False]]], 'filtered_resps': [[-1.5, False]],
        'filter': filter_, 'metrics': list(metrics), 'doc_hash': 'a',
        'prompt_hash': 'b', 'target_hash': 'c', **metrics,
    }


def lines(folder: Path, task: str, samples: list[dict[str, Any]]) -> None:
    text = ''.join(f'{json.dumps(each, ensure_ascii=False)}\n' for each in samples)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'samples_{task}_{TIME}.jsonl').write_text(text)


@pytest.mark.parametrize(
    'name', [f'out_{TIME}.json', f'org__model/results_{TIME}.json'],
)
def test_the_harness_results_are_found_where_it_puts_them(
    tmp_path: Path, name: str,
) -> None:
    """With --output_path {out}, which ends in .json, or with another folder in it."""
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(RESULTS))
    found = written.answer(tmp_path / 'out.json', b'|Tasks|Version|\n|arc_easy|1|\n')
    assert found == Answer(METRICS)
    # Samples are those of the task and filter; a perplexity is no mean of scores.
    lines(file.parent, 'arc_easy', [
        sample(i, acc=acc, acc_norm=float(norm))
        for i, (acc, norm) in enumerate([(1., 0), (0., 1), (1., 1), (1., 0)])
    ])
    lines(file.parent, 'gsm8k', [
        sample(doc, kind, exact_match=score) for doc, kind, score in (
            (0, 'strict-match', 0.), (1, 'strict-match', 1.),
            (0, 'flexible-extract', 1.), (1, 'flexible-extract', 1.))
    ])
    lines(file.parent, 'wikitext', [sample(0, word_perplexity=[-50.5, 20])])
    found = written.answer(tmp_path / 'out.json', b'')
    assert found == Answer(METRICS, {
        'arc_easy.acc': (1., 0., 1., 1.), 'arc_easy.acc_norm': (0., 1., 1., 0.),
        'gsm8k.exact_match,strict-match': (0., 1.),
        'gsm8k.exact_match,flexible-extract': (1., 1.),
    })


def test_one_task_of_the_harness_has_the_ids_of_its_examples(tmp_path: Path) -> None:
    one = {'results': {'t_2': {'alias': 't_2', 'acc,none': .5, 'f1,none': .9}}}
    (tmp_path / f'out_{TIME}.json').write_text(json.dumps(one))
    lines(tmp_path, 't_2', [sample(7, acc=1, f1=[1, 1]), sample(3, acc=0, f1=[0, 1])])
    assert written.answer(tmp_path / 'out.json', b'') == Answer(
        {'t_2.acc': .5, 't_2.f1': .9}, {'t_2.acc': (0., 1.)}, ('3', '7'))
    (tmp_path / 'another.json').write_text(json.dumps(one))
    with pytest.raises(Bad, match='several files of results'):
        written.answer(tmp_path / 'out.json', b'')


def test_results_from_before_there_were_filters(tmp_path: Path) -> None:
    old = {'results': {'arc': {'acc': .5, 'acc_stderr': .1, 'acc_norm': .25}},
           'versions': {'arc': 0}}
    assert written.answer(tmp_path / 'out.json', json.dumps(old).encode()) == Answer(
        {'arc.acc': .5, 'arc.acc_norm': .25})


@pytest.mark.parametrize('text', [
    '{"train": {"loss": 1e-3, "steps": 10}, "acc": 0.5, "by": "me", "tags": [1, 2]}',
    'acc = 0.5\nby = "me"\ntags = [1, 2]\n[train]\nloss = 1e-3\nsteps = 10\n',
    '# dvc\nacc: 0.5\nby: me\ntags: [1, 2]\ntrain:\n  loss: 1e-3\n  steps: 10\n',
], ids=['json', 'toml', 'yaml'])
def test_dvcs_metric_files_are_trees_of_numbers(tmp_path: Path, text: str) -> None:
    if text.startswith('#'):
        pytest.importorskip('yaml')
    if text.startswith('acc'):
        pytest.importorskip('tomllib')
    out = tmp_path / 'out.json'
    out.write_text(text)
    assert written.answer(out, b'9') == Answer(
        {'acc': .5, 'train.loss': .001, 'train.steps': 10.})


@pytest.mark.parametrize(('text', 'said'), [
    ('accuracy', "no JSON at the end of what it said; the last line: 'accuracy'"),
    ('a: .nan', "its 'a' is nan"), ('a = inf', "its 'a' is inf"),
    ('a: [1', 'no JSON at the end'), ('\x00', 'no JSON at the end'),
    ('{"per_example": {"id": [1, 1], "acc": [0, 1]}}', 'have the same id'),
    ('1' + '0' * 400, 'too large'),
])
def test_what_is_written_in_vain_is_told(tmp_path: Path, text: str, said: str) -> None:
    out = tmp_path / 'out.json'
    out.write_text(text)
    with pytest.raises(Bad, match=said):
        written.answer(out, b'')
