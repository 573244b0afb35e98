"""GGUF files, with the gguf library as the writer and the judge."""
from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf as library
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import FormatError
from git_model_driver.core.manifest import Blob
from git_model_driver.core.manifest import Entry
from git_model_driver.formats import base
from git_model_driver.formats import gguf
from git_model_driver.formats import ggufvalues
from git_model_driver.formats import registry
from tests.testing.models import Vault
from tests.testing.repository import Repo

Q8 = library.GGMLQuantizationType.Q8_0
TOKENS = [f'token {i} é' for i in range(500)]


def write(path: Path, step: float = 0, layers: int = 2, name: str = 'tiny',
          scale: float = 1) -> Path:
    writer = library.GGUFWriter(path, 'llama')
    writer.add_name(name)
    writer.add_context_length(4096)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_token_list(TOKENS)
    writer.add_token_types([1] * 500)
    writer.add_bool('tokenizer.ggml.add_bos_token', True)
    writer.add_array('general.tags', ['a', 'ü "b"'])
    for i in range(layers):
        weight = numpy.arange(12, dtype='f4').reshape(3, 4) + i + step
        writer.add_tensor(f'blk.{i}.w', weight)
        writer.add_tensor(f'blk.{i}.half', weight.astype('f2'))
    values = numpy.linspace(-scale, scale, 128, dtype='f4').reshape(2, 64)
    writer.add_tensor('q', library.quantize(values, Q8), raw_dtype=Q8)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def fields(path: Path) -> dict[str, Any]:
    reader = library.GGUFReader(path)
    return {k: f.contents() for k, f in reader.fields.items() if '.' in k}


def arrays(path: Path) -> dict[str, Any]:
    return {t.name: t.data.tolist() for t in library.GGUFReader(path).tensors}


def test_the_library_sees_the_same_tensors(tmp_path: Path) -> None:
    path = write(tmp_path / 'm.gguf')
    layout = registry.read_any(path.read_bytes())
    assert layout and layout.format == 'gguf'
    found = {t.name: t for t in layout.tensors if t.dtype != 'BYTES'}
    theirs = library.GGUFReader(path).tensors
    assert [
        (t.name, t.tensor_type.name, tuple(t.shape.tolist())[::-1], t.data_offset,
         t.n_bytes) for t in theirs
    ] == [(n, t.dtype, t.shape, *t.extent) for n, t in found.items()]
    assert dict(layout.meta) == {
        'general.architecture': 'str llama', 'general.name': 'str tiny',
        'llama.context_length': 'u32 4096',
        'llama.attention.layer_norm_rms_epsilon': 'f32 9.999999747378752e-06',
        'tokenizer.ggml.add_bos_token': 'bool true',
        'general.tags': '[str] ["a","ü \\"b\\""]',
    }
    assert {t.name for t in layout.tensors if t.dtype == 'BYTES'} == {
        'tokenizer.ggml.tokens', 'tokenizer.ggml.token_type',
    }


def test_types_and_their_sizes_are_the_librarys() -> None:
    sizes = library.GGML_QUANT_SIZES
    assert gguf._TYPES == {int(k): k.name for k in sizes}
    for kind, (elements, nbytes) in sizes.items():
        assert dtypes.byte_length(kind.name, (3, elements)) == 3 * nbytes
        if elements > 1:
            with pytest.raises(FormatError):
                dtypes.byte_length(kind.name, (3, elements + 1))


