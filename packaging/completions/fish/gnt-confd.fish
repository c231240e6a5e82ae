# fish completion for gnt-confd, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_confd_valued
    switch $argv[1]
        case ping
            string split ' ' -- '--server --port --key --timeout'
        case node-role
            string split ' ' -- '--server --port --key --timeout'
        case instance-node
            string split ' ' -- '--link --server --port --key --timeout'
        case master
            string split ' ' -- '--server --port --key --timeout'
        case nodes
            string split ' ' -- '--server --port --key --timeout'
        case candidates
            string split ' ' -- '--server --port --key --timeout'
        case instance-ips
            string split ' ' -- '--link --server --port --key --timeout'
        case node-minors
            string split ' ' -- '--server --port --key --timeout'
        case node-instances
            string split ' ' -- '--server --port --key --timeout'
        case instance-disks
            string split ' ' -- '--server --port --key --timeout'
        case config
            string split ' ' -- '--server --port --key --timeout'
        case collectors
            string split ' ' -- '--server --port --key --timeout'
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_confd_at
    set -l words (commandline -opc)
    set -l valued (__gnt_confd_valued $words[2])
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
function __gnt_confd_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_confd_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_confd_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_confd_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-confd -f
complete -c gnt-confd -n 'test (count (commandline -opc)) -eq 1' -a ping -d 'show the version of the configuration\'s format'
complete -c gnt-confd -n 'test (count (commandline -opc)) -eq 1' -a node-role -d 'show what a node is'
complete -c gnt-confd -n 'test (count (commandline -opc)) -eq 1' -a instance-node -d 'show the address of the node on which a guest runs, by the guest\'s own'
complete -c gnt-confd -n 'test (count (commandline -opc)) -eq 1' -a master -d 'show the master\'s name, the cluster\'s address and the master\'s own'
complete -c gnt-confd -n 'test (count (commandline -opc)) -eq 1' -a nodes -d 'list the addresses of all nodes'
complete -c gnt-confd -n 'test (count (commandline -opc)) -eq 1' -a candidates -d 'list the addresses of the master candidates'
complete -c gnt-confd -n 'test (count (commandline -opc)) -eq 1' -a instance-ips -d 'list the addresses of guests'
complete -c gnt-confd -n 'test (count (commandline -opc)) -eq 1' -a node-minors -d 'list the minors of a node\'s disks that two nodes hold'
complete -c gnt-confd -n 'test (count (commandline -opc)) -eq 1' -a node-instances -d 'show the instances of a node, primary and secondary ones'
complete -c gnt-confd -n 'test (count (commandline -opc)) -eq 1' -a instance-disks -d 'show the disks of an instance'
complete -c gnt-confd -n 'test (count (commandline -opc)) -eq 1' -a config -d 'show a part of the configuration, as config.data has it'
complete -c gnt-confd -n 'test (count (commandline -opc)) -eq 1' -a collectors -d 'show which data collectors are active, and their intervals'
complete -c gnt-confd -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'show this help message and exit'
complete -c gnt-confd -n '__gnt_confd_command ping' -s h -l help -d 'show this help message and exit'
complete -c gnt-confd -n '__gnt_confd_command ping' -l server -x -d 'ask this one, by name or address; may be given several times (default: the master candidates that this node knows)'
complete -c gnt-confd -n '__gnt_confd_command ping' -l port -x -d 'default: 1814'
complete -c gnt-confd -n '__gnt_confd_command ping' -l key -r -F -d 'the cluster\'s key (default: this node\'s own)'
complete -c gnt-confd -n '__gnt_confd_command ping' -l timeout -x -d 'how long to wait (default: 10)'
complete -c gnt-confd -n '__gnt_confd_command ping' -l json -d 'print the answer as it is'
complete -c gnt-confd -n '__gnt_confd_command node-role' -s h -l help -d 'show this help message and exit'
complete -c gnt-confd -n '__gnt_confd_command node-role' -l server -x -d 'ask this one, by name or address; may be given several times (default: the master candidates that this node knows)'
complete -c gnt-confd -n '__gnt_confd_command node-role' -l port -x -d 'default: 1814'
complete -c gnt-confd -n '__gnt_confd_command node-role' -l key -r -F -d 'the cluster\'s key (default: this node\'s own)'
complete -c gnt-confd -n '__gnt_confd_command node-role' -l timeout -x -d 'how long to wait (default: 10)'
complete -c gnt-confd -n '__gnt_confd_command node-role' -l json -d 'print the answer as it is'
complete -c gnt-confd -n '__gnt_confd_command instance-node' -s h -l help -d 'show this help message and exit'
complete -c gnt-confd -n '__gnt_confd_command instance-node' -l link -x -d 'of the guests\' cards; default: the cluster\'s default'
complete -c gnt-confd -n '__gnt_confd_command instance-node' -l server -x -d 'ask this one, by name or address; may be given several times (default: the master candidates that this node knows)'
complete -c gnt-confd -n '__gnt_confd_command instance-node' -l port -x -d 'default: 1814'
complete -c gnt-confd -n '__gnt_confd_command instance-node' -l key -r -F -d 'the cluster\'s key (default: this node\'s own)'
complete -c gnt-confd -n '__gnt_confd_command instance-node' -l timeout -x -d 'how long to wait (default: 10)'
complete -c gnt-confd -n '__gnt_confd_command instance-node' -l json -d 'print the answer as it is'
complete -c gnt-confd -n '__gnt_confd_command master' -s h -l help -d 'show this help message and exit'
complete -c gnt-confd -n '__gnt_confd_command master' -l server -x -d 'ask this one, by name or address; may be given several times (default: the master candidates that this node knows)'
complete -c gnt-confd -n '__gnt_confd_command master' -l port -x -d 'default: 1814'
complete -c gnt-confd -n '__gnt_confd_command master' -l key -r -F -d 'the cluster\'s key (default: this node\'s own)'
complete -c gnt-confd -n '__gnt_confd_command master' -l timeout -x -d 'how long to wait (default: 10)'
complete -c gnt-confd -n '__gnt_confd_command master' -l json -d 'print the answer as it is'
complete -c gnt-confd -n '__gnt_confd_command nodes' -s h -l help -d 'show this help message and exit'
complete -c gnt-confd -n '__gnt_confd_command nodes' -l server -x -d 'ask this one, by name or address; may be given several times (default: the master candidates that this node knows)'
complete -c gnt-confd -n '__gnt_confd_command nodes' -l port -x -d 'default: 1814'
complete -c gnt-confd -n '__gnt_confd_command nodes' -l key -r -F -d 'the cluster\'s key (default: this node\'s own)'
complete -c gnt-confd -n '__gnt_confd_command nodes' -l timeout -x -d 'how long to wait (default: 10)'
complete -c gnt-confd -n '__gnt_confd_command nodes' -l json -d 'print the answer as it is'
complete -c gnt-confd -n '__gnt_confd_command candidates' -s h -l help -d 'show this help message and exit'
complete -c gnt-confd -n '__gnt_confd_command candidates' -l server -x -d 'ask this one, by name or address; may be given several times (default: the master candidates that this node knows)'
complete -c gnt-confd -n '__gnt_confd_command candidates' -l port -x -d 'default: 1814'
complete -c gnt-confd -n '__gnt_confd_command candidates' -l key -r -F -d 'the cluster\'s key (default: this node\'s own)'
complete -c gnt-confd -n '__gnt_confd_command candidates' -l timeout -x -d 'how long to wait (default: 10)'
complete -c gnt-confd -n '__gnt_confd_command candidates' -l json -d 'print the answer as it is'
complete -c gnt-confd -n '__gnt_confd_command instance-ips' -s h -l help -d 'show this help message and exit'
complete -c gnt-confd -n '__gnt_confd_command instance-ips' -l link -x -d 'of the guests\' cards; default: the cluster\'s default'
complete -c gnt-confd -n '__gnt_confd_command instance-ips' -l server -x -d 'ask this one, by name or address; may be given several times (default: the master candidates that this node knows)'
complete -c gnt-confd -n '__gnt_confd_command instance-ips' -l port -x -d 'default: 1814'
complete -c gnt-confd -n '__gnt_confd_command instance-ips' -l key -r -F -d 'the cluster\'s key (default: this node\'s own)'
complete -c gnt-confd -n '__gnt_confd_command instance-ips' -l timeout -x -d 'how long to wait (default: 10)'
complete -c gnt-confd -n '__gnt_confd_command instance-ips' -l json -d 'print the answer as it is'
complete -c gnt-confd -n '__gnt_confd_command node-minors' -s h -l help -d 'show this help message and exit'
complete -c gnt-confd -n '__gnt_confd_command node-minors' -l server -x -d 'ask this one, by name or address; may be given several times (default: the master candidates that this node knows)'
complete -c gnt-confd -n '__gnt_confd_command node-minors' -l port -x -d 'default: 1814'
complete -c gnt-confd -n '__gnt_confd_command node-minors' -l key -r -F -d 'the cluster\'s key (default: this node\'s own)'
complete -c gnt-confd -n '__gnt_confd_command node-minors' -l timeout -x -d 'how long to wait (default: 10)'
complete -c gnt-confd -n '__gnt_confd_command node-minors' -l json -d 'print the answer as it is'
complete -c gnt-confd -n '__gnt_confd_command node-instances' -s h -l help -d 'show this help message and exit'
complete -c gnt-confd -n '__gnt_confd_command node-instances' -l server -x -d 'ask this one, by name or address; may be given several times (default: the master candidates that this node knows)'
complete -c gnt-confd -n '__gnt_confd_command node-instances' -l port -x -d 'default: 1814'
complete -c gnt-confd -n '__gnt_confd_command node-instances' -l key -r -F -d 'the cluster\'s key (default: this node\'s own)'
complete -c gnt-confd -n '__gnt_confd_command node-instances' -l timeout -x -d 'how long to wait (default: 10)'
complete -c gnt-confd -n '__gnt_confd_command node-instances' -l json -d 'print the answer as it is'
complete -c gnt-confd -n '__gnt_confd_command instance-disks' -s h -l help -d 'show this help message and exit'
complete -c gnt-confd -n '__gnt_confd_command instance-disks' -l server -x -d 'ask this one, by name or address; may be given several times (default: the master candidates that this node knows)'
complete -c gnt-confd -n '__gnt_confd_command instance-disks' -l port -x -d 'default: 1814'
complete -c gnt-confd -n '__gnt_confd_command instance-disks' -l key -r -F -d 'the cluster\'s key (default: this node\'s own)'
complete -c gnt-confd -n '__gnt_confd_command instance-disks' -l timeout -x -d 'how long to wait (default: 10)'
complete -c gnt-confd -n '__gnt_confd_command instance-disks' -l json -d 'print the answer as it is'
complete -c gnt-confd -n '__gnt_confd_command config' -s h -l help -d 'show this help message and exit'
complete -c gnt-confd -n '__gnt_confd_command config' -l server -x -d 'ask this one, by name or address; may be given several times (default: the master candidates that this node knows)'
complete -c gnt-confd -n '__gnt_confd_command config' -l port -x -d 'default: 1814'
complete -c gnt-confd -n '__gnt_confd_command config' -l key -r -F -d 'the cluster\'s key (default: this node\'s own)'
complete -c gnt-confd -n '__gnt_confd_command config' -l timeout -x -d 'how long to wait (default: 10)'
complete -c gnt-confd -n '__gnt_confd_command config' -l json -d 'print the answer as it is'
complete -c gnt-confd -n '__gnt_confd_command collectors' -s h -l help -d 'show this help message and exit'
complete -c gnt-confd -n '__gnt_confd_command collectors' -l server -x -d 'ask this one, by name or address; may be given several times (default: the master candidates that this node knows)'
complete -c gnt-confd -n '__gnt_confd_command collectors' -l port -x -d 'default: 1814'
complete -c gnt-confd -n '__gnt_confd_command collectors' -l key -r -F -d 'the cluster\'s key (default: this node\'s own)'
complete -c gnt-confd -n '__gnt_confd_command collectors' -l timeout -x -d 'how long to wait (default: 10)'
complete -c gnt-confd -n '__gnt_confd_command collectors' -l json -d 'print the answer as it is'
