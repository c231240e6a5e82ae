# fish completion for gnt-job, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_job_valued
    switch $argv[1]
        case archive
            string split ' ' -- '--reason'
        case autoarchive
            string split ' ' -- '--reason'
        case cancel
            string split ' ' -- '--reason'
        case change-priority
            string split ' ' -- '--priority --reason'
        case info show
            string split ' ' -- '--format --reason'
        case list
            string split ' ' -- '--separator -o --output --format --reason'
        case list-fields
            string split ' ' -- '--separator --format --reason'
        case wait
            string split ' ' -- '--reason'
        case watch
            string split ' ' -- '--reason'
        case why
            string split ' ' -- '--reason'
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_job_at
    set -l words (commandline -opc)
    set -l valued (__gnt_job_valued $words[2])
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
function __gnt_job_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_job_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_job_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_job_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-job -f
complete -c gnt-job -n 'test (count (commandline -opc)) -eq 1' -a archive -d 'Archive specified jobs'
complete -c gnt-job -n 'test (count (commandline -opc)) -eq 1' -a autoarchive -d 'Auto archive jobs older than the given age'
complete -c gnt-job -n 'test (count (commandline -opc)) -eq 1' -a cancel -d 'Cancel specified jobs'
complete -c gnt-job -n 'test (count (commandline -opc)) -eq 1' -a change-priority -d 'Change the priority of jobs'
complete -c gnt-job -n 'test (count (commandline -opc)) -eq 1' -a info -d 'Show detailed information about the specified jobs'
complete -c gnt-job -n 'test (count (commandline -opc)) -eq 1' -a show -d 'Show detailed information about the specified jobs'
complete -c gnt-job -n 'test (count (commandline -opc)) -eq 1' -a list -d 'Lists the jobs and their status. The available fields can be shown using the "list-fields" command (see the man page for details). The default field list is (in order): id, status, summary.'
complete -c gnt-job -n 'test (count (commandline -opc)) -eq 1' -a list-fields -d 'Lists all available fields for jobs'
complete -c gnt-job -n 'test (count (commandline -opc)) -eq 1' -a wait -d 'Wait for a job to finish'
complete -c gnt-job -n 'test (count (commandline -opc)) -eq 1' -a watch -d 'Follow a job and print its output as it arrives'
complete -c gnt-job -n 'test (count (commandline -opc)) -eq 1' -a why -d 'Explain what a job waits for'
complete -c gnt-job -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'Show the commands'
complete -c gnt-job -n 'test (count (commandline -opc)) -eq 1' -l man -d 'Show all of it'
complete -c gnt-job -n 'test (count (commandline -opc)) -eq 1' -s V -l version -d 'Show the version'
complete -c gnt-job -n '__gnt_job_command archive' -s d -l debug -d 'Log and show more'
complete -c gnt-job -n '__gnt_job_command archive' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-job -n '__gnt_job_command archive' -s h -l help -d 'Show what there is'
complete -c gnt-job -n '__gnt_job_argument 0 archive' -a '(__gnt_job_names job)'
complete -c gnt-job -n '__gnt_job_argument 1+ archive' -a '(__gnt_job_names job)'
complete -c gnt-job -n '__gnt_job_command autoarchive' -s d -l debug -d 'Log and show more'
complete -c gnt-job -n '__gnt_job_command autoarchive' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-job -n '__gnt_job_command autoarchive' -s h -l help -d 'Show what there is'
complete -c gnt-job -n '__gnt_job_command cancel' -l pending -d 'All jobs that have not begun'
complete -c gnt-job -n '__gnt_job_command cancel' -l queued -d 'All queued jobs'
complete -c gnt-job -n '__gnt_job_command cancel' -l waiting -d 'All jobs that wait for locks'
complete -c gnt-job -n '__gnt_job_command cancel' -s f -l force -d 'Do not ask, and do it against doubts'
complete -c gnt-job -n '__gnt_job_command cancel' -l kill -d 'End jobs that run already'
complete -c gnt-job -n '__gnt_job_command cancel' -l yes-do-it -l ya-rly -d 'Really do what --kill does'
complete -c gnt-job -n '__gnt_job_command cancel' -s d -l debug -d 'Log and show more'
complete -c gnt-job -n '__gnt_job_command cancel' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-job -n '__gnt_job_command cancel' -s h -l help -d 'Show what there is'
complete -c gnt-job -n '__gnt_job_argument 0+ cancel' -a '(__gnt_job_names unfinished-job)'
complete -c gnt-job -n '__gnt_job_command change-priority' -l pending -d 'All jobs that have not begun'
complete -c gnt-job -n '__gnt_job_command change-priority' -l queued -d 'All queued jobs'
complete -c gnt-job -n '__gnt_job_command change-priority' -l waiting -d 'All jobs that wait for locks'
complete -c gnt-job -n '__gnt_job_command change-priority' -s f -l force -d 'Do not ask, and do it against doubts'
complete -c gnt-job -n '__gnt_job_command change-priority' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-job -n '__gnt_job_command change-priority' -s d -l debug -d 'Log and show more'
complete -c gnt-job -n '__gnt_job_command change-priority' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-job -n '__gnt_job_command change-priority' -s h -l help -d 'Show what there is'
complete -c gnt-job -n '__gnt_job_argument 0+ change-priority' -a '(__gnt_job_names unfinished-job)'
complete -c gnt-job -n '__gnt_job_command info show' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-job -n '__gnt_job_command info show' -s d -l debug -d 'Log and show more'
complete -c gnt-job -n '__gnt_job_command info show' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-job -n '__gnt_job_command info show' -s h -l help -d 'Show what there is'
complete -c gnt-job -n '__gnt_job_argument 0 info show' -a '(__gnt_job_names job)'
complete -c gnt-job -n '__gnt_job_argument 1+ info show' -a '(__gnt_job_names job)'
complete -c gnt-job -n '__gnt_job_command list' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-job -n '__gnt_job_command list' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-job -n '__gnt_job_command list' -s o -l output -x -a '(__gnt_job_names fields-job)' -d 'Fields to show, separated by commas; a leading + adds to the usual ones'
complete -c gnt-job -n '__gnt_job_command list' -s v -l verbose -d 'Show more'
complete -c gnt-job -n '__gnt_job_command list' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-job -n '__gnt_job_command list' -s F -l filter -d 'The argument is a filter, not names'
complete -c gnt-job -n '__gnt_job_command list' -l pending -d 'Jobs that have not begun'
complete -c gnt-job -n '__gnt_job_command list' -l running -d 'Jobs that run'
complete -c gnt-job -n '__gnt_job_command list' -l error -d 'Jobs that failed'
complete -c gnt-job -n '__gnt_job_command list' -l finished -d 'Jobs that have ended'
complete -c gnt-job -n '__gnt_job_command list' -l archived -d 'Archived jobs too'
complete -c gnt-job -n '__gnt_job_command list' -s d -l debug -d 'Log and show more'
complete -c gnt-job -n '__gnt_job_command list' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-job -n '__gnt_job_command list' -s h -l help -d 'Show what there is'
complete -c gnt-job -n '__gnt_job_argument 0+ list' -a '(__gnt_job_names job)'
complete -c gnt-job -n '__gnt_job_command list-fields' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-job -n '__gnt_job_command list-fields' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-job -n '__gnt_job_command list-fields' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-job -n '__gnt_job_command list-fields' -s d -l debug -d 'Log and show more'
complete -c gnt-job -n '__gnt_job_command list-fields' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-job -n '__gnt_job_command list-fields' -s h -l help -d 'Show what there is'
complete -c gnt-job -n '__gnt_job_argument 0+ list-fields' -a '(__gnt_job_names fields-job)'
complete -c gnt-job -n '__gnt_job_command wait' -s d -l debug -d 'Log and show more'
complete -c gnt-job -n '__gnt_job_command wait' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-job -n '__gnt_job_command wait' -s h -l help -d 'Show what there is'
complete -c gnt-job -n '__gnt_job_argument 0 wait' -a '(__gnt_job_names unfinished-job)'
complete -c gnt-job -n '__gnt_job_command watch' -s d -l debug -d 'Log and show more'
complete -c gnt-job -n '__gnt_job_command watch' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-job -n '__gnt_job_command watch' -s h -l help -d 'Show what there is'
complete -c gnt-job -n '__gnt_job_argument 0 watch' -a '(__gnt_job_names unfinished-job)'
complete -c gnt-job -n '__gnt_job_command why' -s d -l debug -d 'Log and show more'
complete -c gnt-job -n '__gnt_job_command why' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-job -n '__gnt_job_command why' -s h -l help -d 'Show what there is'
complete -c gnt-job -n '__gnt_job_argument 0 why' -a '(__gnt_job_names unfinished-job)'
