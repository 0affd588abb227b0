"""A pickle walked without running it: what it would build stands there as plain data, what it would call as a name.

``pickletools`` reads the opcodes (CPython, Lib/pickletools.py says what each does to the stack); nothing is imported,
nothing is called. Of all calls only those that make dictionaries and tensors are understood.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from desktop_app.checkpoints.contents import Tensor

MOST_STEPS = 1_000_000
"""Opcodes of one file; a Stable Diffusion XL checkpoint has some 100,000."""
_LONGEST_NAME = 1024
_LARGEST = 2**63
_MOST_AXES = 32
ITEM_SIZES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1,
    "bool": 1, "complex64": 8, "float8_e4m3fn": 1, "float8_e5m2": 1,
}  # fmt: skip
_STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64", "UntypedStorage": "uint8",
}  # fmt: skip


class DamagedPickle(ValueError):
    """A pickle is cut off, makes no sense or does more than any weights need."""


@dataclass(frozen=True, slots=True)
class Name:
    """Something a pickle imports, "module.name"."""

    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    """The numbers of one or several tensors, which lie elsewhere in the file."""

    key: str
    dtype: str
    count: int


@dataclass(slots=True)
class Made:
    """What a call that is not understood would give; ``state`` is what is put into it afterwards."""

    state: Any = field(default_factory=dict)


_MARK = object()


class PickleMachine:
    """The stack, and what was found on the way: :attr:`imports` and :attr:`storages`."""

    def __init__(self) -> None:
        self.imports: dict[str, None] = {}
        """What the pickles import, in order."""
        self.storages: dict[str, Storage] = {}
        self._steps = 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def load(self, stream: BytesIO) -> Any:
        """What the next pickle in ``stream`` describes. Raises :class:`DamagedPickle`."""
        self._stack, self._memo = [], {}
        try:
            for opcode, argument, _ in pickletools.genops(stream):
                self._steps += 1
                if self._steps > MOST_STEPS:
                    raise DamagedPickle("it has too many steps")
                self._do(opcode.name, argument)
            return self._stack[-1]
        except (ValueError, IndexError, KeyError, TypeError, OverflowError, RecursionError, struct.error) as problem:
            raise DamagedPickle(str(problem)) from problem

    def _do(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name in _PUTS:
            self._memo[len(self._memo) if name == "MEMOIZE" else argument] = self._stack[-1]
        elif name in _GETS:
            self._stack.append(self._memo[argument])
        elif name not in _NOTHING:
            _STEPS[name](self, argument)

    def _pop_to_mark(self) -> list[Any]:
        start = len(self._stack) - 1
        while self._stack[start] is not _MARK:
            start -= 1
            if start < 0:
                raise DamagedPickle("it has no mark")
        items = self._stack[start + 1 :]
        del self._stack[start:]
        return items

    def _import(self, name: str) -> Name:
        self.imports[name] = None
        return Name(name)

    # -- steps: each takes what stands on the stack and leaves what comes of it

    def _mark(self, _: Any) -> None:
        self._stack.append(_MARK)

    def _pop(self, _: Any) -> None:
        self._stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._pop_to_mark()

    def _duplicate(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._pop_to_mark()))

    def _short_tuple(self, count: int) -> None:
        items = tuple(self._stack[-count:])
        if len(items) < count:
            raise DamagedPickle("its stack is empty")
        self._stack[-count:] = [items]

    def _list(self, _: Any) -> None:
        self._stack.append(self._pop_to_mark())

    def _dict(self, _: Any) -> None:
        self._stack.append(_paired(self._pop_to_mark()))

    def _append(self, _: Any) -> None:
        self._extend([self._stack.pop()])

    def _appends(self, _: Any) -> None:
        self._extend(self._pop_to_mark())

    def _extend(self, items: list[Any]) -> None:
        if isinstance(self._stack[-1], list):
            self._stack[-1].extend(items)

    def _set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._update([key, value])

    def _set_items(self, _: Any) -> None:
        self._update(self._pop_to_mark())

    def _update(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, Made):
            target = target.state
        if isinstance(target, dict):
            target.update(_paired(items))

    def _global(self, argument: str) -> None:
        self._stack.append(self._import(argument.replace(" ", ".", 1)))

    def _stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(self._import(f"{module}.{name}" if isinstance(module, str) else f"?.{name}"))

    def _extension(self, argument: int) -> None:
        self._stack.append(self._import(f"copyreg extension {argument}"))

    def _instance(self, argument: str) -> None:
        self._pop_to_mark()
        self._import(argument.replace(" ", ".", 1))
        self._stack.append(Made())

    def _object(self, _: Any) -> None:
        self._pop_to_mark()
        self._stack.append(Made())

    def _reduce(self, _: Any) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        self._stack.append(_call(function, arguments))

    def _new_object_with_names(self, argument: Any) -> None:
        self._stack.pop()
        self._reduce(argument)

    def _build(self, _: Any) -> None:
        state = self._stack.pop()
        if isinstance(self._stack[-1], Made):
            self._stack[-1].state = state

    def _persistent(self, _: Any) -> None:
        told = self._stack.pop()
        storage = _storage(told)
        if storage:
            self.storages[storage.key] = storage
        self._stack.append(storage)


_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8", "PERSID",
}  # fmt: skip
"""Opcodes that push their argument."""
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_LIST": list, "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple, "EMPTY_SET": list, "NEXT_BUFFER": lambda: None,
}  # fmt: skip
_PUTS, _GETS = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}, {"GET", "BINGET", "LONG_BINGET"}
_NOTHING = {"PROTO", "FRAME", "STOP", "READONLY_BUFFER"}
_STEPS: dict[str, Callable[[PickleMachine, Any], None]] = {
    "MARK": PickleMachine._mark,
    "POP": PickleMachine._pop,
    "POP_MARK": PickleMachine._pop_mark,
    "DUP": PickleMachine._duplicate,
    "TUPLE": PickleMachine._tuple,
    "TUPLE1": lambda machine, _: machine._short_tuple(1),
    "TUPLE2": lambda machine, _: machine._short_tuple(2),
    "TUPLE3": lambda machine, _: machine._short_tuple(3),
    "LIST": PickleMachine._list,
    "FROZENSET": PickleMachine._list,
    "DICT": PickleMachine._dict,
    "APPEND": PickleMachine._append,
    "APPENDS": PickleMachine._appends,
    "ADDITEMS": PickleMachine._appends,
    "SETITEM": PickleMachine._set_item,
    "SETITEMS": PickleMachine._set_items,
    "GLOBAL": PickleMachine._global,
    "STACK_GLOBAL": PickleMachine._stack_global,
    "EXT1": PickleMachine._extension,
    "EXT2": PickleMachine._extension,
    "EXT4": PickleMachine._extension,
    "INST": PickleMachine._instance,
    "OBJ": PickleMachine._object,
    "REDUCE": PickleMachine._reduce,
    "NEWOBJ": PickleMachine._reduce,
    "NEWOBJ_EX": PickleMachine._new_object_with_names,
    "BUILD": PickleMachine._build,
    "BINPERSID": PickleMachine._persistent,
}


def _paired(items: list[Any]) -> dict[str, Any]:
    """Keys and values in turn as a dictionary, without keys that are no names."""
    pairs = zip(items[::2], items[1::2], strict=True)
    return {key: value for key, value in pairs if isinstance(key, str) and len(key) <= _LONGEST_NAME}


def _call(function: Any, arguments: Any) -> Any:
    """What ``function`` makes of ``arguments``, if it makes a dictionary or a tensor."""
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        return Made()
    module, _, name = function.name.rpartition(".")
    if function.name in ("collections.OrderedDict", "collections.defaultdict"):
        return {}
    if function.name == "torch._tensor._rebuild_from_type_v2":
        return _call(arguments[0], arguments[2])
    if function.name in ("torch._utils._rebuild_parameter", "torch.nn.parameter.Parameter"):
        return arguments[0]
    if module == "torch._utils" and name.startswith("_rebuild_tensor") and isinstance(arguments[0], Storage):
        return _tensor(arguments)
    return Made()


def _tensor(arguments: tuple[Any, ...]) -> Tensor:
    """A tensor from (storage, offset, shape, strides, …), with its dtype seventh where the storage has none."""
    storage, shape = arguments[0], arguments[2]
    if not isinstance(shape, tuple) or len(shape) > _MOST_AXES:
        raise DamagedPickle("a shape is no shape")
    if not all(type(length) is int and 0 <= length < _LARGEST for length in shape):
        raise DamagedPickle("a shape is no shape")
    own = arguments[6] if len(arguments) > 6 else None
    dtype = own.name.removeprefix("torch.") if isinstance(own, Name) else storage.dtype
    size = ITEM_SIZES.get(dtype, 0)
    for length in shape:
        size *= length
    return Tensor(dtype, shape, size)


def _storage(told: Any) -> Storage | None:
    """The storage that torch's persistent id ("storage", type, key, device, count, …) tells of."""
    if not isinstance(told, tuple) or len(told) < 5 or told[0] != "storage" or not isinstance(told[1], Name):
        return None
    _, kind, key, _, count = told[:5]
    if not isinstance(key, str) or type(count) is not int or not 0 <= count < _LARGEST:
        raise DamagedPickle("a storage makes no sense")
    return Storage(key, _STORAGES.get(kind.name.rpartition(".")[2], "uint8"), count)
