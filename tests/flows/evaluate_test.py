"""git model evaluate: real repositories, real evaluators, good and bad."""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_model_driver.cli.main import main
from git_model_driver.core.oid import Oid
from git_model_driver.evaluation import runner
from git_model_driver.store.objects import Store
from tests.testing.pages import Page
from tests.testing.repository import Done
from tests.testing.repository import Git
from tests.testing.repository import Repo
from tests.testing.repository import after
from tests.testing.terminal import show

# One call is one line in the log; quality is the model's first number.
EVALUATE = '''\
import json, os, sys
from safetensors.numpy import load_file
path, fold = os.environ['MODEL_PATH'], int(os.environ['MODEL_FOLD'])
with open(os.environ['LOG'], 'a') as log:
    log.write(f'{os.path.basename(path)} {fold}\\n')
quality = float(load_file(path)['w'][0])
noise = [.012, -.007, .003, .011, -.014][fold] * (1 + quality)
print('a line of talk')
print(json.dumps({'metrics': {'accuracy': round(quality + noise, 6), 'loss': 1}}))
'''
QUALITY = '''\
import numpy
from safetensors.numpy import load_file

def examples():
    return {'labels': [0] * 30 + [1] * 10, 'groups': [i // 4 for i in range(40)]}

def right(path, train, test, seed):
    assert not set(train) & set(test) and len(train) + len(test) == 40
    quality = load_file(path)['w'][0]
    return numpy.array([i / 40 < quality for i in test])

def split(path, test):
    return {'metrics': {'minority': sum(i >= 30 for i in test),
                        'torn': len({i // 4 for i in test})}}

def whole(path):
    return [i / 40 for i in range(40)]
'''
HARNESS = '''\
import json, sys
from safetensors.numpy import load_file
path, out = sys.argv[1:]
quality = load_file(path)['w'][0]
right = [float(i / 40 < quality) for i in range(40)]
stem = out.removesuffix('.json')
with open(f'{stem}_2026-11-29T10-41-09.123456.json', 'w') as file:
    json.dump({'results': {'arc_easy': {
        'alias': 'arc_easy', 'acc,none': sum(right) / 40, 'acc_stderr,none': .1,
        'sample_len': 40}}}, file)
folder = out.rpartition('/')[0]
with open(f'{folder}/samples_arc_easy_2026-11-29T10-41-09.123456.jsonl', 'w') as file:
    for i, score in enumerate(right):
        print(json.dumps({'doc_id': i, 'filter': 'none', 'metrics': ['acc'],
                          'acc': score}), file=file)
print('|Tasks|Version|Filter|n-shot|')
'''
RULE = '''\
[model-eval "quality"]
    command = python3 eval.py --fold {fold}
    metric = accuracy
'''


def history(repo: Repo) -> None:
    """Three branches, whose models are worth 0.5, 0.6 and 0.4."""
    repo.write('eval.py', EVALUATE)
    repo.write('.gitmodel', RULE)
    for name, quality in (('main', .5), ('better', .6), ('worse', .4)):
        if name != 'main':
            repo.git('checkout', '-q', '-b', name, 'main')
        repo.save("m $(touch owned) 'ü.safetensors", w=[quality, 0., 1.])
        repo.commit(name)
    repo.git('checkout', '-q', 'main')


