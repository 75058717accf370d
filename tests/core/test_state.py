"""The overlay of a state, against a plain dict."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from git_peer.core.log.state import DictReader, State

NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".json")
CHANGES = st.lists(st.tuples(NAMES, st.one_of(st.none(), st.binary(max_size=3))), max_size=20)


@given(st.dictionaries(NAMES, st.binary(max_size=3)), CHANGES)
def test_the_overlay_reads_like_a_dict(base: dict[str, bytes], changes: list[tuple[str, bytes | None]]) -> None:
    state, model = State(DictReader(base)), dict(base)
    for path, raw in changes:
        if raw is None:
            state.delete(path)
            model.pop(path, None)
        else:
            state.write(path, raw)
            model[path] = raw
    for path in {*base, *(path for path, _ in changes)}:
        assert state.read(path) == model.get(path)
    assert dict(_walk(state, "")) == model


def _walk(state: State, folder: str) -> list[tuple[str, bytes]]:
    found = []
    for name in state.entries(folder) or ():
        path = f"{folder}/{name}" if folder else name
        raw = state.read(path)
        found.extend([(path, raw)] if raw is not None else _walk(state, path) if not name.endswith(".json") else [])
    return found


def test_a_file_whose_name_ends_like_a_record() -> None:
    """The locks of package.json lie in a folder called so."""
    blobs = {
        "gate/locks/=package.json/@1.json": b"a",
        "gate/locks/=x/@2.json": b"b",
        "gate/locks/=d.json/=e/@3.json": b"c",
    }
    assert sorted(State(DictReader(blobs)).walk("gate/locks")) == sorted(blobs.items())
