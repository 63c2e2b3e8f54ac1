"""`@dataclass`, without its cost at start-up.

The standard library generates and compiles the methods of every class: half a millisecond per
class, one millisecond if it is frozen. For a hundred classes that was most of the start-up time.
Here all classes share the same methods, which look the names up. A class that has been created many
times gets an `__init__` of its own after all, which takes a quarter of the time.

A type checker sees the standard library's decorator. At run time there is `frozen` and `kw_only`,
annotations are texts (`from __future__ import annotations`), and `dataclasses.replace`, `fields`,
`asdict` and `is_dataclass` accept these classes and instances.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["dataclass", "field", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:

    def dataclass(cls=None, /, *, frozen=False, kw_only=False):
        """Add `__init__`, `__eq__`, `__repr__` and `__hash__` to a class, from its annotations.

        A `__repr__` of the class itself stays.
        """
        if cls is None:
            return lambda decorated: dataclass(decorated, frozen=frozen, kw_only=kw_only)
        cls._form = _Form(cls, kw_only=kw_only)
        cls.__init__, cls.__eq__ = _init, _eq
        if "__repr__" not in vars(cls):
            cls.__repr__ = _repr
        cls.__hash__ = _hash if frozen else None
        if frozen:
            cls.__setattr__ = cls.__delattr__ = _refuse
        cls.__dataclass_fields__ = _StandardFields()
        return cls

    def field(*, default_factory):
        """Return a default for a field: `default_factory` is called for every instance."""
        return _Factory(default_factory)

    def replace(instance, /, **changes):
        """Return the instance with some fields replaced."""
        state = instance.__dict__
        return type(instance)(**{name: state[name] for name in instance._form.names} | changes)


# After so many instances a class has an `__init__` of its own: to compile it takes as long as to
# create about a hundred instances without it. What a small problem needs stays below that.
_MANY = 100


class _Factory:
    """A default that is created for every instance."""

    __slots__ = ("make",)

    def __init__(self, make: Any) -> None:
        self.make = make


class _Form:
    """The names of the fields of a class, in order, and their defaults."""

    __slots__ = (
        "created",
        "defaults",
        "factories",
        "finish",
        "names",
        "owner",
        "positional",
        "required",
        "start",
    )

    def __init__(self, cls: type, *, kw_only: bool) -> None:
        base: Any = getattr(cls, "_form", None)
        self.owner: Any = cls
        self.created = 0
        own = cls.__dict__
        annotations: dict[str, str] = own.get("__annotations__", {})
        new = [name for name, kind in annotations.items() if not kind.startswith("ClassVar")]
        self.names: dict[str, None] = dict.fromkeys([*(base.names if base else ()), *new])
        self.positional = (*(base.positional if base else ()), *(() if kw_only else new))
        self.defaults: dict[str, Any] = dict(base.defaults) if base else {}
        self.finish = getattr(cls, "__post_init__", None)
        for name in new:
            if name in own:
                self.defaults[name] = own[name]
                if type(own[name]) is _Factory:
                    delattr(cls, name)
        self.factories = any(type(each) is _Factory for each in self.defaults.values())
        self.start = {**self.names, **self.defaults}
        self.required = self.names.keys() - self.defaults.keys()


class _StandardFields:
    """`__dataclass_fields__`, which the standard library reads: created on first access."""

    def __get__(self, instance: object, owner: Any) -> dict[str, Any]:
        import dataclasses
        from functools import partial

        form: _Form = owner._form
        fields: list[tuple[str, Any, Any]] = []
        for name in form.names:
            how: dict[str, Any] = {"kw_only": name not in form.positional}
            if name in form.defaults:
                default = form.defaults[name]
                if isinstance(default, _Factory):
                    how["default_factory"] = default.make
                elif type(default).__hash__ is None:  # the standard library refuses it as it is
                    how["default_factory"] = partial(_same, default)
                else:
                    how["default"] = default
            fields.append((name, Any, dataclasses.field(**how)))
        made_so = dataclasses.make_dataclass(owner.__name__, fields)
        return {each.name: each for each in dataclasses.fields(made_so)}


def _same(default: Any) -> Any:
    return default


def _init(self: Any, /, *values: Any, **given: Any) -> None:
    """Set every field, in order, to its argument or its default; TypeError as for functions."""
    form: _Form = self._form
    form.created += 1
    if form.created == _MANY:
        form.owner.__init__ = _own_init(form)
    state = self.__dict__
    # The usual cases, all by name or all by place: no loop over names. Each leaves the fields in
    # their order, as JSON shows them.
    if not values and not form.factories and given.keys() >= form.required:
        state.update(form.start)
        state.update(given)
    elif not given and len(values) <= len(form.positional):
        state.update(zip(form.positional, values, strict=False))
    if state.keys() != form.names.keys() or form.factories:
        state.clear()
        _set_each(self, form, values, given)
    if form.finish is not None:
        form.finish(self)


def _own_init(form: _Form) -> Any:
    """Compile `__init__` for one class: what `_init` does, without looking up names."""
    known: dict[str, Any] = {"_form": form, "_unset": _Factory}
    parameters: list[str] = []
    lines = ["_state = self.__dict__"]
    keyword = [name for name in form.names if name not in form.positional]
    for name in (*form.positional, *(["*"] if keyword else []), *keyword):
        default = form.defaults.get(name)
        known[f"_default_{name}"] = default.make if type(default) is _Factory else default
        if type(default) is _Factory:
            parameters.append(f"{name}=_unset")
            lines.append(f"if {name} is _unset: {name} = _default_{name}()")
        else:
            parameters.append(f"{name}=_default_{name}" if name in form.defaults else name)
    lines += [f"_state[{name!r}] = {name}" for name in form.names]
    if form.finish is not None:
        lines.append("_form.finish(self)")
    exec(f"def __init__(self, {', '.join(parameters)}):\n  " + "\n  ".join(lines), known)
    return known["__init__"]


def _set_each(self: Any, form: _Form, values: tuple[Any, ...], given: dict[str, Any]) -> None:
    """Set every field, one by one, or raise TypeError."""
    state = self.__dict__
    if values:
        placed = dict(zip(form.positional, values, strict=False))
        if len(placed) < len(values) or not given.keys().isdisjoint(placed):
            raise TypeError(f"{type(self).__name__}() takes each once: {', '.join(form.names)}")
        given |= placed
    for name in form.names:
        if name in given:
            state[name] = given.pop(name)
        elif name in form.defaults:
            default = form.defaults[name]
            state[name] = default.make() if type(default) is _Factory else default
        else:
            raise TypeError(f"{type(self).__name__}() lacks {name}")
    if given:
        raise TypeError(f"{type(self).__name__}() does not have: {', '.join(given)}")


def _values(self: Any) -> tuple[object, ...]:
    state = self.__dict__
    return tuple([state[name] for name in self._form.names])


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._form.names)
    return f"{type(self).__qualname__}({shown})"


def _eq(self: object, other: object) -> bool:
    return _values(self) == _values(other) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _refuse(self: object, name: str, *_: object) -> None:
    """Refuse to set or delete an attribute of a frozen instance."""
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"{type(self).__name__} is frozen: {name} cannot change")
