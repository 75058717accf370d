"""libgit2 by pygit2's C modules alone: what a hot command needs of it, at an eighth of what `import pygit2` takes.

`pygit2._pygit2` has repositories, objects and refs, `pygit2._libgit2` the settings. Both are pygit2's own and may
change, so each is asked for the names that are used here, and where one is missing pygit2 itself takes its place.
A repository that was opened here is of the class that `pygit2.Repository` is a subclass of: what takes the one takes
the other, as long as it calls only what C has. What C would answer as an enum (the mode of a tree's entry, the status
of a delta) it has only once pygit2 was imported.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import PathFinder

__all__ = ["AlreadyExistsError", "Commit", "GitError", "Oid", "Repository", "Tree"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from pygit2._pygit2 import AlreadyExistsError, Commit, GitError, Oid, Repository, Tree

_FROM_ENV = 16  # GIT_REPOSITORY_OPEN_FROM_ENV
_NAMES = ("AlreadyExistsError", "Commit", "GitError", "Oid", "Repository", "Tree", "init_file_backend")
_METHODS = (
    "_pointer", "create_reference_direct", "default_signature", "descendant_of",
    "git_object_lookup_prefix", "head", "head_is_unborn", "lookup_reference", "merge_base", "path", "path_is_ignored",
    "revparse_single", "workdir",
)  # fmt: skip
_SETTINGS = ("git_config_free", "git_config_iterator_free", "git_config_iterator_new", "git_config_next",
             "git_libgit2_opts", "git_repository_config_snapshot", "GIT_OPT_ENABLE_FSYNC_GITDIR")  # fmt: skip


def _alone(name: str) -> ModuleType | None:
    """A C module of pygit2's, loaded by its file without the package around it; None where that cannot be."""
    whole = f"pygit2.{name}"
    if whole in sys.modules:
        return sys.modules[whole]
    package = PathFinder.find_spec("pygit2")
    spec = PathFinder.find_spec(whole, package.submodule_search_locations) if package is not None else None
    if spec is None or spec.loader is None:
        return None
    try:
        module = importlib._bootstrap.module_from_spec(spec)
        sys.modules[whole] = module  # where `import pygit2` finds it later
        spec.loader.exec_module(module)
    except Exception:  # noqa: BLE001 - whatever it is that this release of pygit2 does otherwise
        sys.modules.pop(whole, None)
        return None
    found: ModuleType = module
    return found


def _has(module: ModuleType | None, names: tuple[str, ...]) -> bool:
    return module is not None and all(hasattr(module, name) for name in names)


_c: Any = _alone("_pygit2")
ALONE = _has(_c, _NAMES) and all(hasattr(_c.Repository, name) for name in _METHODS)
if not ALONE:
    _c = importlib.import_module("pygit2")

if not TYPE_CHECKING:
    AlreadyExistsError, Commit, GitError, Oid = _c.AlreadyExistsError, _c.Commit, _c.GitError, _c.Oid
    Repository, Tree = _c.Repository, _c.Tree


def opened(where: str) -> Repository:
    """The repository that git's own environment names, looked for from `where`; GitError where there is none."""
    if ALONE:
        repository: Repository = Repository(_c.init_file_backend(where, _FROM_ENV))
    else:
        repository = _c.Repository(where, _FROM_ENV)
    _sync_refs()
    return repository


def whole(git: Repository) -> Any:
    """The same repository as a `pygit2.Repository`, with all that it can do in Python."""
    import pygit2

    if isinstance(git, pygit2.Repository):
        return git
    return pygit2.Repository(git.path, pygit2.enums.RepositoryOpenFlag.FROM_ENV)


def is_branch_name(name: str) -> bool:
    """Whether `name` can be a branch."""
    return bool(_c.reference_is_valid_name(f"refs/heads/{name}"))


def raw(git: Repository, ident: str) -> bytes:
    """The content of an object; KeyError where it is missing."""
    found = git.git_object_lookup_prefix(ident)
    if found is None:
        raise KeyError(ident)
    return found.read_raw()


def config(git: Repository, prefix: str) -> list[tuple[str, str]]:
    """(name, value) of each setting whose name begins with `prefix`, the weakest first; a flag alone has value ""."""
    lib = _alone("_libgit2")
    if not ALONE or not _has(getattr(lib, "lib", None), _SETTINGS):
        entries = whole(git).config
        return [(one.name, one.value or "") for one in entries if one.name.startswith(prefix)]
    ffi, c = lib.ffi, lib.lib  # type: ignore[union-attr]
    repository, snapshot, walk, entry = (ffi.new(f"git_{kind} **") for kind in _KINDS)
    ffi.buffer(repository)[:] = git._pointer[:]  # type: ignore[attr-defined]
    _ok(c.git_repository_config_snapshot(snapshot, repository[0]))
    try:
        _ok(c.git_config_iterator_new(walk, snapshot[0]))
        found = []
        while (end := c.git_config_next(entry, walk[0])) == 0:
            name = ffi.string(entry[0].name).decode("utf-8", "surrogateescape")
            if name.startswith(prefix):
                value = ffi.string(entry[0].value) if entry[0].value != ffi.NULL else b""
                found.append((name, value.decode("utf-8", "replace")))
        if end != _OVER:
            _ok(end)
        c.git_config_iterator_free(walk[0])
        return found
    finally:
        c.git_config_free(snapshot[0])


_KINDS = ("repository", "config", "config_iterator", "config_entry")
_OVER = -31  # GIT_ITEROVER


def _ok(status: int) -> None:
    if status:
        raise GitError(f"git's settings cannot be read ({status})")


def _sync_refs() -> None:
    """Have libgit2 sync a ref that it moves, and the folder of it, before the move is over."""
    lib = _alone("_libgit2")
    if _has(getattr(lib, "lib", None), _SETTINGS):
        ffi, c = lib.ffi, lib.lib  # type: ignore[union-attr]
        c.git_libgit2_opts(c.GIT_OPT_ENABLE_FSYNC_GITDIR, ffi.cast("int", 1))
    else:
        import pygit2

        pygit2.option(pygit2.enums.Option.ENABLE_FSYNC_GITDIR, True)
