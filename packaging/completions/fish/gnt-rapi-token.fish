# fish completion for gnt-rapi-token, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_rapi_token_valued
    switch $argv[1]
        case add
            string split ' ' -- '--tag --group --owner --expires --file'
        case remove
            string split ' ' -- '--file'
        case list
            string split ' ' -- '--file'
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_rapi_token_at
    set -l words (commandline -opc)
    set -l valued (__gnt_rapi_token_valued $words[2])
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
function __gnt_rapi_token_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_rapi_token_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_rapi_token_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_rapi_token_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-rapi-token -f
complete -c gnt-rapi-token -n 'test (count (commandline -opc)) -eq 1' -a add -d 'make a token'
complete -c gnt-rapi-token -n 'test (count (commandline -opc)) -eq 1' -a remove -d 'remove a token: it is refused a moment later'
complete -c gnt-rapi-token -n 'test (count (commandline -opc)) -eq 1' -a list -d 'list tokens: options, scope, and when they expire'
complete -c gnt-rapi-token -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'show this help message and exit'
complete -c gnt-rapi-token -n '__gnt_rapi_token_command add' -s h -l help -d 'show this help message and exit'
complete -c gnt-rapi-token -n '__gnt_rapi_token_command add' -l tag -x -d 'only objects with this tag, or another that is named so'
complete -c gnt-rapi-token -n '__gnt_rapi_token_command add' -l group -x -d 'only what lies in this node group, or another that is named so'
complete -c gnt-rapi-token -n '__gnt_rapi_token_command add' -l owner -x -d 'only objects with the tag owner:NAME'
complete -c gnt-rapi-token -n '__gnt_rapi_token_command add' -l expires -x -d 'after hours or days (12h, 30d), on a date (2030-01-31), or never; default: 90d'
complete -c gnt-rapi-token -n '__gnt_rapi_token_command add' -l file -r -F -d 'the tokens file (default: that of this node)'
complete -c gnt-rapi-token -n '__gnt_rapi_token_command remove' -s h -l help -d 'show this help message and exit'
complete -c gnt-rapi-token -n '__gnt_rapi_token_command remove' -l file -r -F -d 'the tokens file (default: that of this node)'
complete -c gnt-rapi-token -n '__gnt_rapi_token_command list' -s h -l help -d 'show this help message and exit'
complete -c gnt-rapi-token -n '__gnt_rapi_token_command list' -l file -r -F -d 'the tokens file (default: that of this node)'
