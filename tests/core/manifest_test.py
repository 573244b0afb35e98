"""The manifest's text: one encoding, and clear words about any other."""
from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import ConflictMarkers
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.errors import UnsupportedManifest
from git_model_driver.core.manifest import Blob
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.model import KNOWN_KEYS
from git_model_driver.core.oid import Oid
from tests.testing import properties
from tests.testing.properties import PROPERTY

A, B = (Oid(f'sha256:{digit * 64}') for digit in 'ab')
GOLDEN = f'''\
git-model manifest v1
# The weights of this model are stored outside this file. To get them:
#   pip install git-model-driver && git model install && git model pull
format safetensors
layout {B} 77
meta "format" "pt"
meta "licence" "see\\u0020LICENCE"

tensor "a\\u0020b" I64 scalar {A} endian=big newer=1

tensor layers.2.w BF16 128256x4096 {A}

tensor layers.10.w F32 0 {B}
tensor layers.10.x F32 3 {B}
'''
HEAD = '\n'.join((manifests.FIRST_LINE, *manifests.COMMENT, ''))
EMPTY = f'{HEAD}format safetensors\nlayout canonical\n'


def damage(text: str) -> ManifestError:
    with pytest.raises(ManifestError) as e:
        manifests.parse(text, 'm.bin')
    return e.value


def only_known_keys(manifest: Manifest) -> Manifest:
    """Keys that nobody knows yet are a newer version's own affair."""
    return manifest._replace(tensors={
        name: entry._replace(
            extra=tuple(pair for pair in entry.extra if pair[0] in KNOWN_KEYS),
        )
        for name, entry in manifest.tensors.items()
    })


def test_a_manifest_is_this_text() -> None:
    entries = (
        Entry('layers.10.x', 'F32', (3,), B),
        Entry('layers.10.w', 'F32', (0,), B),
        Entry('layers.2.w', 'BF16', (128256, 4096), A),
        Entry('a b', 'I64', (), A, (('newer', '1'), ('endian', 'big'))),
    )
    made = Manifest(
        'safetensors', Blob(B, 77), {'licence': 'see LICENCE', 'format': 'pt'},
        {entry.name: entry for entry in entries},
    )
    assert manifests.serialize(made) == GOLDEN
    assert manifests.serialize(manifests.parse(GOLDEN)) == GOLDEN


@PROPERTY
@given(properties.manifests)
def test_parsing_undoes_writing(manifest: Manifest) -> None:
    text = manifests.serialize(manifest)
    read = manifests.parse(text.encode())
    assert read == manifest
    assert list(read.tensors) == list(manifest.tensors)
    assert list(read.meta) == list(manifest.meta)
    assert manifests.serialize(read) == text


@PROPERTY
@given(properties.manifests, properties.manifests)
def test_one_content_has_one_text(one: Manifest, other: Manifest) -> None:
    texts = manifests.serialize(one), manifests.serialize(other)
    assert (texts[0] == texts[1]) == (one == other)


@PROPERTY
@given(properties.manifests)
def test_the_text_is_plain(manifest: Manifest) -> None:
    text = manifests.serialize(manifest)
    assert text.endswith('\n') and '\n\n\n' not in text and '\r' not in text
    for line in text.split('\n'):
        assert line == line.strip() and '  ' not in line[3:]
    assert manifests.is_manifest(text.encode())
    assert not manifests.has_conflict(text)


@PROPERTY
@given(properties.manifests, st.randoms(use_true_random=False))
def test_blank_lines_comments_and_order_mean_nothing(
    manifest: Manifest, chance: random.Random,
) -> None:
    first, *rest = manifests.serialize(manifest).split('\n')[:-1]
    chunks = [line for line in rest if line.startswith('chunk')]
    others = [line for line in rest if line and not line.startswith('chunk')]
    lines = [*others, *[''] * 5, '# a comment, é', '#']
    chance.shuffle(lines)
    text = '\n'.join([first, *lines, *chunks, '']) + '\n'
    assert manifests.parse(text) == manifest


