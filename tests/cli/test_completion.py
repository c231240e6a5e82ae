"""Shells complete commands: bash, zsh and fish themselves are asked what they offer."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from fake_master import FakeMaster
from virtual_cluster import SCRIPTS

from ganeti_core.cli.completion.names import names
from ganeti_core.cli.tools import TOOLS

COMPLETIONS = Path(__file__).parents[2] / "packaging/completions"
KNOWN = [
    ["Query", ["instance", ["name"], "*"], {"fields": [], "data": [
        [[0, "web1.example.com"]], [[0, "web2.example.com"]], [[0, "db.example.com"]]]}],
    ["Query", ["node", ["name"], "*"], {"fields": [], "data": [
        [[0, "node1.example.com"]], [[0, "node2.example.com"]]]}],
    ["Query", ["instance", ["os"], "*"], {"fields": [], "data": [
        [[0, "debian+small"]], [[0, "debian+small"]], [[1, None]]]}],
    ["Query", ["job", ["id"], ["|", *(["=", "status", status] for status in (
        "queued", "waiting", "canceling", "running"))]], {"fields": [], "data": [[[0, 17]]]}],
    ["QueryFields", ["instance", None], {"fields": [
        {"name": "name"}, {"name": "nic.count"}, {"name": "status"}]}],
    ["PluginStatus", [], [
        {"kind": "os", "name": "debian"}, {"kind": "disk_templates", "name": "plain"},
        {"kind": "os", "name": "broken", "problem": "no script 'create'"}]],
]
LINES = {
    "gnt-instance re": {"reboot", "recreate-disks", "reinstall", "remove", "remove-tags",
                        "rename", "replace-disks"},
    "gnt-instance sta": {"startup", "start"},
    "gnt-instance start web": {"web1.example.com", "web2.example.com"},
    "gnt-instance start -H x db": {"db.example.com"},
    "gnt-instance start web1 web2": {"web2.example.com"},
    "gnt-instance rename web1 ": set(),
    "gnt-instance add --no-w": {"--no-wait-for-sync"},
    "gnt-instance add --priority h": {"high"},
    "gnt-instance add -t ": {"plain"},
    "gnt-instance add -o ": {"debian", "debian+small"},
    "gnt-instance add web": set(),
    "gnt-instance list -o name,n": {"name,name", "name,nic.count"},
    "gnt-job watch ": {"17"},
    "gnt-node power o": {"on", "off"},
    "gnt-node power on node1": {"node1.example.com"},
    "gnt-cluster queue ": {"drain", "undrain", "info"},
    "gnt-plugin list --form": {"--format"},
    "gnt-plugin list --format y": {"yaml"},
}
BASH = """
for program in "$@"; do source "$program"; done
while IFS= read -r line; do
    read -ra COMP_WORDS <<<"$line"
    [[ $line == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    how=$(complete -p "${COMP_WORDS[0]}")
    function=${how#complete -F } function=${function% *}
    "$function"
    echo "$line"$'\\t'"${COMPREPLY[*]}"
done
"""
FISH = """
for line in (cat)
    printf '%s\\t%s\\n' $line (string join -- ' ' (complete -C $line | string split -f 1 \\t))
end
"""
ZSHRC = """
PROMPT= fpath=($SCRIPTS $fpath)
autoload -U compinit; compinit -u -D
zstyle ':completion:*' list-grouped false
compadd() {
    # Calls that only ask what would fit, or set something aside, are functions' own affair.
    local -a fitting
    if [[ ${(j: :)@[1,(i)(-|--)]} != *-[OAD]\\ * ]]; then
        builtin compadd -O fitting "$@"
        print -r -- word $fitting >>$OFFERED
    fi
    builtin compadd "$@"
}
offer() {
    local line=$BUFFER
    zle complete-word
    print -r -- "end $line" >>$OFFERED
    BUFFER=
}
zle -N offer
bindkey '^T' offer
print ready >>$OFFERED
"""
ZSH = """
zmodload zsh/zpty
zpty shell zsh -i
typeset -i ends=1
until_ends() {
    # What the terminal shows is read away, for it would be full.
    while (($(grep -c '^end\\|^ready' $OFFERED) < ends)); do
        zpty -rt shell || sleep 0.02
    done
}
touch $OFFERED
until_ends >/dev/null
while IFS= read -r line; do
    ends+=1
    zpty -nw shell "$line"$'\\C-T'
    until_ends >/dev/null
done
zpty -d shell
"""


def offered(words: list[str], root: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a shell that reads `LINES`, where a master answers what is `KNOWN`."""
    with FakeMaster(root, KNOWN):
        done = subprocess.run(
            words, input="".join(f"{line}\n" for line in LINES), capture_output=True, text=True,
            check=True, timeout=300, env={
                "PATH": f"{SCRIPTS}:{os.environ['PATH']}", "GANETI_ROOT": str(root),
                "HOME": str(root), "TERM": "dumb", **more})
    assert done.stderr == ""
    return done


def rows(text: str) -> dict[str, set[str]]:
    return {line: set(words.split()) for line, words in (
        row.split("\t") for row in text.splitlines())}


def test_bash(tmp_path: Path) -> None:
    scripts = map(str, sorted((COMPLETIONS / "bash").iterdir()))
    assert rows(offered(["bash", "-c", BASH, "bash", *scripts], tmp_path).stdout) == LINES


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish(tmp_path: Path) -> None:
    folder = tmp_path / ".config/fish"
    folder.mkdir(parents=True)
    (folder / "completions").symlink_to(COMPLETIONS / "fish")
    assert rows(offered(["fish", "-c", FISH], tmp_path).stdout) == LINES


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh(tmp_path: Path) -> None:
    (tmp_path / ".zshrc").write_text(ZSHRC)
    told = tmp_path / "offered"
    offered(["zsh", "-c", ZSH], tmp_path, OFFERED=str(told), SCRIPTS=str(COMPLETIONS / "zsh"))
    found: dict[str, set[str]] = {}
    words: set[str] = set()
    for row in told.read_text().splitlines():
        kind, _, rest = row.partition(" ")
        if kind == "word":
            words.update(rest.split())
        elif kind == "end":
            found[rest], words = words, set()
    assert found == LINES


def test_every_command_and_option_is_offered() -> None:
    """In bash, whose script has them in one table; what is not available is left out."""
    for program, tool in TOOLS.items():
        script = (COMPLETIONS / "bash" / program).read_text()
        for name, entry in tool.commands.items():
            options = import_module(entry.module).COMMANDS[name].options
            wanted = {option for spec in options for option in spec.names
                      if not entry.refuses(spec.make())}
            table = script.partition(f"        {name}")[2].partition("options='")[2]
            offered = {word.partition("=")[0] for word in table.partition("'")[0].split()}
            assert wanted <= offered, (program, name, wanted - offered)


@pytest.mark.parametrize("kind", ["instance", "os", "fields-node", "nonsense"])
def test_where_no_master_answers_nothing_is_offered(tmp_path: Path, kind: str) -> None:
    assert names(tmp_path / "nowhere", kind, "") == []
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        deaf.listen()
        assert names(tmp_path / "deaf", kind, "") == []


def test_the_program_prints_names_and_nothing_else(run: Callable[..., Any]) -> None:
    ran = run(["gnt-node", "--complete", "node-pair", "node1:node2"], *KNOWN)
    assert (ran.status, ran.out, ran.err) == (0, "node1:node2.example.com\n", "")
    ran = run(["gnt-node", "--complete", "group", ""])
    assert (ran.status, ran.out.strip(), ran.err) == (0, "", "")
