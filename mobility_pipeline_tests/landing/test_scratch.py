"""Nameless files that are used again."""

from pathlib import Path

from mobility_pipeline.landing.scratch import ScratchFiles


def test_a_file_is_lent_again_once_it_is_back(tmp_path: Path) -> None:
    """Two at the same time are two files."""
    with ScratchFiles(tmp_path) as scratch:
        with scratch.borrow() as first, scratch.borrow() as second:
            assert first is not second
        with scratch.borrow() as third:
            assert third in (first, second)


def test_nothing_is_left_of_them(tmp_path: Path) -> None:
    """They have no name, and are closed with the pool."""
    folder = tmp_path / "not" / "there yet"
    with ScratchFiles(folder) as scratch:
        with scratch.borrow() as file:
            assert [*folder.iterdir()] == []
        assert not file.closed
    assert file.closed
