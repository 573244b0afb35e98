"""Manifests with conflicts in them, and settling these."""
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.manifest import Blob
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.core.words import natural_key
from git_model_driver.merging import conflicts
from git_model_driver.merging import resolve
from git_model_driver.merging.conflicts import Hunk
from git_model_driver.merging.conflicts import Labels
from git_model_driver.merging.merge import Merged
from git_model_driver.merging.merge import merge
from git_model_driver.merging.rules import Choice
from git_model_driver.merging.versions import Means
from git_model_driver.merging.versions import Versions
from git_model_driver.store.objects import Store
from tests.testing.deciding import fixed
from tests.testing.properties import PROPERTY

OIDS = [Oid(f'sha256:{digit * 64}') for digit in '0123']
LAYOUT = Blob(OIDS[3], 9)
NAMES = ['w', 'a b', 'layers.2.w', 'layers.10.w', '<<<<<<< w', 'é']


def entry(name: str, value: int) -> Entry:
    return Entry(name, 'F32', (1,), OIDS[value])


def manifest(
    values: dict[str, int], meta: dict[str, str], form: str = 'safetensors',
) -> Manifest:
    ordered = sorted(values, key=natural_key)
    entries = {name: entry(name, values[name]) for name in ordered}
    return Manifest(form, None, dict(sorted(meta.items())), entries)


sides = st.builds(
    manifest,
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2)),
    st.dictionaries(st.sampled_from(['k', 'k 2', '']), st.sampled_from('12 ')),
)


def left_open(versions: Versions) -> Merged:
    """The merge with every tensor that both sides changed in conflict."""
    store = Store(Path('/nowhere'))
    rules = fixed(Choice('conflict', {}, True, 'here:1'))
    return merge(versions, Means(rules, store))


@PROPERTY
@given(sides, sides, sides)
def test_only_what_both_sides_changed_stands_between_markers(
    base: Manifest, ours: Manifest, theirs: Manifest,
) -> None:
    versions = Versions(base, (ours, theirs))
    merged = left_open(versions)
    if not merged.reasons:
        return
    text = conflicts.render(merged, versions, Labels('HEAD', 'topic', 9))
    assert manifests.has_conflict(text) and manifests.is_manifest(text.encode())
    with pytest.raises(manifests.ConflictMarkers):
        manifests.parse(text)
    marked = conflicts.parse(text, 'm.bin')
    keys = {key for hunk in marked.hunks for key in hunk.keys}
    assert keys == {
        *(('tensor', name) for name in merged.conflicts),
        *(('meta', key) for key in merged.meta_conflicts),
    }
    assert all(hunk.reason for hunk in marked.hunks)
    reasons = {name: h.reason for h in marked.hunks for _, name in h.keys}
    assert {*merged.conflicts.items()} <= {*reasons.items()}
    for side, lines in ((ours, 0), (theirs, 1)):
        settled = manifests.parse(taking(marked, lines))
        assert settled.tensors == {
            **merged.tensors,
            **{n: side.tensors[n] for n in merged.conflicts if n in side.tensors},
        }
        assert settled.meta == {
            **merged.meta,
            **{k: side.meta[k] for k in merged.meta_conflicts if k in side.meta},
        }


def taking(marked: conflicts.Marked, side: int) -> str:
    lines: list[str] = []
    for part in marked.parts:
        lines += part[side] if isinstance(part, Hunk) else [part]
    return '\n'.join(lines) + '\n'


@PROPERTY
@given(sides, sides, sides)
def test_swapping_the_sides_settles_the_same(
    base: Manifest, ours: Manifest, theirs: Manifest,
) -> None:
    one = left_open(Versions(base, (ours, theirs)))
    other = left_open(Versions(base, (theirs, ours)))
    assert one.tensors == other.tensors and one.meta == other.meta
    assert one.conflicts.keys() == other.conflicts.keys()
    assert one.meta_conflicts.keys() == other.meta_conflicts.keys()


@PROPERTY
@given(sides, sides)
def test_a_merge_with_the_base_is_the_other_side(
    base: Manifest, ours: Manifest,
) -> None:
    for versions in (Versions(base, (ours, base)), Versions(base, (base, ours)),
                     Versions(base, (ours, ours)), Versions(None, (ours, ours))):
        merged = left_open(versions)
        assert merged.manifest == ours and not merged.reasons


HEAD = '\n'.join((manifests.FIRST_LINE, *manifests.COMMENT, ''))
A, B, C = (manifests.tensor_line(entry('a', value)) for value in range(3))


def conflict(*middle: str) -> str:
    lines = ['<<<<<<< HEAD: both sides changed it', A, *middle, B, '>>>>>>> topic']
    return HEAD + '\n'.join(['format npy', 'layout canonical', *lines, C, ''])


