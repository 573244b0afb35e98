"""Which files a framework writes, as patterns of .gitattributes."""
from __future__ import annotations

from fnmatch import fnmatchcase

PRESETS: dict[str, tuple[str, ...]] = {
    'safetensors': ('*.safetensors',),
    'numpy': ('*.npy', '*.npz'),
    'keras': ('*.keras', '*.h5', '*.hdf5'),
    'tensorflow': (
        '*.index', '*.data-?????-of-?????', 'saved_model.pb', 'fingerprint.pb',
        '*.keras', '*.h5', '*.hdf5',
    ),
    'pytorch': (
        '*.pt', '*.pth', '*.ckpt', 'pytorch_model*.bin', 'adapter_model.bin',
        'training_args.bin', '*.safetensors',
    ),
    'onnx': ('*.onnx', '*.onnx.data', '*.onnx_data'),
    'flax': ('*.msgpack',),
    'gguf': ('*.gguf',),
    'huggingface': (
        '*.safetensors', 'pytorch_model*.bin', 'adapter_model.bin', '*.gguf',
        '*.onnx', '*.onnx.data', '*.onnx_data', '*.h5', '*.msgpack',
    ),
}
# Those whose models have JSON beside them that is merged key by key.
WITH_CONFIGS = frozenset({'huggingface'})


def of_file(name: str) -> str | None:
    """The narrowest preset with a file of that name, without its folders."""
    for preset, patterns in PRESETS.items():
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return preset
    return None
