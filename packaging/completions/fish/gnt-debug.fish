# fish completion for gnt-debug, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_debug_valued
    switch $argv[1]
        case delay
            string split ' ' -- '-n -r --repeat --priority --reason'
        case iallocator allocator
            string split ' ' -- '--dir -I --iallocator -m --mode --memory --disks -t --disk-template --nics -o --os-type -p --vcpus --tags --evac-mode --target-groups --spindle-use --count --priority --reason'
        case locks
            string split ' ' -- '--separator -o --output --interval --reason'
        case submit-job
            string split ' ' -- '--op-repeat --job-repeat --priority --reason'
        case test-jobqueue
            string split ' ' -- '--priority --reason'
        case test-osparams
            string split ' ' -- '--os-parameters-secret --reason'
        case wconfd
            string split ' ' -- '--reason'
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_debug_at
    set -l words (commandline -opc)
    set -l valued (__gnt_debug_valued $words[2])
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
function __gnt_debug_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_debug_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_debug_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_debug_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-debug -f
complete -c gnt-debug -n 'test (count (commandline -opc)) -eq 1' -a delay -d 'Executes a TestDelay OpCode'
complete -c gnt-debug -n 'test (count (commandline -opc)) -eq 1' -a iallocator -d 'Executes a TestAllocator OpCode'
complete -c gnt-debug -n 'test (count (commandline -opc)) -eq 1' -a allocator -d 'Executes a TestAllocator OpCode'
complete -c gnt-debug -n 'test (count (commandline -opc)) -eq 1' -a locks -d 'Show a list of locks in the master daemon'
complete -c gnt-debug -n 'test (count (commandline -opc)) -eq 1' -a submit-job -d 'Submits jobs built from json files containing a list of serialized opcodes'
complete -c gnt-debug -n 'test (count (commandline -opc)) -eq 1' -a test-jobqueue -d 'Test a few aspects of the job queue'
complete -c gnt-debug -n 'test (count (commandline -opc)) -eq 1' -a test-osparams -d 'Test secret os parameter transmission'
complete -c gnt-debug -n 'test (count (commandline -opc)) -eq 1' -a wconfd -d 'Directly talk to WConfD'
complete -c gnt-debug -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'Show the commands'
complete -c gnt-debug -n 'test (count (commandline -opc)) -eq 1' -l man -d 'Show all of it'
complete -c gnt-debug -n 'test (count (commandline -opc)) -eq 1' -s V -l version -d 'Show the version'
complete -c gnt-debug -n '__gnt_debug_command delay' -l no-master -d 'The master does not wait'
complete -c gnt-debug -n '__gnt_debug_command delay' -s n -x -d 'A node that waits'
complete -c gnt-debug -n '__gnt_debug_command delay' -s r -l repeat -x -d 'How often to repeat it'
complete -c gnt-debug -n '__gnt_debug_command delay' -s i -l interruptible -d 'Can be ended early through a socket'
complete -c gnt-debug -n '__gnt_debug_command delay' -s l -l no-locks -d 'Hold no locks'
complete -c gnt-debug -n '__gnt_debug_command delay' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-debug -n '__gnt_debug_command delay' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-debug -n '__gnt_debug_command delay' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-debug -n '__gnt_debug_command delay' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-debug -n '__gnt_debug_command delay' -s d -l debug -d 'Log and show more'
complete -c gnt-debug -n '__gnt_debug_command delay' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-debug -n '__gnt_debug_command delay' -s h -l help -d 'Show what there is'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -l dir -x -a 'in out' -d 'in: what the allocator is asked; out: what it says'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -s I -l iallocator -x -a '(__gnt_debug_names allocator)' -d 'Let this instance allocator choose nodes'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -s m -l mode -x -a 'allocate relocate node-evacuate change-group multi-allocate' -d 'allocate, relocate, node-evacuate, change-group or multi-allocate'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -l memory -x -d 'Memory of the instance'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -l disks -x -d 'Sizes of its disks, separated by commas'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -s t -l disk-template -x -a '(__gnt_debug_names template)' -d 'Its disk template'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -l nics -x -d 'Its network cards, mac/ip/bridge each, separated by commas'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -s o -l os-type -x -a '(__gnt_debug_names os)' -d 'Its operating system'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -s p -l vcpus -x -d 'Its processors'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -l tags -x -d 'Its tags, separated by commas'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -l evac-mode -x -a 'all primary-only secondary-only' -d 'Which instances leave: all, primary-only or secondary-only'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -l target-groups -x -d 'A node group that the instances may go to'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -l spindle-use -x -d 'Its share of spindles'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -l count -x -d 'How many instances to allocate'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -s d -l debug -d 'Log and show more'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-debug -n '__gnt_debug_command iallocator allocator' -s h -l help -d 'Show what there is'
complete -c gnt-debug -n '__gnt_debug_argument 0+ iallocator allocator' -a '(__gnt_debug_names instance)'
complete -c gnt-debug -n '__gnt_debug_command locks' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-debug -n '__gnt_debug_command locks' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-debug -n '__gnt_debug_command locks' -s o -l output -x -d 'Fields to show, separated by commas; a leading + adds to the usual ones'
complete -c gnt-debug -n '__gnt_debug_command locks' -s v -l verbose -d 'Show more'
complete -c gnt-debug -n '__gnt_debug_command locks' -l interval -x -d 'Show it again every N seconds'
complete -c gnt-debug -n '__gnt_debug_command locks' -s d -l debug -d 'Log and show more'
complete -c gnt-debug -n '__gnt_debug_command locks' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-debug -n '__gnt_debug_command locks' -s h -l help -d 'Show what there is'
complete -c gnt-debug -n '__gnt_debug_command submit-job' -s v -l verbose -d 'Show more'
complete -c gnt-debug -n '__gnt_debug_command submit-job' -l op-repeat -x -d 'How often each job repeats its opcodes'
complete -c gnt-debug -n '__gnt_debug_command submit-job' -l job-repeat -x -d 'How often each job is sent'
complete -c gnt-debug -n '__gnt_debug_command submit-job' -l timing-stats -d 'Show how long it took'
complete -c gnt-debug -n '__gnt_debug_command submit-job' -l each -d 'Send one job at a time'
complete -c gnt-debug -n '__gnt_debug_command submit-job' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-debug -n '__gnt_debug_command submit-job' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-debug -n '__gnt_debug_command submit-job' -s d -l debug -d 'Log and show more'
complete -c gnt-debug -n '__gnt_debug_command submit-job' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-debug -n '__gnt_debug_command submit-job' -s h -l help -d 'Show what there is'
complete -c gnt-debug -n '__gnt_debug_argument 0+ submit-job' -F
complete -c gnt-debug -n '__gnt_debug_command test-jobqueue' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-debug -n '__gnt_debug_command test-jobqueue' -s d -l debug -d 'Log and show more'
complete -c gnt-debug -n '__gnt_debug_command test-jobqueue' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-debug -n '__gnt_debug_command test-jobqueue' -s h -l help -d 'Show what there is'
complete -c gnt-debug -n '__gnt_debug_command test-osparams' -l os-parameters-secret -x -d 'The same, used once and kept nowhere'
complete -c gnt-debug -n '__gnt_debug_command test-osparams' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-debug -n '__gnt_debug_command test-osparams' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-debug -n '__gnt_debug_command test-osparams' -s d -l debug -d 'Log and show more'
complete -c gnt-debug -n '__gnt_debug_command test-osparams' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-debug -n '__gnt_debug_command test-osparams' -s h -l help -d 'Show what there is'
complete -c gnt-debug -n '__gnt_debug_command wconfd' -s d -l debug -d 'Log and show more'
complete -c gnt-debug -n '__gnt_debug_command wconfd' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-debug -n '__gnt_debug_command wconfd' -s h -l help -d 'Show what there is'