def test_a_conflict_is_this_text() -> None:
    versions = Versions(
        manifest({'w': 0, 'x': 0}, {'k': '0'}),
        (manifest({'w': 1, 'x': 0}, {'k': '1'}), manifest({'x': 1}, {'k': '2'})),
    )
    text = conflicts.render(left_open(versions), versions, Labels('HEAD', 'topic', 8))
    changed = 'both sides changed it (rule at here:1)'
    assert text == f'''\
{HEAD}format safetensors
layout canonical
<<<<<<<< HEAD: both sides changed it
meta "k" "1"
========
meta "k" "2"
>>>>>>>> topic

<<<<<<<< HEAD: {changed}
{manifests.tensor_line(entry('w', 1))}
========
>>>>>>>> topic
{manifests.tensor_line(entry('x', 1))}
'''


@pytest.mark.parametrize('middle', [
    ['======='],
    ['||||||| base', C, '======='],
    ['', '', '||||||| 1234567', '=======', ''],
    ['# a comment', '======='],
])
def test_conflicts_of_all_styles_are_read(middle: list[str]) -> None:
    marked = conflicts.parse(conflict(*middle), 'm.bin')
    (hunk,) = marked.hunks
    assert (hunk.ours, hunk.theirs) == ((A,), (B,))
    assert hunk.keys == [('tensor', 'a')]
    assert hunk.reason == 'both sides changed it'
    assert hunk.lines == [hunk.opening, A, '=======', B, hunk.closing]
    assert C in marked.parts


@pytest.mark.parametrize('middle', [
    [], ['=======', '======='], ['||||||| base'], ['<<<<<<< HEAD', '======='],
    ['>>>>>>> topic'], ['=======', '||||||| base'],
    ['||||||| base', '||||||| base', '======='],
])
def test_markers_that_do_not_match_are_told(middle: list[str]) -> None:
    with pytest.raises(ManifestError) as e:
        conflicts.parse(conflict(*middle), 'm.bin')
    assert e.value.message.startswith("the conflict markers in 'm.bin' line ")
    assert e.value.hints == ('make them anew with "git checkout -m -- m.bin"',)


@pytest.mark.parametrize('text', [
    '<<<<<<< HEAD\n', '=======\n', '>>>>>>> topic\n', '||||||| base\n',
    '<<<<<<< HEAD\n=======\n',
])
def test_half_a_conflict_is_told(text: str) -> None:
    with pytest.raises(ManifestError, match='do not match'):
        conflicts.parse(HEAD + text, 'm.bin')


def test_a_hunk_can_be_settled_in_part() -> None:
    more = manifests.tensor_line(entry('b', 1))
    hunk = Hunk((A, more), (B,), '<<<<<<< x: why', '>>>>>>> y')
    assert hunk.keys == [('tensor', 'a'), ('tensor', 'b')]
    only = hunk.only([('tensor', 'b')])
    assert only.keys == [('tensor', 'b')] and only.theirs == ()
    assert hunk.only([]).keys == []


@pytest.mark.parametrize(('line', 'key'), [
    ('tensor a F32 1 x', ('tensor', 'a')),
    ('tensor "a\\u0020b" F32 1 x', ('tensor', 'a b')),
    ('tensor "broken', ('tensor', '"broken')),
    ('meta "k" "v"', ('meta', 'k')),
    ('layout canonical', ('layout', '')), ('format npy', ('format', '')),
    ('chunk x 1', ('chunk', '')), ('tensor', ('tensor', '')), ('', ('', '')),
])
def test_lines_have_keys(line: str, key: tuple[str, str]) -> None:
    assert conflicts.key_of(line) == key


@pytest.mark.parametrize(('key', 'name'), [
    (('tensor', 'a.b'), 'a.b'), (('meta', 'k'), 'meta k'), (('layout', ''), 'layout'),
])
def test_conflicts_have_names(key: tuple[str, str], name: str) -> None:
    assert resolve.name_of(key) == name


@pytest.mark.parametrize(('ours', 'theirs', 'reason'), [
    (manifest({'a': 1}, {}, 'npy'), manifest({'a': 2}, {}, 'npz'),
     'formats differ: ours npy, theirs npz'),
    (Manifest('opaque', chunks=(Blob(OIDS[0], 1),)), manifest({'a': 2}, {}),
     'both sides changed it, and it is no model that can be read'),
])
def test_what_cannot_be_compared_is_in_conflict_as_a_whole(
    ours: Manifest, theirs: Manifest, reason: str,
) -> None:
    versions = Versions(manifest({'a': 0}, {}), (ours, theirs))
    merged = left_open(versions)
    assert merged.reasons == {'the whole file': reason}
    text = conflicts.render(merged, versions, Labels())
    marked = conflicts.parse(text, 'm.bin')
    assert len(marked.hunks) == 1 and marked.hunks[0].reason == reason
    for side, lines in ((ours, 0), (theirs, 1)):
        assert manifests.parse(taking(marked, lines)) == side


def test_texts_that_are_no_manifests_stand_one_behind_the_other() -> None:
    text = conflicts.whole_file('a\nb\n', '', 'why', Labels('x', 'y', 7))
    assert text == '<<<<<<< x: why\na\nb\n=======\n>>>>>>> y\n'
