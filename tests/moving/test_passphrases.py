"""Archives that a passphrase opens: files of age, never whole in memory, the passphrase seen by nobody."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import shutil
import subprocess
import sys
import termios
import tracemalloc
from pathlib import Path

import pyrage
import pytest
from disks import small_disk
from mirrored_trees import team, work

from maos_sup.cli import main
from maos_sup.moving.passphrase import decrypt, encrypt
from maos_sup.supervisor.life import begin_life
from state_layout.errors import BadInput, Damaged
from state_layout.paths import Tree

CHUNK = 1 << 16
WORDS = "correct horse \u00fc"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = team(tmp_path / "tree")
    begin_life(made)
    work(made).journal.close()
    return made


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words"
    path.write_text(f"{WORDS}\nand more\n")
    return path


def sealed(data: bytes) -> bytes:
    out = io.BytesIO()
    encrypt(io.BytesIO(data), out, WORDS)
    return out.getvalue()


def opened(data: bytes, passphrase: str = WORDS) -> bytes:
    out = io.BytesIO()
    decrypt(io.BytesIO(data), out, passphrase)
    return out.getvalue()


@pytest.mark.parametrize("size", [0, CHUNK - 1, CHUNK, 2 * CHUNK + 7])
def test_another_program_of_age_reads_it_and_is_read(size: int) -> None:
    data = os.urandom(size)
    assert pyrage.passphrase.decrypt(sealed(data), WORDS) == data
    theirs = pyrage.passphrase.encrypt(data, WORDS)
    try:
        assert opened(theirs) == data
    except BadInput as refused:  # it takes as much memory as this machine is fast
        assert "MiB of memory" in str(refused)


def test_whatever_is_altered_or_cut_off_is_an_error() -> None:
    data = os.urandom(2 * CHUNK + 100)
    whole = sealed(data)
    head = whole.index(b"\n---")
    body = whole.index(b"\n", head + 1) + 1
    first, second = body + 16, body + 16 + CHUNK + 16
    swapped = whole[:first] + whole[second : second + CHUNK + 16] + whole[first:second]
    bad = [whole[:at] for at in (0, 30, body + 16, first + 9, second, len(whole) - 1)]
    bad += [whole + b"x", swapped + whole[second + CHUNK + 16 :], whole.replace(b" 18\n", b" 99\n", 1)]
    for at in (3, head - 5, head + 8, body + 3, first + 3, len(whole) - 3):
        bad.append(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    for each in bad:
        with pytest.raises((BadInput, Damaged)):
            opened(each)
    with pytest.raises(BadInput, match="not the passphrase"):
        opened(whole, "correct horse")


@pytest.mark.parametrize("line", [1, 2, 3])
@pytest.mark.parametrize("without", [1, 2, 3])
def test_a_head_that_lost_characters_is_an_error(line: int, without: int) -> None:
    """Whatever length is left: not each is one that base64 can have."""
    lines = sealed(b"some words").split(b"\n", 4)
    words = lines[line].split(b" ")
    at = 2 if line == 1 else -1  # the salt stands before a number
    words[at] = words[at][:-without]
    lines[line] = b" ".join(words)
    with pytest.raises(Damaged):
        opened(b"\n".join(lines))


def test_it_is_never_whole_in_memory(tmp_path: Path) -> None:
    for name, act in (("plain", encrypt), ("sealed", decrypt)):
        if name == "plain":
            (tmp_path / "plain").write_bytes(bytes(24 << 20))
        tracemalloc.start()
        with (tmp_path / name).open("rb") as source, (tmp_path / f"of-{name}").open("wb") as target:
            act(source, target, WORDS)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 << 20  # scrypt's own is not Python's
        if name == "plain":
            (tmp_path / "of-plain").rename(tmp_path / "sealed")
    assert (tmp_path / "of-sealed").read_bytes() == (tmp_path / "plain").read_bytes()


def test_there_and_back_by_a_file(
    tree: Tree, tmp_path: Path, words: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.age"
    assert main(["export", str(tree.root), "-o", str(out), "--passphrase-file", str(words)]) == 0
    assert out.read_bytes().startswith(b"age-encryption.org/v1\n-> scrypt ")
    other = tmp_path / "other"
    other.write_text("another\n")
    new = ["import", str(out), "-o", str(tmp_path / "new")]
    assert main([*new, "--passphrase-file", str(other)]) == 2
    assert f"{out}: this is not the passphrase" in capsys.readouterr().err
    (tmp_path / "cut").write_bytes(out.read_bytes()[:-5])
    assert (
        main(["import", str(tmp_path / "cut"), "-o", str(tmp_path / "x"), "--passphrase-file", str(words)])
        == 12
    )
    assert not (tmp_path / "new").exists() and not (tmp_path / "x").exists()
    assert main([*new, "--passphrase-file", str(words)]) == 0
    assert main(["check", str(tmp_path / "new")]) == 0


def test_by_a_descriptor_it_is_in_no_argument(tree: Tree, tmp_path: Path) -> None:
    out = tmp_path / "x.age"
    script = (
        'exec "$0" -m maos_sup export "$1" -o "$2" --passphrase-file /dev/fd/3 3<<EOF\nsecret words\nEOF\n'
    )
    subprocess.run(["sh", "-c", script, sys.executable, str(tree.root), str(out)], check=True, timeout=100)
    assert pyrage.passphrase.decrypt(out.read_bytes(), "secret words").startswith(b"\x28\xb5\x2f\xfd")


def typed(answers: list[str | bytes], *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal of its own and answer each question; its code, and what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "maos_sup", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    shown = ""
    try:
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            if not data:
                break
            shown += data.decode()
            if shown.endswith((": ",)) and answers:
                answer = answers.pop(0)
                os.write(ours, (answer if isinstance(answer, bytes) else answer.encode()) + b"\n")
        return process.wait(100), shown
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_asked_on_the_terminal_it_is_not_shown(tree: Tree, tmp_path: Path) -> None:
    out = tmp_path / "x.age"
    export = ["export", str(tree.root), "-o", str(out), "--passphrase"]
    code, shown = typed(["one thing", "another"], *export)
    assert code == 2 and "two different passphrases" in shown and not out.exists()
    code, shown = typed([""], *export)
    assert code == 2 and "protects nothing" in shown
    code, shown = typed([b"\xff\xfe"], *export)
    assert code == 2 and "not utf-8" in shown and "--passphrase-file" in shown, shown
    code, shown = typed([WORDS, WORDS], *export)
    assert code == 0 and WORDS not in shown, shown
    code, shown = typed([WORDS], "import", str(out), "-o", str(tmp_path / "new"))
    assert code == 0 and WORDS not in shown, shown
    assert main(["check", str(tmp_path / "new")]) == 0


def test_without_a_terminal_it_says_what_to_do(tree: Tree, tmp_path: Path) -> None:
    for words in (
        ["--passphrase"],
        ["--passphrase-file", str(tmp_path / "none")],
        ["--passphrase", "--to", "age1x"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "maos_sup", "export", str(tree.root), "-o", str(tmp_path / "x"), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
            check=False,
        )
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        assert "--passphrase" in done.stderr
    assert not (tmp_path / "x").exists()


def test_closed_descriptor_is_no_passphrase_on_the_way_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "x.age"
    archive.write_bytes(sealed(b"plain"))
    free = os.dup(0)  # what is opened next gets this number
    os.close(free)
    assert main(["import", str(archive), "--passphrase-file", f"/dev/fd/{free}"]) == 2
    said = capsys.readouterr().err
    assert f"/dev/fd/{free}: No such file" in said and said.count("\n") == 1, said


def test_too_little_memory_for_a_passphrase_is_told(tree: Tree, tmp_path: Path, words: Path) -> None:
    script = 'ulimit -v 250000; exec "$0" -m maos_sup export "$1" -o "$2" --passphrase-file "$3"'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable, str(tree.root), str(tmp_path / "x.age"), str(words)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1 and "needs 257 MiB of memory" in done.stderr, done.stderr
    assert not (tmp_path / "x.age").exists()


def test_archive_is_opened_from_a_disk_that_only_reads(
    tree: Tree, tmp_path: Path, words: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "stick") as stick:
        archive = stick.folder / "x.age"
        assert main(["export", str(tree.root), "-o", str(archive), "--passphrase-file", str(words)]) == 0
        subprocess.run(["mount", "-o", "remount,ro", str(stick.folder)], check=True)
        new = ["-o", str(tmp_path / "far" / "new"), "--passphrase-file", str(words)]
        assert main(["import", str(archive), *new, "--dry-run"]) == 0, capsys.readouterr().err
        assert not (tmp_path / "far").exists()
        assert main(["import", str(archive), *new]) == 0
    assert main(["check", str(tmp_path / "far" / "new")]) == 0


def test_folder_that_is_not_there_is_told_before_anything_is_asked(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "none" / "x.age"
    assert main(["export", str(tree.root), "-o", str(out), "--passphrase"]) == 2
    assert f"there is no folder {out.parent}; make it" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("age") is None, reason="age is not installed (apt-get install age)")
def test_age_itself_opens_it(tmp_path: Path) -> None:
    (tmp_path / "x.age").write_bytes(sealed(b"plain"))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["age", "-d", "-o", str(tmp_path / "out"), str(tmp_path / "x.age")],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    os.read(ours, 4096)
    os.write(ours, f"{WORDS}\n".encode())
    assert process.wait(100) == 0
    os.close(ours)
    assert (tmp_path / "out").read_bytes() == b"plain"
