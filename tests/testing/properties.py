"""What property tests share: settings, and strategies for names and manifests."""
from __future__ import annotations

from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st

from git_model_driver.core import words
from git_model_driver.core.dtype import SAFETENSORS
from git_model_driver.core.manifest import OPAQUE
from git_model_driver.core.manifest import Blob
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid

# The same examples on every machine and in every run.
PROPERTY = settings(
    max_examples=150, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)
FEW = settings(PROPERTY, max_examples=40)

# What would be taken for the structure of a line if it were not quoted.
_ODD = st.sampled_from([
    '', ' ', '"', '\\', '\n', '\r', '\t', '\x00', '\x7f', '\x85', '\u2028', '\u202e',
    '\ufeff', 'tensor', 'a b', 'a\ntensor b F32 1 x', '"a"', '#', '=', '\\n', 'é',
    '<<<<<<< ', '=======', '\U0001f600', '__metadata__', 'layers.10.w', 'layers.2.w',
])
texts = st.one_of(
    _ODD,
    st.text(st.characters(exclude_categories=['Cs']), max_size=12),
    st.lists(_ODD, max_size=3).map(''.join),
    st.from_regex(r'(model\.)?layers\.0?[0-9]{1,2}(\.w|/b)?', fullmatch=True),
)
oids = st.integers(0, 50).map(lambda n: Oid(f'sha256:{n:064x}'))
blobs = st.builds(Blob, oids, st.integers(0, 1 << 40))
keys = st.sampled_from(['endian', 'order', 'start', 'strides', 'zz', 'newer-key'])
extras = st.dictionaries(keys, texts, max_size=2).map(
    lambda pairs: tuple(sorted(pairs.items())),
)


@st.composite
def entries(draw: st.DrawFn, name: str) -> Entry:
    """A tensor of that name; its shape ends on a byte whatever the dtype."""
    dtype = draw(st.sampled_from([*SAFETENSORS, 'C128', 'BYTES', '|S3', '<M8[ns]']))
    shape = draw(st.lists(st.integers(0, 1 << 40), max_size=3))
    if dtype.startswith(('F4', 'F6')):
        shape = [8 * n for n in shape] or [8]
    return Entry(name, dtype, tuple(shape), draw(oids), draw(extras))


@st.composite
def models(draw: st.DrawFn) -> Manifest:
    """A manifest with tensors."""
    names = sorted(draw(st.sets(texts, max_size=6)), key=words.natural_key)
    meta = draw(st.dictionaries(texts, texts, max_size=3))
    return Manifest(
        draw(st.sampled_from(['safetensors', 'npz', 'gguf'])),
        draw(st.none() | blobs),
        dict(sorted(meta.items())),
        {name: draw(entries(name)) for name in names},
    )


manifests = models() | st.lists(blobs, min_size=1, max_size=4).map(
    lambda chunks: Manifest(OPAQUE, chunks=tuple(chunks)),
)