@pytest.fixture
def repo(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.setenv('LOG', str(tmp_path / 'log'))
    return after(repo, history)


def evaluate(repo: Repo, *args: str, code: int = 0) -> Done:
    return repo.run('git', 'model', 'evaluate', *args, code=code)


def data(repo: Repo, *args: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(evaluate(repo, '--json', *args, code=code).out)
    return found


def allow(repo: Repo) -> None:
    said = evaluate(repo, code=128).err
    found = re.search(r'evaluate --allow=(\w+)"', said)
    assert found
    evaluate(repo, f'--allow={found[1]}')


def calls() -> list[str]:
    log = Path(os.environ['LOG'])
    return log.read_text().splitlines() if log.exists() else []


def test_versions_are_compared_on_the_same_folds(repo: Repo) -> None:
    allow(repo)
    before = repo.status(), repo.git('rev-parse', 'HEAD')
    done = evaluate(repo, 'main', 'better', 'worse', '-j2')
    assert (done.out, done.err) == ('''\
m $(touch owned) 'ü.safetensors: accuracy (more is better), evaluator "quality", \
5 folds, seed 0

VERSION  N    MEAN      SD  95 % INTERVAL
main     5  0.5015  0.0170  0.4804 to 0.5226
better   5  0.6016  0.0181  0.5791 to 0.6241
worse    5  0.4014  0.0159  0.3817 to 0.4211

AGAINST main      GAIN         95 % INTERVAL        P     HOLM  WON  LOST  TEST
better        +0.10010  +0.09869 to +0.10151  3.9e-09  7.9e-09    5     0  paired t
worse         -0.10010  -0.10151 to -0.09869  3.9e-09  7.9e-09    0     5  paired t

5 folds: a test that assumes no distribution cannot go below p = 0.0625, and a \
difference of less than 0.001408 cannot be told from chance in any of these.
''', '')
    assert sorted(calls()) == sorted(
        f'm___touch_owned____.safetensors {fold}' for fold in range(5) for _ in 'abc')
    assert (repo.status(), repo.git('rev-parse', 'HEAD')) == before
    assert not (repo.path / 'owned').exists()
    assert not list((repo.path / '.git/model/evaluating').iterdir())


def test_what_is_known_is_not_asked_again_until_something_changes(repo: Repo) -> None:
    allow(repo)
    first = data(repo, 'main', 'better')
    assert (first['asked'], len(calls())) == (10, 10)
    again = data(repo, 'main', 'better', 'HEAD')
    assert (again['asked'], len(calls())) == (0, 10)
    assert again['results'][:2] == first['results']
    repo.write('eval.py', EVALUATE.replace('.012', '.013'))
    assert data(repo, 'main')['asked'] == 5
    assert data(repo, 'main', '--seed=1')['asked'] == 5
    assert data(repo, 'main', '--again')['asked'] == 5


def test_a_repositorys_command_runs_only_after_its_user_allowed_that_text(
    repo: Repo, pinned: Path,
) -> None:
    said = evaluate(repo, code=128).err
    assert said.startswith(
        "error: this repository's evaluator 'quality' wants to run: "
        'python3 eval.py --fold {fold}\nhint: read what that does;')
    assert 'no evaluator of this' in evaluate(repo, '--allow=0123', code=129).err
    assert not calls()
    allow(repo)
    evaluate(repo)
    assert len(calls()) == 5
    kept = list((pinned / '.local/share/git-model/allowed').iterdir())
    assert [file.read_text().splitlines() for file in kept] == [
        [str(repo.path / '.git'), 'python3 eval.py --fold {fold}']]
    repo.write('.gitmodel', RULE.replace('eval.py', 'eval.py -q'))
    assert 'wants to run: python3 eval.py -q' in evaluate(repo, code=128).err
    clone = repo.clone(repo.path.parent / 'clone')
    assert 'wants to run: python3 eval.py --fold' in evaluate(clone, code=128).err
    # What the user's own configuration or command line says needs nobody's leave.
    repo.git('config', 'model-eval.quality.command', 'echo {fold}{seed}')
    assert data(repo, '--metric=score')['results'][0]['folds'] == [0, 10, 20, 30, 40]


def test_what_a_repository_wants_to_run_cannot_hide(repo: Repo) -> None:
    """On a terminal this would read: true."""
    repo.write('.gitmodel', '[model-eval "q"]\n'
               'command = "touch owned \x1b[2K\\btrue\\nhint: all is well"\n')
    said = evaluate(repo, code=128).err
    assert said.startswith(
        "error: this repository's evaluator 'q' wants to run: touch owned "
        r'\u001b[2K\u0008true\u000ahint: all is well'
    )
    assert not (repo.path / 'owned').exists()


def bad(what: str) -> str:
    return f"python3 -c 'import os, sys, time, json; f = {{fold}}; {what}'"


@pytest.mark.parametrize(('what', 'reason'), [
    ('sys.exit("no data")', 'fold 1 of 2, seed 0: it failed with code 1: no data'),
    pytest.param('os.abort()', 'fold 1 of 2, seed 0: it was ended by SIGABRT',
                 marks=pytest.mark.slow),
    ('time.sleep(60)', 'fold 1 of 2, seed 0: it took longer than 1.5 s, and was ended'),
    ('pass', 'it said nothing: neither on standard output nor in {out}'),
    ('print("accuracy: 1")', 'there is no JSON at the end of what it said; the last '
     "line: 'accuracy: 1'"),
    ('print(float("nan"))', "its 'score' is nan"),
    ('print(json.dumps(dict(metrics=dict(acc=float("inf")))))', "its 'acc' is inf"),
    ('print("[]")', 'its JSON has no number that could be a metric'),
    ('print("[" * 100000 + "]" * 100000)', 'its JSON is nested too deep'),
    ('print(json.dumps(dict(acc=1, f1=2)))', "it gives no metric 'score', but 'acc', "
     "'f1'"),
    ('open(os.environ["MODEL_PATH"], "r+b").write(b"x"); print(1)',
     'it has written to the model, which all folds read'),
    ('os.unlink(os.environ["MODEL_PATH"]); print(1)',
     'it, or another fold, has removed the model'),
])
def test_a_bad_evaluator_is_told_in_words_and_others_are_evaluated(
    repo: Repo, what: str, reason: str,
) -> None:
    """It is bad for one of two models."""
    word = json.loads(repo.git('log', '-1', '--format="%H"', 'better'))
    guarded = bad(f'w = os.environ["MODEL_COMMIT"] == "{word}"\n'
                  f'if w:\n {what}\nelse: print(.5 + f)').replace('; w =', '\nw =')
    done = repo.run(
        'git', 'model', 'evaluate', '--json', '--command', guarded, '--metric=score',
        '--folds=2', '--time-limit=1.5', 'main', 'better', code=1,
    )
    assert f"error: 'better' could not be evaluated: {reason}" in done.err or (
        f': {reason}' in done.err)
    found = json.loads(done.out)
    assert found['results'][0]['folds'] == [.5, 1.5]
    assert found['results'][1]['failures'] and 'mean' not in found['results'][1]
    assert not found['comparisons']
    assert 'Traceback' not in done.err


def test_what_the_harness_writes_is_read_example_by_example(repo: Repo) -> None:
    """--output_path {out} is a path ending in .json: others are written beside it."""
    repo.write('harness.py', HARNESS)
    found = data(repo, '--command', 'python3 harness.py {path} {out}', '-k4',
                 '--metric=arc_easy.acc', 'main', 'better')
    assert [each['mean'] for each in found['results']] == [.5, .6]
    compared, = found['comparisons']
    assert (compared['test'], compared['n'], compared['gain']) == (
        'McNemar, exact', 40, pytest.approx(.1))


@pytest.mark.slow
def test_a_python_functions_examples_are_split_as_is_said(repo: Repo) -> None:
    repo.write('quality.py', QUALITY)
    options = '--python', 'quality:split', '--folds=5'
    for split, metric in (('stratified', 'minority'), ('grouped', 'torn')):
        each = data(repo, *options, f'--split={split}', f'--metric={metric}')
        assert each['results'][0]['folds'] == [2] * 5
    options = *options, '--metric=minority', '--repeats=3'
    repeated = data(repo, *options, 'main', 'better')
    folds = repeated['results'][0]['folds']
    assert len(folds) == 15 and len({tuple(folds[i:i + 5]) for i in (0, 5, 10)}) > 1
    assert repeated['comparisons'][0]['test'] == 'Nadeau-Bengio corrected t'


# From fold 2 on it waits, as long as HANG is set, to be ended in its middle.
HANGING = '''\
import os, time
fold = int(os.environ['MODEL_FOLD'])
with open(os.environ['LOG'], 'a') as log:
    log.write(f"{os.environ['MODEL_COMMIT']} {fold} {os.getpid()}\\n")
if fold >= 2 and os.environ.get('HANG'):
    time.sleep(600)
print(fold)
'''


@pytest.mark.parametrize(('how', 'jobs', 'whom'), [
    (signal.SIGINT, 1, os.kill), (signal.SIGTERM, 2, os.killpg),
    (signal.SIGINT, 2, os.killpg), (signal.SIGKILL, 1, os.kill),
    pytest.param(signal.SIGTERM, 2, os.kill, marks=pytest.mark.slow),
    pytest.param(signal.SIGHUP, 1, os.killpg, marks=pytest.mark.slow),
])
def test_interrupted_at_a_fold_it_repeats_and_loses_nothing(
    repo: Repo, how: signal.Signals, jobs: int, whom: Callable[[int, int], None],
) -> None:
    repo.write('eval.py', HANGING)
    command = ('git-model', 'evaluate', '--command', 'python3 eval.py {fold}',
               'main', 'better', f'-j{jobs}', '--json')
    process = subprocess.Popen(
        command, cwd=repo.path, start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, env={**os.environ, 'HANG': 'yes'},
    )
    while len(calls()) < 4 + jobs:      # two folds of two models, and what waits
        assert process.poll() is None
        time.sleep(.05)
    whom(process.pid, how)
    said = process.communicate()[1]
    assert (said, process.returncode) == (b'', ENDED[how])
    waiting = [int(line.split()[2]) for line in calls()[4:]]
    assert len(waiting) == jobs                     # nothing was begun any more
    if how != signal.SIGKILL:
        assert not any(map(is_alive, waiting))
        assert not list((repo.path / '.git/model/evaluating').iterdir())
    for pid in filter(is_alive, waiting):
        os.kill(pid, signal.SIGKILL)
    done = repo.run(*command)
    assert json.loads(done.out)['asked'] == 6       # the four that ended are known
    assert len(calls()) == 4 + jobs + 6
    assert not list((repo.path / '.git/model/evaluating').iterdir())


ENDED = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129,
         signal.SIGKILL: -signal.SIGKILL}


def is_alive(pid: int) -> bool:
    """A zombie, whom nobody has waited for yet, is not."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2][1] != 'Z'
    except OSError:
        return False


def test_a_terminal_is_told_how_far_it_is(repo: Repo) -> None:
    allow(repo)
    evaluate(repo, 'main')
    done = show(repo.path, 'git', 'model', 'evaluate', 'main', 'better',
                env={'GIT_PROGRESS_DELAY': '0'})
    assert done.text.startswith('Evaluating:  20% (1/5)\r')     # the rest is known
    assert 'Evaluating: 100% (5/5), done.\nm $(touch owned)' in done.text


def test_versions_are_on_disk_only_while_they_are_asked_about(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    """The score is how many versions are there at once; any of these is too large."""
    command = 'ls -d "${MODEL_PATH%/*}"/../????????????????????*/ | wc -l #{fold}'
    monkeypatch.chdir(repo.path)
    wanted = 'main', 'better', 'worse'
    for most, seen in ((runner.MOST_AT_ONCE, 3), (1, 1)):
        monkeypatch.setattr(runner, 'MOST_AT_ONCE', most)
        assert main(['evaluate', '--json', '--again', '--command', command, *wanted]
                    ) == 0
        found = json.loads(capsys.readouterr().out)
        assert [each['folds'] for each in found['results']] == [[seen] * 5] * 3
    assert not list((repo.path / '.git/model/evaluating').iterdir())


def test_two_at_once_do_not_disturb_each_other_nor_the_worktree(repo: Repo) -> None:
    allow(repo)
    repo.save("m $(touch owned) 'ü.safetensors", w=[.9, 9., 9.])
    status = repo.status()
    command = ('git', 'model', 'evaluate', '--json', 'main', 'better', 'worse')
    both = [
        subprocess.Popen(command, cwd=repo.path, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    outs = [json.loads(process.communicate()[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert outs[0]['results'] == outs[1]['results']
    assert repo.status() == status
    recorded = evaluate(repo, '--recorded', 'main', 'better', 'worse').out
    assert recorded == '''\
VERSION  N    MEAN      SD  METRIC, EVALUATOR
main     5  0.5015  0.0170  accuracy, "quality"
better   5  0.6016  0.0181  accuracy, "quality"
worse    5  0.4014  0.0159  accuracy, "quality"
'''


def test_results_outlive_an_amended_commit_and_go_where_the_models_go(
    repo: Repo, tmp_path: Path, everywhere: None,
) -> None:
    repo.git('init', '-q', '--bare', str(tmp_path / 'remote.git'))
    repo.git('remote', 'add', 'origin', str(tmp_path / 'remote.git'))
    repo.git('push', '-q', 'origin', 'main', 'better')
    mine = '--command', 'echo 0.{fold}5', '-k2'
    evaluate(repo, *mine, 'main')
    repo.git('commit', '-q', '--amend', '-m', 'another message')
    assert 'command line' in evaluate(repo, '--recorded').out
    url = str(tmp_path / 'remote.git')
    clone = repo.clone(tmp_path / 'clone', '-b', 'main', url=url)
    evaluate(clone, '--command', 'echo 0.{fold}7', '-k2', 'origin/main')
    for one, name in ((repo, 'repo'), (clone, 'clone')):
        one.git('checkout', '-q', '-b', name)
        one.git('push', '-q', 'origin', name)
    repo.git('model', 'fetch')
    lines = [
        one.git('notes', '--ref=model-eval', 'list').split() for one in (repo, clone)
    ]
    assert lines[0] == lines[1]
    found = json.loads(evaluate(repo, '--recorded', '--json').out)
    assert sorted(one['scores']['score'] for one in found) == [[.05, .15], [.07, .17]]
    assert not repo.git('for-each-ref', 'refs/notes/model-eval-*')


def test_a_python_function_gets_the_folds_of_its_examples(repo: Repo) -> None:
    repo.write('quality.py', QUALITY)
    found = data(repo, '--python', 'quality:right', 'main', 'better')
    means = [result['mean'] for result in found['results']]
    assert means == pytest.approx([.5, .6])
    assert found['comparisons'][0]['test'] == 'McNemar, exact'
    assert found['comparisons'][0]['gain'] == pytest.approx(.1)
    assert found['comparisons'][0]['n'] == 40
    once = data(repo, '--python', 'quality:whole')
    assert (once['asked'], once['results'][0]['n']) == (1, 5)
    assert once['results'][0]['mean'] == pytest.approx(.4875)
    said = evaluate(repo, '--python', 'quality:missing', code=128).err
    assert said.startswith("error: 'quality:missing' cannot be used: it failed with")


def test_the_folder_of_a_model_is_written_with_what_belongs_to_it(repo: Repo) -> None:
    for part in ('one', 'two'):
        repo.save(f'big model/{part}.safetensors', w=[1., 2.])
    repo.write('big model/config.json', '{"layers": 2}')
    os.symlink('/etc/passwd', repo.path / 'big model/link')
    repo.commit('two models')
    said = evaluate(repo, '--command', 'ls {path} | wc -l', code=129).err
    assert said.startswith("error: 'HEAD' has 3 models: big model/one.safetensors, ")
    found = data(repo, '--command', 'ls {path} | wc -l', '--model', 'big model/')
    assert found['results'][0]['folds'] == [3]
    said = evaluate(repo, '--command', 'cat {path}/config.json', '--model',
                    'big model').out
    assert 'One score for each version: nothing can be said about chance.' in said
    assert 'layers' in said


def test_a_model_is_named_from_where_we_are(repo: Repo) -> None:
    repo.save("sub d/a 'n\nl.safetensors", w=[1.])
    repo.commit('another')
    for folder, name in (('sub d', "a 'n\nl.safetensors"), ('sub d', '.'),
                         ('', 'sub d'), ('sub d', '../sub d')):
        done = Git(repo.path / folder).run(
            'git', 'model', 'evaluate', '--json', '--model', name, '--command',
            'test -e eval.py && find {path} -type f -printf x | wc -c')
        assert json.loads(done.out)['results'][0]['folds'] == [1]
        again = Git(repo.path / folder).run(
            'git', 'model', 'evaluate', '--recorded', '--model', name)
        assert 'HEAD     1' in again.out
    said = evaluate(repo, '--command', 'x', '--model', '../../etc', code=129).err
    assert "there is no '../../etc' in 'HEAD'" in said


@pytest.mark.parametrize('bare', [False, True])
def test_missing_tensors_are_fetched_in_one_go_or_said_to_be_missing(
    repo: Repo, tmp_path: Path, everywhere: None, monkeypatch: pytest.MonkeyPatch,
    bare: bool,
) -> None:
    remote = tmp_path / 'remote.git'
    repo.git('init', '-q', '--bare', '-b', 'main', str(remote))
    repo.git('remote', 'add', 'origin', str(remote))
    repo.git('push', '-q', 'origin', 'main', 'better', 'worse')
    clone = repo.clone(tmp_path / 'clone', *(['--mirror'] if bare else []),
                       url=str(remote))
    names = [name if bare else f'origin/{name}' for name in ('main', 'better', 'worse')]
    command = '--command', 'echo {fold}$(wc -c < {path})'
    remote.rename(tmp_path / 'away')
    done = evaluate(clone, *command, *names, code=1)
    assert f"error: '{names[1]}' could not be evaluated: the model cannot" in done.err
    assert 'tensor that is not in the store' in done.err
    assert done.err.rstrip().endswith('get them with "git model fetch"')
    (tmp_path / 'away').rename(remote)
    asked: list[set[Oid]] = []
    near = Store.gather_near

    def gather(store: Store, wanted: set[Oid]) -> list[Path]:
        asked.append(wanted)
        return near(store, wanted)

    monkeypatch.setattr(Store, 'gather_near', gather)
    monkeypatch.chdir(clone.path)
    assert main(['evaluate', *command, *names]) == 0
    assert [len(wanted) for wanted in asked] == [3 if bare else 2]


def test_a_version_whose_tensors_are_gone_fails_alone(repo: Repo) -> None:
    text = repo.git('show', '--no-textconv', "better:m $(touch owned) 'ü.safetensors")
    oid = re.findall('sha256:[0-9a-f]{64}', text)[-1]
    repo.lose(oid)
    done = evaluate(repo, '--command', 'echo 1', 'main', 'better', code=1)
    assert done.err.startswith(
        "error: 'better' could not be evaluated: the model cannot be written: "
        "'m $(touch owned) 'ü.safetensors' has 1 tensor that is not in the store")
    assert 'main' in done.out


@pytest.mark.parametrize(('args', 'said'), [
    (('nowhere',), "error: 'nowhere' is no commit, branch or tag here"),
    (('-e', 'qualty'), "error: there is no evaluator 'qualty'\nhint: did you mean"),
    (('--folds=0',), 'error: --folds is a whole number, 1 or more'),
    (('--time-limit=soon',), "error: --time-limit: 'soon' is no time"),
    (('--command', 'x', '-e', 'y'), 'error: --evaluator and a command of your own'),
    (('--model', 'none.npz', '--command', 'x'), "error: there is no 'none.npz' in"),
])
def test_a_command_line_that_makes_no_sense(
    repo: Repo, args: tuple[str, ...], said: str,
) -> None:
    assert evaluate(repo, *args, code=129).err.startswith(said)


@pytest.mark.parametrize(('lines', 'said'), [
    ('comand = x', "unknown key 'comand'\nhint: did you mean 'command'?"),
    ('metric = x', 'says neither a command nor a Python function'),
    ('command = x\npython = a:b', 'has a command and a Python function'),
    ('python = x', "'python' cannot be 'x'"),
    ('command = x\nfolds = many', "'folds' cannot be 'many'"),
    ('command = x\ndirection = up', "'direction' cannot be 'up'"),
    ('command = x\ntimeout = 0', "'timeout' cannot be '0'"),
])
def test_an_evaluator_that_cannot_be_obeyed(repo: Repo, lines: str, said: str) -> None:
    repo.write('.gitmodel', f'[model-eval "x \\"y"]\n{lines}\n')
    found = evaluate(repo, code=128).err
    assert found.startswith("error: evaluator 'x \"y'") and said in found


def test_a_loss_is_not_maximised_in_silence(repo: Repo) -> None:
    command = '--command', 'echo \'{"val_loss": 0.5}\''
    assert "'val_loss' sounds as if less of it were better" in evaluate(
        repo, *command, code=128).err
    found = data(repo, *command, '--direction=min')
    assert found['direction'] == 'min'


def test_a_page_shows_a_box_for_each_version(repo: Repo) -> None:
    allow(repo)
    repo.git('branch', 'a<b>&c', 'better')
    done = evaluate(repo, 'main', 'a<b>&c', '--html', 'out page.html')
    assert done.out == 'out page.html\n'
    page = Page(repo.read('out page.html').decode())
    assert page.counts['svg'] == 2
    assert page.counts['circle'] == 15      # 5 folds: two versions, one gain
    assert [row[0] for row in page.rows[1:3]] == ['main', 'a<b>&c']
    assert page.rows[-1][0] == 'a<b>&c'


def test_work_runs_by_the_interpreter_that_has_what_it_needs(repo: Repo) -> None:
    repo.write('who.py', 'import sys\ndef version(path): return sys.version_info[1]\n')
    repo.git('config', 'model-eval.who.python', 'who:version')
    repo.git('config', 'model-eval.who.interpreter', sys.executable)
    found = data(repo, '-e', 'who')
    assert found['results'][0]['folds'] == [sys.version_info[1]]
