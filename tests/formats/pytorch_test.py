"""PyTorch files, with torch as the writer and the judge."""
from __future__ import annotations

import io
import os
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Layout
from git_model_driver.formats import registry
from git_model_driver.formats import values
from tests.testing.models import Vault
from tests.testing.repository import Repo

torch: Any = pytest.importorskip('torch')
pytestmark = pytest.mark.filterwarnings('ignore')       # torch's own

Save = Callable[[Any], bytes]


def saved(thing: Any, legacy: bool = False) -> bytes:
    out = io.BytesIO()
    torch.save(thing, out, _use_new_zipfile_serialization=not legacy)
    return out.getvalue()


def saved_as_it_was(thing: Any) -> bytes:
    return saved(thing, legacy=True)


def odd() -> dict[str, Any]:
    base = torch.arange(24.)
    return {
        'base': base, 'view': base[4:10], 'turned': base.view(4, 6).t(),
        'tied': base, 'half': torch.ones(3, dtype=torch.bfloat16),
        'last': torch.arange(24.).reshape(1, 2, 3, 4).to(
            memory_format=torch.channels_last),
        'expanded': torch.ones(1, 3).expand(4, 3), 'empty': torch.zeros(0, 3),
        'scalar': torch.tensor(1.5), 'flags': torch.tensor([True, False]),
        'ints': torch.arange(3), 'complex': torch.ones(2, dtype=torch.complex64),
        'parameter': torch.nn.Parameter(torch.ones(2)),
    }


def array(tensor: Any) -> bytes:
    wide = tensor.detach().contiguous().view(torch.uint8) if tensor.dim() else (
        tensor.detach().reshape(1).view(torch.uint8)
    )
    return bytes(wide.numpy().tobytes())


both = pytest.mark.parametrize('save', [saved, saved_as_it_was])


@both
def test_torch_sees_the_same_tensors(tmp_path: Path, save: Save) -> None:
    vault = Vault(tmp_path)
    manifest = vault.around(save(odd()))
    assert set(manifest.tensors) == set(odd())
    for name, tensor in odd().items():
        entry = manifest.tensors[name]
        assert entry.shape == tuple(tensor.shape)
        with vault.store.open(entry.oid) as file:
            stored = b''.join(map(bytes, values.decoded(entry, file.chunks())))
        assert stored == array(tensor), name
    shared = {manifest.tensors[n].oid for n in ('base', 'view', 'turned', 'tied')}
    assert len(shared) == 1


