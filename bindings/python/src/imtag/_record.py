"""Frozen dataclasses without the module dataclasses, which would take a quarter of this package's import time.

Type checkers see dataclasses, and so do the functions of that module: the fields are made when they ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any


class _Fields:
    """``__dataclass_fields__``, made when it is asked for."""

    def __get__(self, instance: object, owner: type) -> dict[str, Any]:
        import dataclasses

        names = {"__annotations__": owner.__annotations__, **_defaults(owner), "__module__": owner.__module__}
        made: Any = dataclasses.dataclass(type(owner.__name__, (), names))
        fields: dict[str, Any] = made.__dataclass_fields__
        return fields


def _defaults(kind: type) -> dict[str, Any]:
    return {name: vars(kind)[name] for name in kind.__annotations__ if name in vars(kind)}


def _record(kind: type) -> type:
    names = tuple(kind.__annotations__)
    defaults = _defaults(kind)

    def __init__(self: Any, *values: Any, **named: Any) -> None:  # noqa: N807
        given = dict(zip(names, values))
        fields = {**defaults, **given, **named}
        wrong = len(values) > len(names) or given.keys() & named or fields.keys() ^ set(names)
        if wrong:
            raise TypeError(f"{kind.__name__}() takes each of {', '.join(names)} once")
        vars(self).update(fields)

    def __repr__(self: Any) -> str:  # noqa: N807
        return f"{kind.__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def fields_of(record: Any) -> tuple[Any, ...]:
        return tuple(getattr(record, name) for name in names)

    def __eq__(self: Any, other: object) -> Any:  # noqa: N807
        return fields_of(self) == fields_of(other) if type(other) is type(self) else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(fields_of(self))

    def frozen(self: Any, name: str, *_: Any) -> None:  # noqa: ARG001
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    made = {"__init__": __init__, "__eq__": __eq__, "__hash__": __hash__, "__setattr__": frozen, "__delattr__": frozen}
    if "__repr__" not in vars(kind):
        made["__repr__"] = __repr__
    for name, method in made.items():
        method.__qualname__ = f"{kind.__qualname__}.{name}"
        setattr(kind, name, method)
    kind.__match_args__ = names  # type: ignore[attr-defined, misc]
    kind.__dataclass_fields__ = _Fields()  # type: ignore[attr-defined]
    return kind


if TYPE_CHECKING:
    from typing import TypeVar

    from typing_extensions import dataclass_transform  # type checkers have it

    Kind = TypeVar("Kind")

    @dataclass_transform(frozen_default=True)
    def record(kind: type[Kind]) -> type[Kind]:
        """Make a class a frozen dataclass."""
        return kind

else:
    record = _record
