"""The man page and the completion are made from the commands, and tell of all of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from responder.cli import main
from responder.commands.manual import SHELLS


def man_page() -> str:
    """Return the page as the command prints it."""
    done = CliRunner().invoke(main, ["man"])
    assert done.exit_code == 0, done.output
    return done.output


def test_every_command_and_option_stands_in_the_man_page() -> None:
    """No command and no option is forgotten, and each has words of its own."""
    page = man_page().replace("\\-", "-")
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        section = re.search(rf"^\.SS {name}\b(.*?)(?=^\.S|\Z)", page, re.MULTILINE | re.DOTALL)
        assert section is not None, name
        for option in (each for each in command.params if isinstance(each, click.Option)):
            assert option.opts[0] in section[1], (name, option.opts)
            assert option.help, (name, option.opts)
        assert "Example" in section[1], name


def test_roff_takes_the_page() -> None:
    """A formatter has nothing to complain about, and the text comes out."""
    if shutil.which("groff") is None:
        pytest.skip("needs groff: whether the man page formats is left out")
    done = subprocess.run(
        ["groff", "-K", "utf8", "-man", "-Tutf8", "-ww", "-P-c"],
        input=man_page().encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == b""
    text = re.sub(r".\x08", "", done.stdout.decode())
    assert "Validate the file, log in" in " ".join(text.split())
    assert "saturday 23:40" in text


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_its_completion(shell: str) -> None:
    """The script names the program, and a shell that is here takes it."""
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0, done.output
    assert "_RESPONDER_COMPLETE" in done.output
    if shell == "bash":
        checked = subprocess.run(["bash", "-n"], input=done.output.encode(), capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_the_completion_names_the_commands() -> None:
    """Asked as a shell asks, it offers what begins so."""
    done = CliRunner().invoke(
        main,
        [],
        prog_name="responder",
        env={"_RESPONDER_COMPLETE": "bash_complete", "COMP_WORDS": "responder re", "COMP_CWORD": "1"},
    )
    assert "plain,replay" in done.output


def test_a_terminal_that_has_not_all_letters_gets_a_question_mark() -> None:
    """An older locale is no reason to break off with a traceback."""
    environ = os.environ | {"PYTHONIOENCODING": "latin-1"}
    words = [sys.executable, "-m", "responder", "replay", "--help"]
    done = subprocess.run(words, env=environ, capture_output=True, timeout=60, check=False)
    assert (done.returncode, b"\xab?????\xbb" in done.stdout) == (0, True), done.stderr