def test_names_and_lines_of_a_checkpoint(tmp_path: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    manifest = Vault(tmp_path).around(saved({
        'model': net.state_dict(), 'opt': optimizer.state_dict(), 'epoch': 3,
        'args': {'lr': .1, 'name': 'é', 'none': None}, 'history': [1.5, 2.0],
    }))
    keys = ('0.weight', '0.bias', '1.weight', '1.bias')
    assert set(manifest.tensors) == {f'model/{key}' for key in keys} | {
        f'opt/state/{i}/{slot}' for i in range(4)
        for slot in ('step', 'exp_avg', 'exp_avg_sq')
    }
    assert manifest.meta['epoch'] == '3' and manifest.meta['args/name'] == '"é"'
    assert manifest.meta['history'] == '[1.5,2.0]'
    assert manifest.meta['opt/param_groups/0/betas'] == '[0.9,0.999]'


def test_a_whole_module_has_the_names_of_its_state_dict(tmp_path: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    manifest = Vault(tmp_path).around(saved(net))
    assert set(manifest.tensors) == set(net.state_dict())
    assert manifest.meta['0.in_features'] == '4'
    assert manifest.meta['1@'] == 'torch.nn.modules.batchnorm.BatchNorm1d'


def test_two_saves_under_two_names_are_one_model(tmp_path: Path) -> None:
    torch.save(odd(), tmp_path / 'a.pt')
    torch.save(odd(), tmp_path / 'a longer name.pt')
    vault = Vault(tmp_path)
    one, two = (vault.around((tmp_path / name).read_bytes())
                for name in ('a.pt', 'a longer name.pt'))
    assert one.structure == two.structure and one.tensors == two.tensors
    assert one.skeleton != two.skeleton


def network(step: float, *, deeper: bool = False) -> dict[str, Any]:
    embedding = torch.arange(8.).reshape(4, 2) + step
    found = {'embed.weight': embedding, 'head.weight': embedding,
             'fused': torch.arange(12.)[2:8] + 0, 'bias': torch.arange(3.)}
    storage = torch.arange(12.) + step
    found['part'] = storage[2:8]
    if deeper:
        found['extra.weight'] = torch.ones(2, 2)
    return found


@both
@pytest.mark.parametrize('operation, expected, deeper', [
    (('merge', '--no-edit', 'topic'), 15, False),
    (('merge', '--no-edit', 'topic'), 15, True),
    (('rebase', '-q', 'topic'), 30, True),
    (('cherry-pick', 'topic'), 30, False),
    pytest.param(('rebase', '-q', 'topic'), 30, False, marks=pytest.mark.slow),
    pytest.param(('cherry-pick', 'topic'), 30, True, marks=pytest.mark.slow),
])
def test_versions_meet(
    repo: Repo, save: Save, operation: tuple[str, ...], expected: float, deeper: bool,
) -> None:
    repo.git('model', 'track', '*.pt')
    path = repo.path / 'm.pt'

    def step(value: float, deeper: bool = False) -> Callable[[], None]:
        return lambda: repo.write('m.pt', save(network(value, deeper=deeper)))

    repo.fork(step(0), step(10), step(20, deeper))
    repo.git(*operation)
    assert repo.status() == ''
    found = torch.load(path, weights_only=True)
    wanted = network(expected, deeper=deeper)
    assert list(found) == list(wanted)
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name
    assert found['embed.weight'].data_ptr() == found['head.weight'].data_ptr()
    assert found['part'].untyped_storage().nbytes() == 48
    if save is saved:
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None


@pytest.mark.parametrize('method', ['dare_linear', 'ties', 'slerp'])
def test_tied_weights_stay_tied_by_every_method(repo: Repo, method: str) -> None:
    repo.git('model', 'track', '*.pt')
    repo.fork(*(lambda s=s: repo.write('m.pt', saved(network(s)))  # type: ignore[misc]
                for s in (0, 10, 20)))
    repo.git('-c', f'model.merge={method}', 'merge', '--no-edit', 'topic')
    found = torch.load(repo.path / 'm.pt', weights_only=True)
    assert found['embed.weight'].data_ptr() == found['head.weight'].data_ptr()


def test_one_side_pulls_tied_weights_apart(repo: Repo) -> None:
    repo.git('model', 'track', '*.pt')

    def apart() -> None:
        made = network(0)
        made['head.weight'] = made['head.weight'] + 5
        repo.write('m.pt', saved(made))

    def other() -> None:
        repo.write('m.pt', saved({**network(0), 'bias': torch.ones(3)}))

    repo.fork(lambda: repo.write('m.pt', saved(network(0))), other, apart)
    repo.git('merge', '--no-edit', 'topic')
    found = torch.load(repo.path / 'm.pt', weights_only=True)
    assert torch.equal(found['head.weight'], network(5)['head.weight'])
    assert torch.equal(found['embed.weight'], network(0)['embed.weight'])
    assert torch.equal(found['bias'], torch.ones(3))


class Bomb:
    def __reduce__(self) -> Any:
        return os.system, ('touch "$BOMB"',)


@both
def test_code_in_a_pickle_never_runs(
    repo: Repo, tmp_path: Path, save: Save, monkeypatch: pytest.MonkeyPatch,
) -> None:
    flag = tmp_path / 'ran'
    monkeypatch.setenv('BOMB', str(flag))
    vault = Vault(tmp_path)
    data = save({'w': torch.ones(3), 'bomb': Bomb()})
    manifest = vault.around(data)
    assert set(manifest.tensors) == {'w'}
    assert manifest.meta['bomb@'] == 'posix.system'
    repo.git('model', 'track', '*.pt')
    repo.write('m.pt', data)
    repo.commit('bomb')
    assert 'posix.system' in repo.git('show') and repo.sha256('m.pt')
    repo.git('checkout', '-q', 'HEAD~1')
    repo.git('checkout', '-q', '-')
    assert repo.read('m.pt') == data
    assert not flag.exists()
    pickle.loads(pickle.dumps(Bomb()))      # it does run where it can
    assert flag.exists()


HOSTILE = {
    'a call of what was called': b'\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R)R.',
    'getattr': (b'\x80\x02c__builtin__\ngetattr\nc__builtin__\ndict\n'
                b'X\4\0\0\0keys\x86R)R.'),
    'a memo of any index': b'\x80\x02]r\xff\xff\xff\x7f.',
    'state for a list': b'\x80\x02]}b.',
    'state for a function': b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}\x86b.',
    'an extension': b'\x80\x02\x82\x01.',
    'a buffer': b'\x80\x05\x97.',
    'no end': b'\x80\x02](' * 50,
    'a tensor of no storage': (b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\n'
                               b'(K\1K\0))tR.'),
    'deep': b'\x80\x02' + b']' * 5000 + b'a' * 4999 + b'.',
    'long': b'\x80\x02\x8b\xff\xff\xff\x7f.',
}


def archived(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as file:
        file.writestr(zipfile.ZipInfo('m/data.pkl'), data)
        file.writestr(zipfile.ZipInfo('m/data/0'), bytes(16))
    return out.getvalue()


@pytest.mark.parametrize('data', HOSTILE.values(), ids=HOSTILE)
def test_hostile_pickles(tmp_path: Path, data: bytes) -> None:
    manifest = Vault(tmp_path).around(archived(data))
    assert manifest.format in ('opaque', 'pytorch') and not manifest.tensors


def test_a_size_that_multiplies_is_refused() -> None:
    items = b'(' + b'K\1' * 1000 + b'l'
    data = b'\x80\x02' + items + b'q\0' + b'ctorch\nSize\nh\0\x85R' * 1000 + b'.'
    found = registry.read_any(archived(data))
    assert found is None


def test_damaged_files_are_read_or_refused() -> None:
    samples = [saved(odd()), saved_as_it_was(odd())]
    start = [0, 0]
    random.seed(5)
    found: set[Any] = set()
    for i in range(1500):
        data = bytearray(samples[i % 2])
        for _ in range(random.choice((1, 1, 3))):
            data[random.randrange(start[i % 2], len(data))] = random.randrange(256)
        layout: Layout | None = registry.read_any(bytes(data))
        found.add(layout and layout.format)
    assert found == {None, 'pytorch', 'pytorch-legacy'}


def test_twenty_thousand_tensors_are_read() -> None:
    state = {f'layers.{i}.weight': torch.full((2,), i) for i in range(20_000)}
    layout = registry.read_any(saved(state))
    assert layout is not None and len(layout.tensors) == 20_000


def test_a_view_that_repeats_too_often(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    manifest = vault.around(saved({'w': torch.ones(1).expand(1 << 30)}))
    entry = manifest.tensors['w']
    with pytest.raises(FormatError, match='too often'):
        list(values.decoded(entry, [bytes(4)]))
    assert numpy.prod(entry.shape) == 1 << 30


def test_checkpoints_of_two_trainings_meet(repo: Repo) -> None:
    """Epochs and losses differ always: they are ours', and the report says so."""
    repo.git('model', 'track', '*.pt')

    def train(steps: int, rate: float) -> Callable[[], None]:
        def run() -> None:
            torch.manual_seed(0)
            net = torch.nn.Linear(4, 2)
            optimizer = torch.optim.Adam(net.parameters(), lr=rate)
            schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
            loss = 0.
            for _ in range(steps):
                optimizer.zero_grad()
                loss = net(torch.ones(3, 4)).square().sum()
                loss.backward()
                optimizer.step()
                schedule.step()
            repo.write('m.pt', saved({
                'model': net.state_dict(), 'optimizer': optimizer.state_dict(),
                'schedule': schedule.state_dict(), 'epoch': steps, 'loss': float(loss),
                'args': {'width': 4},
            }))

        return run

    repo.fork(train(1, .1), train(3, .1), train(6, .1))
    ours = torch.load(io.BytesIO(repo.read('m.pt')))
    repo.git('checkout', '-q', 'topic')
    theirs = torch.load(io.BytesIO(repo.read('m.pt')))
    repo.git('checkout', '-q', 'main')
    said = repo.run('git', 'merge', '--no-edit', 'topic').err
    assert '  epoch: taken from ours (state of one run)\n' in said
    found = torch.load(io.BytesIO(repo.read('m.pt')))
    mean = (ours['model']['weight'] + theirs['model']['weight']) / 2
    assert torch.equal(found['model']['weight'], mean)
    assert found['epoch'] == 3 and found['schedule'] == ours['schedule']
    torch.optim.Adam(torch.nn.Linear(4, 2).parameters()).load_state_dict(
        found['optimizer'])
