# fish completion for gnt-rapi-user, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_rapi_user_valued
    switch $argv[1]
        case set
            string split ' ' -- '--file'
        case remove
            string split ' ' -- '--file'
        case list
            string split ' ' -- '--file'
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_rapi_user_at
    set -l words (commandline -opc)
    set -l valued (__gnt_rapi_user_valued $words[2])
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
            set ended $ended
        end
    end
    set -q waiting[1]; or echo $at
end

# Whether the command is one of $argv[2..], and the word its argument $argv[1], or a later one of
# those that repeat (with +).
function __gnt_rapi_user_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_rapi_user_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_rapi_user_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_rapi_user_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-rapi-user -f
complete -c gnt-rapi-user -n 'test (count (commandline -opc)) -eq 1' -a set -d 'add a user, or change password and options of one'
complete -c gnt-rapi-user -n 'test (count (commandline -opc)) -eq 1' -a remove -d 'remove a user'
complete -c gnt-rapi-user -n 'test (count (commandline -opc)) -eq 1' -a list -d 'list users and their options'
complete -c gnt-rapi-user -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'show this help message and exit'
complete -c gnt-rapi-user -n '__gnt_rapi_user_command set' -s h -l help -d 'show this help message and exit'
complete -c gnt-rapi-user -n '__gnt_rapi_user_command set' -l file -r -F -d 'the users file (default: that of this node)'
complete -c gnt-rapi-user -n '__gnt_rapi_user_command remove' -s h -l help -d 'show this help message and exit'
complete -c gnt-rapi-user -n '__gnt_rapi_user_command remove' -l file -r -F -d 'the users file (default: that of this node)'
complete -c gnt-rapi-user -n '__gnt_rapi_user_command list' -s h -l help -d 'show this help message and exit'
complete -c gnt-rapi-user -n '__gnt_rapi_user_command list' -l file -r -F -d 'the users file (default: that of this node)'
