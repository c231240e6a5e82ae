# fish completion for gnt-vcluster, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_vcluster_valued
    switch $argv[1]
        case up
            string split ' ' -- '--root --nodes --hypervisor --disk-templates --with -H --hypervisor-parameters'
        case down
            string split ' ' -- '--root'
        case start
            string split ' ' -- '--root'
        case stop
            string split ' ' -- '--root'
        case status
            string split ' ' -- '--root'
        case env
            string split ' ' -- '--root'
        case exec
            string split ' ' -- '--root'
        case ssh
            string split ' ' -- '--root'
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_vcluster_at
    set -l words (commandline -opc)
    set -l valued (__gnt_vcluster_valued $words[2])
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
function __gnt_vcluster_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_vcluster_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_vcluster_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_vcluster_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-vcluster -f
complete -c gnt-vcluster -n 'test (count (commandline -opc)) -eq 1' -a up -d 'make a cluster and start it'
complete -c gnt-vcluster -n 'test (count (commandline -opc)) -eq 1' -a down -d 'stop daemons and guests and remove the folder'
complete -c gnt-vcluster -n 'test (count (commandline -opc)) -eq 1' -a start -d 'start the daemons that are down'
complete -c gnt-vcluster -n 'test (count (commandline -opc)) -eq 1' -a stop -d 'stop daemons; guests run on'
complete -c gnt-vcluster -n 'test (count (commandline -opc)) -eq 1' -a status -d 'show nodes and daemons; exit status 3 when one is down'
complete -c gnt-vcluster -n 'test (count (commandline -opc)) -eq 1' -a env -d 'print the exports for a shell: eval "$(gnt-vcluster env --root DIR)"'
complete -c gnt-vcluster -n 'test (count (commandline -opc)) -eq 1' -a exec -d 'run a command as on a node'
complete -c gnt-vcluster -n 'test (count (commandline -opc)) -eq 1' -a ssh -d 'what the program ssh is on the nodes of this cluster'
complete -c gnt-vcluster -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'show this help message and exit'
complete -c gnt-vcluster -n '__gnt_vcluster_command up' -s h -l help -d 'show this help message and exit'
complete -c gnt-vcluster -n '__gnt_vcluster_command up' -l root -x -a '(__fish_complete_directories)' -d 'the cluster\'s folder'
complete -c gnt-vcluster -n '__gnt_vcluster_command up' -l nodes -x -d 'default: 3'
complete -c gnt-vcluster -n '__gnt_vcluster_command up' -l hypervisor -x -d 'default: those that only pretend guests'
complete -c gnt-vcluster -n '__gnt_vcluster_command up' -l disk-templates -x -d 'default: those of gnt-cluster init'
complete -c gnt-vcluster -n '__gnt_vcluster_command up' -l with -x -d 'daemons beside those that every cluster has, such as confd'
complete -c gnt-vcluster -n '__gnt_vcluster_command up' -s H -l hypervisor-parameters -x -d 'defaults of instances on this cluster; may be given several times'
complete -c gnt-vcluster -n '__gnt_vcluster_command down' -s h -l help -d 'show this help message and exit'
complete -c gnt-vcluster -n '__gnt_vcluster_command down' -l root -x -a '(__fish_complete_directories)' -d 'the cluster\'s folder'
complete -c gnt-vcluster -n '__gnt_vcluster_command down' -l keep -d 'leave the folder'
complete -c gnt-vcluster -n '__gnt_vcluster_command start' -s h -l help -d 'show this help message and exit'
complete -c gnt-vcluster -n '__gnt_vcluster_command start' -l root -x -a '(__fish_complete_directories)' -d 'the cluster\'s folder'
complete -c gnt-vcluster -n '__gnt_vcluster_command stop' -s h -l help -d 'show this help message and exit'
complete -c gnt-vcluster -n '__gnt_vcluster_command stop' -l root -x -a '(__fish_complete_directories)' -d 'the cluster\'s folder'
complete -c gnt-vcluster -n '__gnt_vcluster_command stop' -l kill -d 'by SIGKILL'
complete -c gnt-vcluster -n '__gnt_vcluster_command stop' -l crash -d 'by SIGKILL, and the guests too: as if the power failed'
complete -c gnt-vcluster -n '__gnt_vcluster_command status' -s h -l help -d 'show this help message and exit'
complete -c gnt-vcluster -n '__gnt_vcluster_command status' -l root -x -a '(__fish_complete_directories)' -d 'the cluster\'s folder'
complete -c gnt-vcluster -n '__gnt_vcluster_command status' -l json -d 'for programs'
complete -c gnt-vcluster -n '__gnt_vcluster_command env' -s h -l help -d 'show this help message and exit'
complete -c gnt-vcluster -n '__gnt_vcluster_command env' -l root -x -a '(__fish_complete_directories)' -d 'the cluster\'s folder'
complete -c gnt-vcluster -n '__gnt_vcluster_command exec' -s h -l help -d 'show this help message and exit'
complete -c gnt-vcluster -n '__gnt_vcluster_command exec' -l root -x -a '(__fish_complete_directories)' -d 'the cluster\'s folder'
complete -c gnt-vcluster -n '__gnt_vcluster_command ssh' -s h -l help -d 'show this help message and exit'
complete -c gnt-vcluster -n '__gnt_vcluster_command ssh' -l root -x -a '(__fish_complete_directories)' -d 'the cluster\'s folder'
