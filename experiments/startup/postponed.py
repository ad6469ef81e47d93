"""Imports postponed until something of a package is used: what large packages import, a single run rarely needs."""

import functools
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any


@contextmanager
def postponed(*packages: str) -> Iterator[None]:
    """Give stand-ins to the modules that import a package meanwhile; afterwards it is imported as ever.

    Args:
        *packages: Their full names. One that is imported already stays as it is, one that is missing stays missing.
    """
    finder = postpone(*packages)
    try:
        yield
    finally:
        finder.give_up()


def postpone(*packages: str, **answers: object) -> "StandIns":
    """Give stand-ins to the modules that import a package, until one is used: then the package itself is imported.

    What a module does while it is being imported - to take names out of the package, or to call what is there - is
    no use, and is made up for.

    Args:
        *packages: Their full names. One that is imported already stays as it is, one that is missing stays missing.
        **answers: What the stand-in of a package holds by itself, so that to use it is not to use the package.
    """
    finder = StandIns(packages, answers)
    sys.meta_path.insert(0, finder)
    return finder


class StandIns(MetaPathFinder, Loader):
    """Finds stand-ins for packages."""

    def __init__(self, packages: Sequence[str], answers: Mapping[str, object]) -> None:
        self.packages = {package for package in packages if package not in sys.modules}
        self.packages -= {package for package in self.packages if "." not in package and find_spec(package) is None}
        self.answers = answers

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The import of a package, or of what is in it, is answered here."""
        ours = any(f"{name}.".startswith(f"{package}.") for package in self.packages)
        return ModuleSpec(name, self, is_package=True) if ours else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The stand-in."""
        module = _Module(spec.name, self)
        if spec.name in self.packages:
            vars(module).update(self.answers)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is executed."""

    def give_up(self) -> None:
        """Take all stand-ins out of the way of the packages; those that somebody has go on standing in."""
        self.packages.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name, module in sys.modules.copy().items():  # to which other threads may add
            if isinstance(module, _Module) and module.finder is self:
                del sys.modules[name]
                parent, _, child = name.rpartition(".")
                if parent and vars(sys.modules.get(parent, module)).get(child) is module:
                    delattr(sys.modules[parent], child)


class _Module(ModuleType):
    """Stands for a module."""

    def __init__(self, name: str, finder: StandIns) -> None:
        super().__init__(name)
        self.finder = finder

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Value(self, lambda: _attribute(self.imported(), name)).unless_used()

    def is_imported(self) -> bool:
        """Whether somebody has imported the module itself."""
        return not isinstance(sys.modules.get(self.__name__, self), _Module)

    def imported(self) -> ModuleType:
        """The module itself."""
        if not self.is_imported():
            self.finder.give_up()
        return importlib.import_module(self.__name__)


class _Value:
    """Stands for what a module holds, or what is made of it: a function, a class, what a function returns."""

    def __init__(self, module: _Module, find: Callable[[], Any]) -> None:
        self._module, self._find = module, functools.cache(find)

    def unless_used(self) -> object:
        """Itself for a module that is being imported; for all others what it stands for."""
        user = sys._getframe(2).f_code.co_name
        return self if user in ("<module>", "_handle_fromlist") else self._find()  # the latter is of `from x import y`

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Value(self._module, lambda: _attribute(self._find(), name)).unless_used()

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return _Value(self._module, lambda: self._find()(*args, **kwargs)).unless_used()

    def __instancecheck__(self, instance: object) -> bool:
        # Nothing can be of a class that was never imported.
        return self._module.is_imported() and isinstance(instance, self._find())

    def __bool__(self) -> bool:
        return bool(self._find())

    def __or__(self, other: object) -> object:
        return self._find() | other

    def __ror__(self, other: object) -> object:
        return other | self._find()

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[object, ...]:
        return (self._find(),)


def _attribute(owner: object, name: str) -> object:
    if isinstance(owner, ModuleType) and not hasattr(owner, name):
        return importlib.import_module(f"{owner.__name__}.{name}")
    return getattr(owner, name)
