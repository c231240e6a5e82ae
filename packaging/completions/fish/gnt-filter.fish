# fish completion for gnt-filter, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_filter_valued
    switch $argv[1]
        case add
            string split ' ' -- '--priority --predicates --action --reason'
        case delete
            string split ' ' -- '--reason'
        case info
            string split ' ' -- '--reason'
        case list
            string split ' ' -- '--separator -o --output --format --reason'
        case list-fields
            string split ' ' -- '--separator --format --reason'
        case replace
            string split ' ' -- '--priority --predicates --action --reason'
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_filter_at
    set -l words (commandline -opc)
    set -l valued (__gnt_filter_valued $words[2])
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
function __gnt_filter_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_filter_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_filter_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_filter_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-filter -f
complete -c gnt-filter -n 'test (count (commandline -opc)) -eq 1' -a add -d 'Adds a new filter rule'
complete -c gnt-filter -n 'test (count (commandline -opc)) -eq 1' -a delete -d 'Deletes a filter rule'
complete -c gnt-filter -n 'test (count (commandline -opc)) -eq 1' -a info -d 'Show information about the filter rule(s)'
complete -c gnt-filter -n 'test (count (commandline -opc)) -eq 1' -a list -d 'Lists the filter rules. The available fields can be shown using the "list-fields" command (see the man page for details). The default field list is (in order): uuid, watermark, priority, predicates, action, reason_trail.'
complete -c gnt-filter -n 'test (count (commandline -opc)) -eq 1' -a list-fields -d 'Lists all available fields for filter rules'
complete -c gnt-filter -n 'test (count (commandline -opc)) -eq 1' -a replace -d 'Replaces a filter rule'
complete -c gnt-filter -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'Show the commands'
complete -c gnt-filter -n 'test (count (commandline -opc)) -eq 1' -l man -d 'Show all of it'
complete -c gnt-filter -n 'test (count (commandline -opc)) -eq 1' -s V -l version -d 'Show the version'
complete -c gnt-filter -n '__gnt_filter_command add' -l priority -x -d 'Priority of the rule: lower numbers are asked first'
complete -c gnt-filter -n '__gnt_filter_command add' -l predicates -x -d 'Predicates, as JSON'
complete -c gnt-filter -n '__gnt_filter_command add' -l action -x -d 'The action taken: ACCEPT, CONTINUE, PAUSE, REJECT or "RATE_LIMIT n"'
complete -c gnt-filter -n '__gnt_filter_command add' -s d -l debug -d 'Log and show more'
complete -c gnt-filter -n '__gnt_filter_command add' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-filter -n '__gnt_filter_command add' -s h -l help -d 'Show what there is'
complete -c gnt-filter -n '__gnt_filter_command delete' -s d -l debug -d 'Log and show more'
complete -c gnt-filter -n '__gnt_filter_command delete' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-filter -n '__gnt_filter_command delete' -s h -l help -d 'Show what there is'
complete -c gnt-filter -n '__gnt_filter_argument 0 delete' -a '(__gnt_filter_names filter)'
complete -c gnt-filter -n '__gnt_filter_command info' -s d -l debug -d 'Log and show more'
complete -c gnt-filter -n '__gnt_filter_command info' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-filter -n '__gnt_filter_command info' -s h -l help -d 'Show what there is'
complete -c gnt-filter -n '__gnt_filter_argument 0+ info' -a '(__gnt_filter_names filter)'
complete -c gnt-filter -n '__gnt_filter_command list' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-filter -n '__gnt_filter_command list' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-filter -n '__gnt_filter_command list' -s o -l output -x -a '(__gnt_filter_names fields-filter)' -d 'Fields to show, separated by commas; a leading + adds to the usual ones'
complete -c gnt-filter -n '__gnt_filter_command list' -s v -l verbose -d 'Show more'
complete -c gnt-filter -n '__gnt_filter_command list' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-filter -n '__gnt_filter_command list' -s d -l debug -d 'Log and show more'
complete -c gnt-filter -n '__gnt_filter_command list' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-filter -n '__gnt_filter_command list' -s h -l help -d 'Show what there is'
complete -c gnt-filter -n '__gnt_filter_argument 0+ list' -a '(__gnt_filter_names filter)'
complete -c gnt-filter -n '__gnt_filter_command list-fields' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-filter -n '__gnt_filter_command list-fields' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-filter -n '__gnt_filter_command list-fields' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-filter -n '__gnt_filter_command list-fields' -s d -l debug -d 'Log and show more'
complete -c gnt-filter -n '__gnt_filter_command list-fields' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-filter -n '__gnt_filter_command list-fields' -s h -l help -d 'Show what there is'
complete -c gnt-filter -n '__gnt_filter_argument 0+ list-fields' -a '(__gnt_filter_names fields-filter)'
complete -c gnt-filter -n '__gnt_filter_command replace' -l priority -x -d 'Priority of the rule: lower numbers are asked first'
complete -c gnt-filter -n '__gnt_filter_command replace' -l predicates -x -d 'Predicates, as JSON'
complete -c gnt-filter -n '__gnt_filter_command replace' -l action -x -d 'The action taken: ACCEPT, CONTINUE, PAUSE, REJECT or "RATE_LIMIT n"'
complete -c gnt-filter -n '__gnt_filter_command replace' -s d -l debug -d 'Log and show more'
complete -c gnt-filter -n '__gnt_filter_command replace' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-filter -n '__gnt_filter_command replace' -s h -l help -d 'Show what there is'
complete -c gnt-filter -n '__gnt_filter_argument 0 replace' -a '(__gnt_filter_names filter)'
