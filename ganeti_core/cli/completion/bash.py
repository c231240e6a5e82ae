"""The script for bash: a table of the program's commands, and a function that reads the line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganeti_core.cli.completion.declared import Line, Option, Program
    from ganeti_core.cli.completion.words import Words

_MORE = "..."
_NOTHING = "-"

SCRIPT = r"""# bash completion for @PROGRAM@, written by `python docs/build.py`

# What stands after the command $1: options, with =WORDS where a value follows, and arguments; WORDS
# are choices, @KIND for names that the program is asked for, or - for what nobody can guess.
_@NAME@_table() {
    case $1 in
@TABLE@
        *) return 1 ;;
    esac
}

_@NAME@() {
    local IFS=$' \t\n' raw word cur what start lead option found=
    local options= arguments= waiting= ended= joined=
    local -a words=() places=() replies=()
    local -i i at=0 mixed=@MIXED@
    COMPREPLY=()
    # Readline cuts words at = and :, these are whole again here.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((${#words[@]} > 1)) && [[ $joined || $word =~ ^[=:]+$ ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        [[ $word =~ ^[=:]+$ ]] && joined=1 || joined=
    done
    raw=${COMP_WORDS[COMP_CWORD]}
    [[ $joined ]] && raw=
    cur=${words[${#words[@]} - 1]} start=$cur

    if ((${#words[@]} == 2)); then
        what='@COMMANDS@'
        [[ $cur == -* ]] && what='@GENERAL@'
    else
        _@NAME@_table "${words[1]}" || return 0
        for word in "${words[@]:2:${#words[@]} - 3}"; do
            if [[ $waiting ]]; then
                waiting=
            elif [[ ! $ended && $word == -?* ]] && ((at == 0 || mixed)); then
                [[ $word == -- ]] && ended=1
                for option in $options; do
                    [[ $option == "$word="* ]] && waiting=${option#*=}
                done
            else
                at+=1
            fi
        done
        ((at == 0 || mixed)) || ended=1
        if [[ $waiting ]]; then
            what=$waiting
        elif [[ ! $ended && $cur == --*=* ]]; then
            start=${cur#*=}
            for option in $options; do
                [[ $option == "${cur%%=*}="* ]] && what=${option#*=}
            done
        elif [[ ! $ended && $cur == -* ]]; then
            for option in $options; do
                found+="|${option%%=*}"
            done
            what=${found#|}
        else
            read -ra places <<<"$arguments"
            i=${#places[@]}-1
            if ((i > 0)) && [[ ${places[i]} == ... ]]; then
                what=${places[at < i ? at : i - 1]}
            else
                what=${places[at]}
            fi
        fi
    fi

    case $what in
        '' | -) return 0 ;;
        @file) mapfile -t replies < <(compgen -f -- "$start") ;;
        @folder) mapfile -t replies < <(compgen -d -- "$start") ;;
        @*) mapfile -t replies < <(
            "${COMP_WORDS[0]}" --complete "${what#@}" "$start" 2>/dev/null) ;;
        *) mapfile -t replies < <(compgen -W "${what//|/ }" -- "$start") ;;
    esac
    case $what in
        @file | @folder) compopt -o filenames 2>/dev/null ;;
        @fields-*) compopt -o nospace 2>/dev/null ;;
    esac
    lead=${cur%"$start"}
    for word in "${replies[@]}"; do
        word=$lead$word
        COMPREPLY+=("${word#"${cur%"$raw"}"}")
    done
}

complete -F _@NAME@ @PROGRAM@
"""


def script(program: Program) -> str:
    """Write the file that bash loads for `program`."""
    commands = [name for line in program.commands for name in line.names]
    general = [name for option in program.options for name in option.names]
    return (SCRIPT.replace("@TABLE@", "\n".join(map(_entry, program.commands)))
            .replace("@COMMANDS@", "|".join(commands))
            .replace("@GENERAL@", "|".join(general))
            .replace("@MIXED@", str(int(program.mixed)))
            .replace("@NAME@", program.name.replace("-", "_"))
            .replace("@PROGRAM@", program.name))


def _entry(line: Line) -> str:
    arguments = [*map(_words, line.arguments), *([_MORE] if line.more else [])]
    return (f"        {' | '.join(line.names)})\n"
            f"            options='{' '.join(_options(line.options))}'\n"
            f"            arguments='{' '.join(arguments)}' ;;")


def _options(options: Iterable[Option]) -> list[str]:
    return [name if option.value is None else f"{name}={_words(option.value)}"
            for option in options for name in option.names]


def _words(words: Words) -> str:
    if words.choices:
        return "|".join(words.choices)
    return f"@{words.kind or words.path}" if words.kind or words.path else _NOTHING
