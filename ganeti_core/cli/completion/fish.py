"""The script for fish: a line for each command and option, with the conditions of fish."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.cli.completion.declared import Line, Option, Program
    from ganeti_core.cli.completion.words import Words

SCRIPT = r"""# fish completion for @PROGRAM@, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __@NAME@_valued
    switch $argv[1]
@VALUED@
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __@NAME@_at
    set -l words (commandline -opc)
    set -l valued (__@NAME@_valued $words[2])
    set -l at 0
    set -l waiting
    set -l ended
    for word in $words[3..-1]
        if set -q waiting[1]
            set -e waiting[1]
        else if test -z "$ended"; and string match -q -- '-?*' $word
            test $word = --; and set ended 1
            contains -- $word $valued; and set waiting 1
        else
            set at (math $at + 1)
            set ended @ENDED@
        end
    end
    set -q waiting[1]; or echo $at
end

# Whether the command is one of $argv[2..], and the word its argument $argv[1], or a later one of
# those that repeat (with +).
function __@NAME@_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__@NAME@_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __@NAME@_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __@NAME@_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c @PROGRAM@ -f
@LINES@
"""


def script(program: Program) -> str:
    """Write the file that fish loads for `program`."""
    name = program.name.replace("-", "_")
    lines = [*_commands(program), *(text for line in program.commands
                                    for text in _line(program.name, name, line))]
    return (SCRIPT.replace("@LINES@", "\n".join(lines))
            .replace("@VALUED@", "\n".join(map(_valued, program.commands)))
            .replace("@ENDED@", "$ended" if program.mixed else "1")
            .replace("@NAME@", name).replace("@PROGRAM@", program.name))


def _valued(line: Line) -> str:
    names = " ".join(name for option in line.options if option.value is not None
                     for name in option.names)
    return f"        case {' '.join(line.names)}\n            string split ' ' -- '{names}'"


def _commands(program: Program) -> Iterator[str]:
    first = f"complete -c {program.name} -n 'test (count (commandline -opc)) -eq 1'"
    for line in program.commands:
        for name in line.names:
            yield f"{first} -a {name} -d {_quoted(line.summary)}"
    for option in program.options:
        yield f"{first} {_names(option)} -d {_quoted(option.help)}"


def _line(program: str, name: str, line: Line) -> Iterator[str]:
    called = " ".join(line.names)
    for option in line.options:
        value = "" if option.value is None else f" {_value(name, option.value)}"
        yield (f"complete -c {program} -n '__{name}_command {called}' {_names(option)}{value}"
               f" -d {_quoted(option.help)}")
    for place, words in enumerate(line.arguments):
        more = "+" if line.more and place == len(line.arguments) - 1 else ""
        if offered := _offered(name, words):
            yield (f"complete -c {program} -n '__{name}_argument {place}{more} {called}'"
                   f" {offered}")


def _names(option: Option) -> str:
    return " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
                    for name in option.names)


def _value(name: str, words: Words) -> str:
    return "-r -F" if words.path == "file" else f"-x {_offered(name, words)}".rstrip()


def _offered(name: str, words: Words) -> str:
    if words.choices:
        return f"-a '{' '.join(words.choices)}'"
    if words.kind:
        return f"-a '(__{name}_names {words.kind})'"
    return {"file": "-F", "folder": "-a '(__fish_complete_directories)'"}.get(words.path, "")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
