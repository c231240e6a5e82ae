# fish completion for gnt-storage, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_storage_valued
    switch $argv[1]
        case diagnose
            string split ' ' -- '--priority --reason'
        case info
            string split ' ' -- '--priority --reason'
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_storage_at
    set -l words (commandline -opc)
    set -l valued (__gnt_storage_valued $words[2])
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
            set ended 1
        end
    end
    set -q waiting[1]; or echo $at
end

# Whether the command is one of $argv[2..], and the word its argument $argv[1], or a later one of
# those that repeat (with +).
function __gnt_storage_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_storage_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_storage_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_storage_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-storage -f
complete -c gnt-storage -n 'test (count (commandline -opc)) -eq 1' -a diagnose -d 'Diagnose all ExtStorage providers'
complete -c gnt-storage -n 'test (count (commandline -opc)) -eq 1' -a info -d 'Show info about ExtStorage providers'
complete -c gnt-storage -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'Show the commands'
complete -c gnt-storage -n 'test (count (commandline -opc)) -eq 1' -l man -d 'Show all of it'
complete -c gnt-storage -n 'test (count (commandline -opc)) -eq 1' -s V -l version -d 'Show the version'
complete -c gnt-storage -n '__gnt_storage_command diagnose' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-storage -n '__gnt_storage_command diagnose' -s d -l debug -d 'Log and show more'
complete -c gnt-storage -n '__gnt_storage_command diagnose' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-storage -n '__gnt_storage_command diagnose' -s h -l help -d 'Show what there is'
complete -c gnt-storage -n '__gnt_storage_command info' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-storage -n '__gnt_storage_command info' -s d -l debug -d 'Log and show more'
complete -c gnt-storage -n '__gnt_storage_command info' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-storage -n '__gnt_storage_command info' -s h -l help -d 'Show what there is'
complete -c gnt-storage -n '__gnt_storage_argument 0+ info' -a '(__gnt_storage_names provider)'
