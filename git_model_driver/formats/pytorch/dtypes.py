"""PyTorch's names of element types in the words of core.dtype."""
from __future__ import annotations

from git_model_driver.core.errors import FormatError

_STORAGES = {
    'DoubleStorage': 'F64', 'FloatStorage': 'F32', 'HalfStorage': 'F16',
    'BFloat16Storage': 'BF16', 'LongStorage': 'I64', 'IntStorage': 'I32',
    'ShortStorage': 'I16', 'CharStorage': 'I8', 'ByteStorage': 'U8',
    'BoolStorage': 'BOOL', 'ComplexFloatStorage': 'C64',
    'ComplexDoubleStorage': 'C128', 'UntypedStorage': 'U8', 'QInt8Storage': 'I8',
    'QUInt8Storage': 'U8', 'QInt32Storage': 'I32', 'QUInt4x2Storage': 'U8',
    'QUInt2x4Storage': 'U8',
}
_DTYPES = {
    'float64': 'F64', 'double': 'F64', 'float32': 'F32', 'float': 'F32',
    'float16': 'F16', 'half': 'F16', 'bfloat16': 'BF16', 'int64': 'I64',
    'long': 'I64', 'int32': 'I32', 'int': 'I32', 'int16': 'I16', 'short': 'I16',
    'int8': 'I8', 'uint8': 'U8', 'uint16': 'U16', 'uint32': 'U32', 'uint64': 'U64',
    'bool': 'BOOL', 'complex64': 'C64', 'complex128': 'C128',
    'float8_e4m3fn': 'F8_E4M3', 'float8_e5m2': 'F8_E5M2',
    'float8_e4m3fnuz': 'F8_E4M3FNUZ', 'float8_e5m2fnuz': 'F8_E5M2FNUZ',
    'float8_e8m0fnu': 'F8_E8M0', 'float4_e2m1fn_x2': 'U8', 'complex32': '|V4',
}


def of_storage(name: str) -> str:
    """Of a class like FloatStorage. Raises FormatError."""
    if name not in _STORAGES:
        raise FormatError(f"pickle: storages of the unknown type '{name}'")
    return _STORAGES[name]


def of_torch(name: str) -> str:
    """Of a dtype like float8_e5m2. Raises FormatError."""
    if name not in _DTYPES:
        raise FormatError(f"pickle: tensors of the unknown type '{name}'")
    return _DTYPES[name]
