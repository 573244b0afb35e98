"""Putting a file together: what is wrong is found before the first byte."""
from __future__ import annotations

import zlib
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save

from git_model_driver.core import skeleton as skeletons
from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import FormatError
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.manifest import Blob
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.core.skeleton import Literal
from git_model_driver.core.skeleton import RangeSum
from git_model_driver.core.skeleton import Segment
from git_model_driver.core.skeleton import Slot
from git_model_driver.filters.smudge import Assembly
from tests.testing.models import Vault
from tests.testing.models import info
from tests.testing.models import npz
from tests.testing.models import numbered
from tests.testing.models import safetensors

NOWHERE = Oid(f'sha256:{"0" * 64}')


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


def refused(vault: Vault, manifest: Manifest) -> GitModelError:
    with pytest.raises(GitModelError) as e:
        Assembly(manifest, vault.store, 'm.bin').check()
    return e.value


def with_skeleton(
    vault: Vault, manifest: Manifest, segments: list[Segment], literals: bytes = b'',
) -> Manifest:
    data = skeletons.serialize(segments, literals)
    return manifest._replace(skeleton=Blob(vault.put(data), len(data)))


def one_tensor(vault: Vault) -> Manifest:
    """A file of one tensor in a layout of its own: no tensor comes first in it."""
    return vault.around(safetensors(
        {'w': info('U8', [4], 0, 4), 'v': info('F32', [1], 4, 8)}, b'12345678',
    ))


@pytest.mark.parametrize(('names', 'said'), [
    (['v'], '1 tensor that is'), (['v', 'w'], '2 tensors that are'),
])
def test_missing_tensors_are_counted(
    vault: Vault, names: list[str], said: str,
) -> None:
    manifest = one_tensor(vault)
    for name in names:
        vault.store.path(manifest.tensors[name].oid).unlink()
    error = refused(vault, manifest)
    assert isinstance(error, MissingObject)
    assert str(error) == (
        f"error: 'm.bin' has {said} not in the store\n"
        'hint: get what is missing with "git model pull m.bin"'
    )


def test_a_missing_skeleton_is_missing(vault: Vault) -> None:
    manifest = one_tensor(vault)._replace(skeleton=Blob(NOWHERE, 9))
    assert isinstance(refused(vault, manifest), MissingObject)


@pytest.mark.parametrize('which', ['tensor', 'skeleton', 'chunk'])
def test_damage_is_found_before_anything_is_written(vault: Vault, which: str) -> None:
    manifest = one_tensor(vault)
    oid = manifest.tensors['v'].oid
    if which == 'skeleton':
        assert manifest.skeleton
        oid = manifest.skeleton.oid
    elif which == 'chunk':
        manifest = vault.around(b'no model')
        oid = manifest.chunks[0].oid
    path = vault.store.path(oid)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + b'!')
    assert isinstance(refused(vault, manifest), CorruptObject)


def test_a_tensor_of_another_length_does_not_fit(vault: Vault) -> None:
    manifest = one_tensor(vault)
    longer = manifest.tensors['w']._replace(shape=(5,), oid=vault.put(b'abcde'))
    changed = manifest._replace(tensors={**manifest.tensors, 'w': longer})
    error = refused(vault, changed)
    assert isinstance(error, ManifestError)
    assert error.message == (
        "'m.bin': the layout and the tensor 'w' do not fit together"
    )
    assert 'git checkout HEAD -- m.bin' in error.hints[0]


def test_an_object_of_another_length_than_the_line_says_does_not_fit(
    vault: Vault,
) -> None:
    manifest = vault.around(save({'w': numpy.ones(3, 'f4')}))
    wrong = manifest.tensors['w']._replace(oid=vault.put(b'short'))
    error = refused(vault, manifest._replace(tensors={'w': wrong}))
    assert isinstance(error, ManifestError)
    opaque = Manifest('opaque', chunks=(Blob(vault.put(b'hello'), 4),))
    assert isinstance(refused(vault, opaque), ManifestError)


