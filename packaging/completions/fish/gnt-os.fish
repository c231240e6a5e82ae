# fish completion for gnt-os, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_os_valued
    switch $argv[1]
        case diagnose
            string split ' ' -- '--priority --reason'
        case info show
            string split ' ' -- '--priority --reason'
        case list
            string split ' ' -- '--priority --format --reason'
        case modify
            string split ' ' -- '-H --hypervisor-parameters -O --os-parameters --os-parameters-private --priority --hidden --blacklisted --reason'
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_os_at
    set -l words (commandline -opc)
    set -l valued (__gnt_os_valued $words[2])
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
function __gnt_os_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_os_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_os_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_os_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-os -f
complete -c gnt-os -n 'test (count (commandline -opc)) -eq 1' -a diagnose -d 'Diagnose all operating systems'
complete -c gnt-os -n 'test (count (commandline -opc)) -eq 1' -a info -d 'Show detailed information about operating systems'
complete -c gnt-os -n 'test (count (commandline -opc)) -eq 1' -a show -d 'Show detailed information about operating systems'
complete -c gnt-os -n 'test (count (commandline -opc)) -eq 1' -a list -d 'Lists all valid operating systems on the cluster'
complete -c gnt-os -n 'test (count (commandline -opc)) -eq 1' -a modify -d 'Modify the OS parameters'
complete -c gnt-os -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'Show the commands'
complete -c gnt-os -n 'test (count (commandline -opc)) -eq 1' -l man -d 'Show all of it'
complete -c gnt-os -n 'test (count (commandline -opc)) -eq 1' -s V -l version -d 'Show the version'
complete -c gnt-os -n '__gnt_os_command diagnose' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-os -n '__gnt_os_command diagnose' -s d -l debug -d 'Log and show more'
complete -c gnt-os -n '__gnt_os_command diagnose' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-os -n '__gnt_os_command diagnose' -s h -l help -d 'Show what there is'
complete -c gnt-os -n '__gnt_os_command info show' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-os -n '__gnt_os_command info show' -s d -l debug -d 'Log and show more'
complete -c gnt-os -n '__gnt_os_command info show' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-os -n '__gnt_os_command info show' -s h -l help -d 'Show what there is'
complete -c gnt-os -n '__gnt_os_argument 0+ info show' -a '(__gnt_os_names os)'
complete -c gnt-os -n '__gnt_os_command list' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-os -n '__gnt_os_command list' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-os -n '__gnt_os_command list' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-os -n '__gnt_os_command list' -s d -l debug -d 'Log and show more'
complete -c gnt-os -n '__gnt_os_command list' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-os -n '__gnt_os_command list' -s h -l help -d 'Show what there is'
complete -c gnt-os -n '__gnt_os_command modify' -s H -l hypervisor-parameters -x -d 'Defaults for a hypervisor: name:key=value,...'
complete -c gnt-os -n '__gnt_os_command modify' -s O -l os-parameters -x -d 'Parameters of the OS definition: key=value,...'
complete -c gnt-os -n '__gnt_os_command modify' -l os-parameters-private -x -d 'The same, kept but not shown'
complete -c gnt-os -n '__gnt_os_command modify' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-os -n '__gnt_os_command modify' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-os -n '__gnt_os_command modify' -l hidden -x -a 'yes no' -d 'Whether listings leave the OS definition out'
complete -c gnt-os -n '__gnt_os_command modify' -l blacklisted -x -a 'yes no' -d 'Whether new instances may not have it'
complete -c gnt-os -n '__gnt_os_command modify' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-os -n '__gnt_os_command modify' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-os -n '__gnt_os_command modify' -s d -l debug -d 'Log and show more'
complete -c gnt-os -n '__gnt_os_command modify' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-os -n '__gnt_os_command modify' -s h -l help -d 'Show what there is'
complete -c gnt-os -n '__gnt_os_argument 0 modify' -a '(__gnt_os_names os)'
