"""One page that shows a change of weights."""
from __future__ import annotations

import json
import re

import pytest

from tests.testing import repository
from tests.testing.pages import Page
from tests.testing.repository import Repo

M = 'm "<b>".safetensors'
BAD = '<img src=x onerror=alert(1)> & "x" \u202e'


def story(repo: Repo) -> None:
    model = {f'layers.{n}.{m}': [1.0, 2.0, 3.0] for n in range(3) for m in 'ab'}
    repo.save(M, {'note': 'one'}, **model, **{BAD: [0.0]}, zero=[0.0])
    repo.commit(f'first {BAD}')
    repo.save(M, {'note': f'</code>{BAD}'}, **{
        **model, 'layers.1.a': [1.0, 2.0, 4.0], 'layers.2.b': [9.0, 9.0, 9.0],
    }, **{BAD: [5.0]}, zero=[0.0, 0.0])
    repo.commit('</title><script>alert(1)</script>')


@pytest.fixture
def told(repo: Repo) -> Repo:
    return repository.after(repo, story)


def test_a_page_shows_both_sides_and_every_change(told: Repo) -> None:
    text = told.git('model', 'diff', '--html=-', 'HEAD~1', 'HEAD')
    page = Page(text)
    assert page.counts['script'] == page.counts['table'] == 1
    assert f'first {BAD}'.replace('\u202e', '\\u202e') in page.text
    assert '</title><script>alert(1)</script>' in page.text
    assert '+ note </code><img' in page.text and '- note one' in page.text
    assert 'url(' not in text and '://' not in text
    assert '\u202e' not in text
    assert len([row for row in page.rows if row[0] == 'M']) == 4
    assert ['M', 'layers.1.a', 'F32 3', '2.7e-01', '1.0e+00', '0.99146', '33.3%', '-'
            ] in page.rows
    assert ['M', 'zero', 'F32 1 -> F32 2', *'-----'] in page.rows


def test_each_layer_and_module_has_a_cell_with_its_change(told: Repo) -> None:
    text = told.git('model', 'diff', '--html=-', 'HEAD~1')
    cells = re.findall(r'<rect class="h(\d)"[^>]*><title>(\S+): ([^<]*)', text)
    assert cells == [
        ('0', 'layers.0.a', 'unchanged'), ('0', 'layers.0.b', 'unchanged'),
        ('1', 'layers.1.a', '|d|/|w| 2.7e-01'), ('0', 'layers.1.b', 'unchanged'),
        ('0', 'layers.2.a', 'unchanged'), ('7', 'layers.2.b', '|d|/|w| 3.3e+00'),
    ]
    assert text.count('aria-label="histogram"') == 3


def test_a_histogram_counts_the_elements(told: Repo) -> None:
    text = told.git('model', 'diff', '--html=-', 'HEAD~1', 'HEAD', '--tensors=*.1.a')
    figure = text[text.index('aria-label="histogram"'):]
    counts = [int(n) for n in re.findall(r'<title>(\d+)</title>', figure)]
    assert (len(counts), counts[20], counts[40], sum(counts)) == (41, 2, 1, 3)


@pytest.mark.parametrize(('args', 'sides'), [
    ((), ('index', 'worktree')), (('--cached',), ('HEAD', 'index')),
    (('HEAD~1',), ('HEAD~1', 'worktree')), (('HEAD~1..HEAD',), ('HEAD~1', 'HEAD')),
    (('HEAD~1...HEAD',), ('HEAD~1', 'HEAD')),
    (('-R', 'HEAD~1', 'HEAD'), ('HEAD', 'HEAD~1')),
])
def test_the_page_says_what_is_compared(
    told: Repo, args: tuple[str, ...], sides: tuple[str, str],
) -> None:
    page = Page(told.git('model', 'diff', '--html=-', *args))
    shown = page.text[:page.text.find('</title><script>', 1200)]
    for side in sides:
        commit = told.run('git', 'rev-parse', '-q', '--verify', side, code=None).out
        assert (commit[:12] or side) in shown


def test_a_page_goes_into_a_file(told: Repo) -> None:
    assert told.git('model', 'diff', '--html', 'HEAD~1') == 'git-model-diff.html\n'
    first = told.read('git-model-diff.html')
    told.git('model', 'diff', '--html=a page.html', 'HEAD~1')
    assert told.read('a page.html') == first
    done = told.run('git', 'model', 'diff', '--html=no/folder', code=128)
    assert done.err == "error: cannot use 'no/folder': No such file or directory\n"


def test_a_history_is_drawn_with_norms_and_scores(told: Repo) -> None:
    told.git('checkout', '-q', '-b', 'topic', 'HEAD~1')
    told.write('other', 'no model')
    told.commit('no model')
    told.save('n.safetensors', x=[1.0])
    told.commit('aside')
    told.git('checkout', '-q', 'main')
    told.git('merge', '-q', 'topic', '-m', 'both')
    told.save('n.safetensors', x=[4.0])
    told.commit('last')
    score = {'version': 1, 'evaluator': 'e', 'evaluator_id': 'i', 'metric': BAD,
             'direction': 'max', 'folds': 2, 'repeats': 1, 'seed': 0,
             'scores': {BAD: [0.5, 0.75]}}
    told.git('notes', '--ref=model-eval', 'add', '-m', json.dumps(score),
             'HEAD:n.safetensors')
    text = told.git('model', 'log', '--html=-', '--', '*.safetensors')
    page = Page(text)
    assert page.counts['circle'] == page.counts['path'] == 5
    subjects = [row[0] for row in page.rows]
    assert subjects[:2] == ['last', 'both'] and set(subjects[2:4]) == {
        'aside', '</title><script>alert(1)</script>',
    }
    assert f'0.625 {BAD}'.replace('\u202e', '\\u202e') in page.text
    assert '3.0e+00' in page.text and '\u202e' not in text
    assert 'Older commits are not shown' in told.git('model', 'log', '--html=-', '-n1')
