"""URLs of databases: passwords are refused and never shown, and no file lies where nobody would look."""

from __future__ import annotations

from pathlib import Path

import pytest
from mirrored_trees import team
from orchestra import wait_for

from maos_sup.cli import main
from maos_sup.mirrors.addresses import shown_url
from maos_sup.mirrors.registry import open_mirror, place_of
from maos_sup.system.followers import end_follower, start_followers
from state_layout.errors import BadInput
from state_layout.host.mirrored import Mirrored, add_mirror, status_of_mirror


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@db/runs",
        "postgresql://db/runs?user=ann&password=s3cret",
        "postgresql://db/runs?sslkey=k&SSLPASSWORD=s3cret",
        "postgresql://ann:s3cret/ret@db/runs",
        "redis://:s3cret?x@db",
        "rediss://db/0?password=s3cret",
        "mysql://ann:s3cret@db/runs",
    ],
)
def test_a_password_anywhere_in_a_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(BadInput) as told:
        place_of(url)
    assert "s3cret" not in str(told.value)
    assert "s3cret" not in shown_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret/ret@db/runs",
        "postgresql://ann:s3c%ret@db/runs",
        "redis://:s3cret#x@db",
        "redis://[:s3cret@db",
        "mysql://ann:s3cret@db/runs",
    ],
)
def test_a_url_that_cannot_be_read_is_one_error_without_its_password(url: str) -> None:
    with pytest.raises(BadInput) as told:
        open_mirror(url, "id")
    assert "s3c" not in str(told.value)


@pytest.mark.parametrize(
    "url", ["postgresql://h1:5432,h2:5432/runs", "redis://[::1]:6379/0", "unix:///tmp/a?db=3"]
)
def test_what_drivers_can_read_is_taken_as_it_is(url: str) -> None:
    assert place_of(url) == shown_url(url) == url


@pytest.mark.parametrize("slashes", ["/", "///", "////"])
def test_a_file_from_the_root_may_have_the_slashes_that_others_want(slashes: str) -> None:
    assert place_of(f"sqlite:{slashes}srv/runs.db") == "sqlite:/srv/runs.db"


def test_a_variable_with_a_relative_file_is_refused_for_a_follower_stands_elsewhere() -> None:
    with pytest.raises(BadInput, match="say sqlite:/"):
        open_mirror("sqlite:runs.db", "id", may_make=True)


def test_a_file_inside_of_the_tree_is_refused_whatever_leads_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = team(tmp_path / "tree")
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tree.root)
    for place in (
        f"{tmp_path}/other/../tree/runs.db",
        f"{tmp_path}/link/runs.db",
        f"sqlite://{tree.root}/r.db",
    ):
        assert main(["mirror", "add", str(tree.root), place]) == 2
        assert "lies inside" in capsys.readouterr().err
    assert not [*tree.root.glob("*.db*")]


def test_a_follower_whose_url_is_not_set_waits_and_says_so(tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    add_mirror(tree, Mirrored(name="far", url="$MAOS_SUP_NOT_SET"))
    assert start_followers(tree) == ["far"]
    try:
        wait_for(lambda: status_of_mirror(tree, "far")["state"] == "waiting", "a word of it")
        told = status_of_mirror(tree, "far")
        assert told["alive"] and "MAOS_SUP_NOT_SET" in (told["trouble"] or "")
        assert start_followers(tree) == []
    finally:
        end_follower(tree, "far")