def test_a_tensor_that_the_layout_wants_and_that_is_not_there_is_told(
    vault: Vault,
) -> None:
    manifest = one_tensor(vault)
    error = refused(vault, manifest._replace(tensors={'w': manifest.tensors['w']}))
    assert "the tensor 'v' do not fit" in error.message


def test_a_tensor_without_a_place_is_told(vault: Vault) -> None:
    manifest = one_tensor(vault)
    more = Entry('more', 'U8', (5,), vault.put(b'abcde'))
    tensors = {**manifest.tensors, 'more': more}
    error = refused(vault, manifest._replace(tensors=tensors))
    assert "the tensor 'more' do not fit" in error.message


def test_a_format_of_a_newer_version_is_told(vault: Vault) -> None:
    error = refused(vault, Manifest('gguf9'))
    assert isinstance(error, FormatError)
    assert "the format 'gguf9' is not known here" in error.message


def test_what_the_canonical_writer_cannot_hold_is_told(vault: Vault) -> None:
    entry = Entry('w', 'C128', (1,), vault.put(bytes(16)))
    assert isinstance(refused(vault, Manifest('safetensors', None, {}, {'w': entry})),
                      FormatError)
    assert isinstance(refused(vault, Manifest('npy')), FormatError)


@pytest.mark.parametrize('data', [b'', b'no skeleton', b'git-model skeleton v1\n{}\n'])
def test_a_skeleton_that_is_none_is_told(vault: Vault, data: bytes) -> None:
    blob = Blob(vault.put(data), len(data))
    with pytest.raises(GitModelError):
        Assembly(one_tensor(vault)._replace(skeleton=blob), vault.store).check()


@pytest.mark.parametrize('segments', [
    [RangeSum('crc32', 0, 8), RangeSum('crc32', 0, 4)],     # one of the other
    [RangeSum('crc32', 0, 4)],                                  # of itself
    [Slot('w', 4), Slot('v', 4), RangeSum('crc32', 1, 3)],      # of half a tensor
])
def test_a_checksum_of_what_cannot_be_summed_is_told(
    vault: Vault, segments: list[Segment],
) -> None:
    manifest = with_skeleton(vault, one_tensor(vault), segments)
    assert isinstance(refused(vault, manifest), ManifestError)


def test_checksums_cover_literals_and_tensors(vault: Vault) -> None:
    segments = [Literal(0, 4), Slot('w', 4), Literal(4, 2), Slot('v', 4),
                RangeSum('crc32', 2, 7), RangeSum('crc32', 0, 14),
                RangeSum('crc32', 3, 0)]
    manifest = with_skeleton(vault, one_tensor(vault), segments, b'abcdef')
    data = b'abcd1234ef5678'
    assert vault.put_together(manifest) == data + b''.join(
        zlib.crc32(part).to_bytes(4, 'little') for part in (data[2:9], data, b'')
    )


def test_a_tensor_may_have_several_places(vault: Vault) -> None:
    segments: list[Segment] = [Slot('w', 4), Slot('v', 4), Slot('w', 4)]
    manifest = with_skeleton(vault, one_tensor(vault), segments)
    assert vault.put_together(manifest) == b'123456781234'


def test_checking_writes_nothing_and_can_be_repeated(vault: Vault) -> None:
    data = npz(w=numbered(4), b=numbered(3, seed=1))
    manifest = vault.take_apart(data)
    for _ in range(2):
        assert vault.put_together(manifest) == data


def test_what_is_held_need_not_be_read_again(vault: Vault) -> None:
    """Nor decoded: each place of a tensor but the first is read from the store."""
    segments: list[Segment] = [Slot('w', 4), Slot('v', 4), Slot('w', 4)]
    manifest = with_skeleton(vault, one_tensor(vault), segments)
    vault.store.recent.add(manifest.tensors['w'].oid, memoryview(b'held'))
    assert vault.put_together(manifest) == b'held56781234'
    assert vault.put_together(manifest) == b'123456781234'