@PROPERTY
@given(properties.manifests, st.data())
def test_whatever_happened_to_the_bytes_is_a_manifest_error_or_fine(
    manifest: Manifest, data: st.DataObject,
) -> None:
    text = bytearray(manifests.serialize(manifest).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        gone = data.draw(st.integers(0, 12))
        text[at:at + gone] = data.draw(st.sampled_from([
            b'', b'\n', b' ', b'"', b'=', b'0', b'x', b'\xff', b'\0', b'\\u',
            b'\xd9\xa3', b'-', b'9' * 5000, b'tensor ', b'\nmeta "" ""\n', b'bytes=',
        ]))
    try:
        read = manifests.parse(bytes(text), 'm.bin')
    except ManifestError as e:
        assert "'m.bin'" in e.message and e.hints
        return
    assert manifests.parse(manifests.serialize(read)) == read


@PROPERTY
@given(properties.manifests, st.randoms(use_true_random=False))
def test_whatever_happened_to_the_lines_is_a_manifest_error_or_fine(
    manifest: Manifest, chance: random.Random,
) -> None:
    lines = manifests.serialize(manifest).split('\n')
    for _ in range(chance.randint(1, 3)):
        i, j = chance.randrange(len(lines)), chance.randrange(len(lines))
        change = chance.choice(('swap', 'drop', 'repeat', 'mix'))
        if change == 'swap':
            lines[i], lines[j] = lines[j], lines[i]
        elif change == 'drop' and len(lines) > 1:
            del lines[i]
        elif change == 'repeat':
            lines.insert(i, lines[j])
        else:
            words = lines[i].split(' ') + lines[j].split(' ')
            chance.shuffle(words)
            lines[i] = ' '.join(words[:chance.randint(0, 6)])
    try:
        read = manifests.parse('\n'.join(lines))
    except ManifestError:
        return
    assert manifests.parse(manifests.serialize(read)) == read


@pytest.mark.parametrize(('text', 'what'), [
    ('', f"line 1: expected '{manifests.FIRST_LINE}'"),
    ('GIF89a', f"line 1: expected '{manifests.FIRST_LINE}'"),
    (EMPTY[:-1], 'line 5: it is cut off'),
    (f'{EMPTY}\n  \n', "line 7: unknown word ''"),
    (f'{EMPTY}tensors a\n', "line 6: unknown word 'tensors'"),
    (f'{EMPTY}{"q" * 99}\n', f"line 6: unknown word '{'q' * 40}'"),
    (f'{EMPTY}format npy\n', 'line 6: the format is given twice'),
    (f'{EMPTY}layout canonical\n', 'line 6: the layout is given twice'),
    (f'{EMPTY}tensor a F32 1\n', 'line 6: expected 5 words, found 4'),
    (f'{EMPTY}tensor a F32 1 {A[:-1]}\n', f"line 6: '{A[:-1]}' is no oid"),
    (f'{EMPTY}tensor a F32 1x {A}\n', "line 6: '1x' is no shape"),
    (f'{EMPTY}tensor a F33 1 {A}\n', "line 6: unknown dtype 'F33'"),
    (f'{EMPTY}tensor a F4 1 {A}\n', 'line 6: F4 1 does not end on a byte'),
    (f'{EMPTY}tensor a F32 1 {A} \n', "line 6: expected key=value, found ''"),
    (f'{EMPTY}tensor a F32 1 {A} =1\n', "line 6: expected key=value, found '=1'"),
    (f'{EMPTY}tensor a F32 1 {A} k=1 k=2\n', 'line 6: a key is given twice'),
    (f'{EMPTY}tensor a F32 1 {A}\ntensor a F32 1 {A}\n',
     "line 7: tensor 'a' is given twice"),
    (f'{EMPTY}meta "a"\n', 'line 6: expected 3 words, found 2'),
    (f'{EMPTY}meta a 1\nmeta "a" 2\n', "line 7: metadata 'a' is given twice"),
    (f'{HEAD}format npy\nlayout {A}\n', 'line 5: expected 3 words, found 2'),
    (f'{HEAD}format npy\nlayout {A} -1\n', "line 5: '-1' is no number of bytes"),
    (f'{HEAD}format npy\nlayout x 1\n', "line 5: 'x' is no oid"),
    (f'{HEAD}', "is incomplete: no line 'format'"),
    (f'{HEAD}format npy\n', "is incomplete: no line 'layout'"),
    (f'{HEAD}format opaque\nlayout canonical\n',
     "is incomplete: format 'opaque' has chunks only"),
    (f'{HEAD}format opaque\nmeta a b\n',
     "is incomplete: format 'opaque' has chunks only"),
    (f'{EMPTY}chunk {A} 1\n', "is incomplete: format 'safetensors' has no chunks"),
])
def test_damage_is_told_with_its_line(text: str, what: str) -> None:
    error = damage(text)
    assert str(error) == (
        f"error: the manifest in 'm.bin' {what}\n"
        'hint: it was probably edited by hand; the last good version is '
        '"git show HEAD:m.bin", and "git checkout HEAD -- m.bin" brings it back'
    )


def test_bytes_that_are_no_text_are_told_with_their_place() -> None:
    with pytest.raises(ManifestError, match='is not UTF-8 at byte 22'):
        manifests.parse(b'git-model manifest v1\n\xff')


def test_line_ends_of_windows_are_told_with_the_attribute_that_prevents_them() -> None:
    with pytest.raises(ManifestError) as e:
        manifests.parse(GOLDEN.replace('\n', '\r\n').encode(), 'm.bin')
    assert str(e.value) == (
        "error: the manifest in 'm.bin' has CRLF line ends\n"
        'hint: the path needs "-text" in .gitattributes: git model track <pattern>'
    )


@pytest.mark.parametrize('version', ['v2', 'v10', 'v1.1', 'v1 ', '', 'x' * 99])
def test_another_version_is_left_to_a_newer_program(version: str) -> None:
    with pytest.raises(UnsupportedManifest) as e:
        manifests.parse(f'git-model manifest {version}\nwhatever', 'm.bin')
    assert e.value.message == (
        f"the manifest in 'm.bin' is of version '{version[:40]}': "
        'it was written by a newer git-model'
    )
    assert 'upgrade' in e.value.hints[0]


@pytest.mark.parametrize(('count', 'said'), [(1, '1 conflict'), (2, '2 conflicts')])
def test_conflict_markers_are_told_with_the_way_out(count: int, said: str) -> None:
    hunk = '<<<<<<< ours\n=======\n>>>>>>> theirs\n'
    with pytest.raises(ConflictMarkers) as e:
        manifests.parse(EMPTY + hunk * count, 'm.bin')
    assert e.value.message == f"'m.bin' has {said} left to settle"
    assert 'git model resolve --ours|--theirs|--base m.bin' in e.value.hints[0]


@pytest.mark.parametrize('text', ['<<<<<<', ' <<<<<<< a', '<<<<<<<a', 'a <<<<<<<'])
def test_only_a_marker_is_a_conflict(text: str) -> None:
    assert not manifests.has_conflict(f'a\n{text}\n')
    assert manifests.has_conflict(f'a\n<<<<<<<<< {text}\n')


def test_words_on_a_tensor_line_that_are_not_known_are_kept() -> None:
    text = f'{EMPTY}\ntensor a F32 1 {A} alpha="x\\u0020y" zeta=\n'
    read = manifests.parse(text)
    assert read.tensors['a'].extra == (('alpha', 'x y'), ('zeta', ''))
    encoded = manifests.serialize(read)
    assert encoded == text.replace('zeta=', 'zeta=""')
    assert manifests.serialize(manifests.parse(encoded)) == encoded


@PROPERTY
@given(properties.manifests, properties.manifests)
def test_texts_mean_the_same_if_they_say_the_same(
    one: Manifest, other: Manifest,
) -> None:
    texts = [manifests.serialize(manifest) for manifest in (one, other)]
    known = [only_known_keys(manifest) for manifest in (one, other)]
    assert manifests.same_meaning(*texts) == (known[0] == known[1])
    assert manifests.same_meaning(texts[0], texts[0].replace('\n', '\n\n'))
    assert manifests.same_meaning(texts[0], manifests.serialize(known[0]))


@pytest.mark.parametrize(('change', 'same'), [
    (('newer=1', 'newer=2'), True),
    ((' newer=1', ''), True),
    (('newer=1', 'aaa=1 newer=1'), True),
    (('"a\\u0020b"', '"\\u0061\\u0020b"'), True),
    (('\n\n', '\n'), True),
    (('# The', '# Die'), True),
    ((' endian=big', ''), False),
    (('"pt"', '"tf"'), False),
    ((' 77', ' 78'), False),
    (('F32 3', 'F32 4'), False),
    ((f'tensor layers.10.x F32 3 {B}\n', ''), False),
    ((f'BF16 128256x4096 {A}', f'BF16 128256x4096 {B}'), False),
    (('format safetensors', 'format npz'), False),
])
def test_what_changes_the_meaning_and_what_does_not(
    change: tuple[str, str], same: bool,
) -> None:
    other = GOLDEN.replace(*change)
    assert other != GOLDEN
    assert manifests.same_meaning(GOLDEN, other) == same
    assert manifests.same_meaning(other, GOLDEN) == same


def test_the_order_of_pieces_has_a_meaning_that_of_tensors_has_none() -> None:
    chunks = [f'chunk {A} 1', f'chunk {B} 2']
    opaque = f'{HEAD}format opaque\n'
    one, other = ('\n'.join(lines) for lines in (chunks, chunks[::-1]))
    assert not manifests.same_meaning(f'{opaque}{one}\n', f'{opaque}{other}\n')
    lines = GOLDEN.removesuffix('\n').split('\n')
    shuffled = '\n'.join([lines[0], *lines[:0:-1]]) + '\n'
    assert manifests.same_meaning(GOLDEN, shuffled)


def test_an_entry_knows_the_length_of_its_extent() -> None:
    assert Entry('a', 'F32', (3,), A).nbytes == 12
    deflated = (('bytes', '7'), ('encoding', 'deflate'))
    assert Entry('a', 'F32', (3,), A, deflated).nbytes == 7


def test_a_manifest_knows_every_object_it_needs() -> None:
    assert sorted(manifests.parse(GOLDEN).oids) == [A, A, B, B, B]
    chunks = Manifest('opaque', chunks=(Blob(A, 1), Blob(B, 2), Blob(A, 1)))
    assert list(chunks.oids) == [A, B, A]
