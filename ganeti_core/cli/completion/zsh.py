"""The script for zsh: one function for all programs, in the words of zsh's ``_arguments``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ganeti_core.cli.completion.declared import Line, Option, Program
    from ganeti_core.cli.completion.words import Words

SCRIPT = r"""#compdef @PROGRAMS@
# zsh completion for these programs, written by `python docs/build.py`

# Names of a kind that the program knows.
_gnt_names() {
    local -a found
    found=(${(f)"$("$program" --complete $1 "$PREFIX" 2>/dev/null)"})
    [[ $1 == fields-* ]] && compadd -S '' -a found || compadd -a found
}

_gnt() {
    local program=$words[1] curcontext=$curcontext
    local -a lines
    if ((CURRENT == 2)); then
        case $service in
@COMMANDS@
        esac
        _describe -t commands command lines
        return
    fi
    shift words
    ((CURRENT--))
    case $service.$words[1] in
@TABLE@
    esac
}

_gnt "$@"
"""


def script(programs: Iterable[Program]) -> str:
    """Write the file that zsh loads for all of `programs`."""
    known = list(programs)
    return (SCRIPT.replace("@TABLE@", "\n".join(
                _entry(program, line) for program in known for line in program.commands))
            .replace("@COMMANDS@", "\n".join(map(_commands, known)))
            .replace("@PROGRAMS@", " ".join(program.name for program in known)))


def _commands(program: Program) -> str:
    lines = [(name, line.summary) for line in program.commands for name in line.names]
    lines += [(name, option.help) for option in program.options for name in option.names]
    described = "\n".join(" " * 16 + _quoted(f"{name}:{_plain(text)}") for name, text in lines)
    return f"        {program.name})\n            lines=(\n{described}\n            ) ;;"


def _entry(program: Program, line: Line) -> str:
    specs = [*_options(line.options), *_arguments(line)]
    pattern = "|".join(f"{program.name}.{name}" for name in line.names)
    before = "" if program.mixed else " -A '-*'"
    rest = "".join(f" \\\n                {_quoted(spec)}" for spec in specs)
    return f"        {pattern})\n            _arguments -s -S{before}{rest} ;;"


def _options(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        for name in option.names:
            others = "*" if option.repeats else f"({' '.join(option.names)})"
            text = f"[{_plain(option.help)}]"
            if option.value is None:
                yield f"{others}{name}{text}"
            else:
                joint = "=" if name.startswith("--") else "+"
                yield f"{others}{name}{joint}{text}{_action(option.value)}"


def _arguments(line: Line) -> Iterator[str]:
    for place, words in enumerate(line.arguments, 1):
        last = place == len(line.arguments)
        yield f"{'*' if line.more and last else place}{_action(words)}"


def _action(words: Words) -> str:
    if words.choices:
        return f":word:({' '.join(words.choices)})"
    if words.path:
        return f":{words.path}:_files{' -/' * (words.path == 'folder')}"
    if words.kind:
        # The space keeps zsh from handing over words of its own.
        return f":{words.kind}: _gnt_names {words.kind}"
    return ":value: "


def _plain(text: str) -> str:
    """Escape what ends a description."""
    for character in "\\:[]":
        text = text.replace(character, f"\\{character}")
    return text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
