"""What the double's shell does to a command: a phone's paths become the host's, nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.phone.translate import Unrooter, to_host

ROOT = Path("/tmp/fakephone-x")


@pytest.mark.parametrize(
    ("command", "translated"),
    [
        ("ls /data/local/tmp", "ls /tmp/fakephone-x/data/local/tmp"),
        ("cat '/sys/a b'", "cat '/tmp/fakephone-x/sys/a b'"),
        ("x --out=/data/o", "x --out=/tmp/fakephone-x/data/o"),
        (
            "cat /proc/uptime /proc/self/status",
            "cat /tmp/fakephone-x/proc/uptime /proc/self/status",
        ),
        ("echo a/data/b $D/data ./data/x", "echo a/data/b $D/data ./data/x"),
        ("cat /database /dev/null", "cat /database /dev/null"),
        ("cd x; ./a && ./b", "cd x; _run ./a && _run ./b"),
        ("A=1 ./a", "A=1 _run ./a"),
        ("if ./a; then exec $B; fi", "if _run ./a; then exec _run $B; fi"),
        ("echo './a; ./b' \"; ./c\"", "echo './a; ./b' \"; ./c\""),
        ("./a > ./b 2>&1 < ./c &", "_run ./a > ./b 2>&1 < ./c &"),
        ("(./a) | ./b", "(_run ./a) | _run ./b"),
        ("echo $(cat ./a) ./b # ./c; ./d", "echo $(cat ./a) ./b # ./c; ./d"),
        ("V=/data/x", "V=/tmp/fakephone-x/data/x"),
    ],
)
def test_a_command_is_translated(command: str, translated: str) -> None:
    assert to_host(command, ROOT) == translated


def test_translating_twice_is_translating_once() -> None:
    command = "cat /data/a; cat '/sys/b'"
    assert to_host(to_host(command, ROOT), ROOT) == to_host(command, ROOT)


def test_a_root_that_would_need_quotes_is_refused() -> None:
    with pytest.raises(ValueError, match="must need no quotes"):
        to_host("ls", Path("/tmp/a b"))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab/ ;&|()<>'\"\\$#\n=!{}", max_size=60))
def test_translation_ends_and_only_ever_adds_run(command: str) -> None:
    assert to_host(command, ROOT).replace("_run ", "") == command


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="ab /;'\"$#", max_size=30))
def test_a_quoted_word_reaches_the_command_unchanged(word: str) -> None:
    quoted = "'" + word.replace("'", "'\\''") + "'"
    command = to_host(f"printf %s {quoted}", ROOT)
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True)
    assert done.stdout.decode() == word


@given(st.lists(st.integers(1, 12), max_size=12))
def test_the_root_is_taken_out_of_output_wherever_it_is_cut(cuts: list[int]) -> None:
    output = b"/tmp/fakephone-x/data/a /tmp/fakephone-x\n/tmp/fakephone /tmp/fakephone-x"
    expected = b"/data/a /\n/tmp/fakephone /"
    unroot, at, heard = Unrooter(ROOT), 0, b""
    for size in cuts:
        heard += unroot.feed(output[at : at + size])
        at += size
    heard += unroot.feed(output[at:])
    assert heard + unroot.feed(b"", last=True) == expected