def test_round_trip_and_one_object_per_change(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    one = vault.around(write(tmp_path / 'a.gguf').read_bytes())
    two = vault.around(write(tmp_path / 'b.gguf', step=1).read_bytes())
    changed = {n for n in one.tensors if one.tensors[n] != two.tensors[n]}
    assert changed == {'blk.0.w', 'blk.1.w', 'blk.0.half', 'blk.1.half'}
    assert one.skeleton == two.skeleton


def test_what_is_written_anew_is_the_same_model(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    path = write(tmp_path / 'a.gguf')
    manifest = vault.around(path.read_bytes())

    def extent(entry: Entry) -> Iterator[memoryview]:
        with vault.store.open(entry.oid) as file:
            yield from file.chunks()

    skeleton = gguf.rebuild(manifest, extent)
    blob = Blob(vault.put(skeleton), len(skeleton))
    written = manifest._replace(skeleton=blob)
    again = tmp_path / 'b.gguf'
    again.write_bytes(vault.put_together(written))
    assert vault.take_apart(again.read_bytes()) == written
    assert fields(again) == fields(path) and arrays(again) == arrays(path)


@pytest.fixture
def models(repo: Repo) -> Repo:
    repo.run('git', 'model', 'track', '*.gguf')
    return repo


def steps(repo: Repo, base: Any, ours: Any, theirs: Any) -> Path:
    path = repo.path / 'm.gguf'
    write(path, **base)
    repo.commit('base')
    repo.git('checkout', '-q', '-b', 'topic')
    write(path, **theirs)
    repo.commit('theirs')
    repo.git('checkout', '-q', 'main')
    write(path, **ours)
    repo.commit('ours')
    return path


@pytest.mark.parametrize('operation,expected', [('merge', 3.), ('rebase', 6.)])
def test_versions_meet(models: Repo, operation: str, expected: float) -> None:
    path = steps(models, {}, {'step': 2}, {'step': 4})
    models.git(operation, '-q', 'topic')
    for i in range(2):
        weight = numpy.arange(12).reshape(3, 4) + i + expected
        assert arrays(path)[f'blk.{i}.w'] == weight.tolist()
        assert arrays(path)[f'blk.{i}.half'] == weight.tolist()
    assert models.status() == ''


def test_both_sides_change_the_structure(models: Repo) -> None:
    path = steps(models, {}, {'name': 'ours'}, {'layers': 3})
    models.git('merge', '-q', 'topic')
    assert fields(path)['general.name'] == 'ours'
    assert fields(path)['tokenizer.ggml.tokens'] == TOKENS
    assert sorted(arrays(path)) == sorted(
        ['q', *(f'blk.{i}.{k}' for i in range(3) for k in ('w', 'half'))],
    )


def test_quantised_on_both_sides_is_a_conflict(models: Repo) -> None:
    path = steps(models, {}, {'scale': 2}, {'scale': 3, 'step': 4})
    said = models.run('git', 'merge', '-q', 'topic', code=1)
    assert 'q' in said.err
    text = path.read_text()
    assert text.count('<<<<<<<') == 1 and text.count('\ntensor q Q8_0 2x64 ') >= 2
    models.run('git', 'model', 'resolve', '--theirs', 'm.gguf')
    models.git('commit', '-q', '-m', 'merged')
    values = numpy.linspace(-3, 3, 128, dtype='f4').reshape(2, 64)
    assert arrays(path)['q'] == library.quantize(values, Q8).tolist()
    assert arrays(path)['blk.0.w'][0][0] == 4


VALUES = st.one_of(
    st.text(max_size=9).map(lambda t: f'str {t}'),
    st.integers(0, 2 ** 64 - 1).map(lambda n: f'u64 {n}'),
    st.integers(-2 ** 31, 2 ** 31 - 1).map(lambda n: f'i32 {n}'),
    st.floats(allow_nan=False).map(lambda x: ggufvalues.text(
        struct.pack('<Id', 12, x)) or ''),
)


@given(VALUES)
def test_text_and_bytes_of_a_value_are_each_others_inverse(text: str) -> None:
    assert ggufvalues.text(ggufvalues.pack(text)) == text


@pytest.mark.parametrize('text', [
    '', 'u32', 'u32 -1', 'u32 1.5', 'u32 true', 'bool 1', 'u8 256', 'x 1',
    '[u32] 1', '[str] [1]', '[[u8]] [[1]]', 'u32 "1"', 'f32 1e40',
])
def test_what_gguf_cannot_hold(text: str) -> None:
    with pytest.raises(FormatError):
        ggufvalues.pack(text)


def test_hostile_counts_are_refused_at_once() -> None:
    huge = struct.pack('<4sIQQ', b'GGUF', 3, 2 ** 60, 2 ** 60)
    strings = struct.pack('<4sIQQQ1sIIQ', b'GGUF', 3, 0, 1, 1, b'k', 9, 8, 2 ** 60)
    nested = struct.pack('<4sIQQQ1s', b'GGUF', 3, 0, 1, 1, b'k')
    nested += struct.pack('<I', 9) + struct.pack('<IQ', 9, 1) * 9 + bytes(99)
    for data in (huge, strings, nested, b'GGUF', b'GGUF' + bytes(99)):
        assert registry.read_any(data) is None


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    data = write(tmp_path / 'm.gguf').read_bytes()
    header = data.index(b'blk.0.w') + 400
    chance = random.Random(1)
    refused = 0
    for _ in range(3000):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(header)] = chance.choice((0, 1, 8, 9, 127, 255))
        try:
            base.read(gguf, bytes(damaged))
        except FormatError:
            refused += 1
    assert 0 < refused < 3000
