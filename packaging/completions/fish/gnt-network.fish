# fish completion for gnt-network, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_network_valued
    switch $argv[1]
        case add
            string split ' ' -- '--priority --gateway --add-reserved-ips -m --mac-prefix --network6 --gateway6 --network --tags --reason'
        case add-tags
            string split ' ' -- '--priority --from --reason'
        case connect
            string split ' ' -- '--priority -N --nic-parameters --reason'
        case disconnect
            string split ' ' -- '--priority --reason'
        case info
            string split ' ' -- '--format --reason'
        case list
            string split ' ' -- '--separator -o --output --format --reason'
        case list-fields
            string split ' ' -- '--separator --format --reason'
        case list-tags
            string split ' ' -- '--reason'
        case modify
            string split ' ' -- '--priority --gateway --add-reserved-ips -m --mac-prefix --network6 --gateway6 --remove-reserved-ips --reason'
        case remove
            string split ' ' -- '--priority --reason'
        case remove-tags
            string split ' ' -- '--priority --from --reason'
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_network_at
    set -l words (commandline -opc)
    set -l valued (__gnt_network_valued $words[2])
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
function __gnt_network_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_network_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_network_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_network_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-network -f
complete -c gnt-network -n 'test (count (commandline -opc)) -eq 1' -a add -d 'Add a new IP network to the cluster'
complete -c gnt-network -n 'test (count (commandline -opc)) -eq 1' -a add-tags -d 'Add tags to the given network'
complete -c gnt-network -n 'test (count (commandline -opc)) -eq 1' -a connect -d 'Map a given network to the specified node group with given mode and link (netparams)'
complete -c gnt-network -n 'test (count (commandline -opc)) -eq 1' -a disconnect -d 'Unmap a given network from a specified node group'
complete -c gnt-network -n 'test (count (commandline -opc)) -eq 1' -a info -d 'Show information about the network(s)'
complete -c gnt-network -n 'test (count (commandline -opc)) -eq 1' -a list -d 'Lists the IP networks in the cluster. The available fields can be shown using the "list-fields" command (see the man page for details). The default list is (in order): name, network, gateway, mac_prefix, group_list, tags.'
complete -c gnt-network -n 'test (count (commandline -opc)) -eq 1' -a list-fields -d 'Lists all available fields for networks'
complete -c gnt-network -n 'test (count (commandline -opc)) -eq 1' -a list-tags -d 'List the tags of the given network'
complete -c gnt-network -n 'test (count (commandline -opc)) -eq 1' -a modify -d 'Alters the parameters of a network'
complete -c gnt-network -n 'test (count (commandline -opc)) -eq 1' -a remove -d 'Remove an (empty) network from the cluster'
complete -c gnt-network -n 'test (count (commandline -opc)) -eq 1' -a remove-tags -d 'Remove tags from given network'
complete -c gnt-network -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'Show the commands'
complete -c gnt-network -n 'test (count (commandline -opc)) -eq 1' -l man -d 'Show all of it'
complete -c gnt-network -n 'test (count (commandline -opc)) -eq 1' -s V -l version -d 'Show the version'
complete -c gnt-network -n '__gnt_network_command add' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-network -n '__gnt_network_command add' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-network -n '__gnt_network_command add' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-network -n '__gnt_network_command add' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-network -n '__gnt_network_command add' -l gateway -x -d 'The network\'s IPv4 gateway'
complete -c gnt-network -n '__gnt_network_command add' -l add-reserved-ips -x -d 'Addresses that no instance may get'
complete -c gnt-network -n '__gnt_network_command add' -s m -l mac-prefix -x -d 'How the MACs of cards on the network begin'
complete -c gnt-network -n '__gnt_network_command add' -l network6 -x -d 'The IPv6 network, as ADDRESS/LENGTH'
complete -c gnt-network -n '__gnt_network_command add' -l gateway6 -x -d 'The network\'s IPv6 gateway'
complete -c gnt-network -n '__gnt_network_command add' -l no-conflicts-check -d 'Do not look whether addresses are in use already'
complete -c gnt-network -n '__gnt_network_command add' -l network -x -d 'The IPv4 network, as ADDRESS/LENGTH'
complete -c gnt-network -n '__gnt_network_command add' -l tags -x -d 'Tags, separated by commas'
complete -c gnt-network -n '__gnt_network_command add' -s d -l debug -d 'Log and show more'
complete -c gnt-network -n '__gnt_network_command add' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-network -n '__gnt_network_command add' -s h -l help -d 'Show what there is'
complete -c gnt-network -n '__gnt_network_command add-tags' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-network -n '__gnt_network_command add-tags' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-network -n '__gnt_network_command add-tags' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-network -n '__gnt_network_command add-tags' -l from -x -d 'A file with one tag per line, - for stdin'
complete -c gnt-network -n '__gnt_network_command add-tags' -s d -l debug -d 'Log and show more'
complete -c gnt-network -n '__gnt_network_command add-tags' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-network -n '__gnt_network_command add-tags' -s h -l help -d 'Show what there is'
complete -c gnt-network -n '__gnt_network_argument 0 add-tags' -a '(__gnt_network_names network)'
complete -c gnt-network -n '__gnt_network_command connect' -l no-conflicts-check -d 'Do not look whether addresses are in use already'
complete -c gnt-network -n '__gnt_network_command connect' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-network -n '__gnt_network_command connect' -s N -l nic-parameters -x -d 'How the network reaches the nodes: mode=...,link=...,vlan=...'
complete -c gnt-network -n '__gnt_network_command connect' -s d -l debug -d 'Log and show more'
complete -c gnt-network -n '__gnt_network_command connect' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-network -n '__gnt_network_command connect' -s h -l help -d 'Show what there is'
complete -c gnt-network -n '__gnt_network_argument 0 connect' -a '(__gnt_network_names network)'
complete -c gnt-network -n '__gnt_network_argument 1+ connect' -a '(__gnt_network_names group)'
complete -c gnt-network -n '__gnt_network_command disconnect' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-network -n '__gnt_network_command disconnect' -s d -l debug -d 'Log and show more'
complete -c gnt-network -n '__gnt_network_command disconnect' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-network -n '__gnt_network_command disconnect' -s h -l help -d 'Show what there is'
complete -c gnt-network -n '__gnt_network_argument 0 disconnect' -a '(__gnt_network_names network)'
complete -c gnt-network -n '__gnt_network_argument 1+ disconnect' -a '(__gnt_network_names group)'
complete -c gnt-network -n '__gnt_network_command info' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-network -n '__gnt_network_command info' -s d -l debug -d 'Log and show more'
complete -c gnt-network -n '__gnt_network_command info' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-network -n '__gnt_network_command info' -s h -l help -d 'Show what there is'
complete -c gnt-network -n '__gnt_network_argument 0+ info' -a '(__gnt_network_names network)'
complete -c gnt-network -n '__gnt_network_command list' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-network -n '__gnt_network_command list' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-network -n '__gnt_network_command list' -s o -l output -x -a '(__gnt_network_names fields-network)' -d 'Fields to show, separated by commas; a leading + adds to the usual ones'
complete -c gnt-network -n '__gnt_network_command list' -s v -l verbose -d 'Show more'
complete -c gnt-network -n '__gnt_network_command list' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-network -n '__gnt_network_command list' -s d -l debug -d 'Log and show more'
complete -c gnt-network -n '__gnt_network_command list' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-network -n '__gnt_network_command list' -s h -l help -d 'Show what there is'
complete -c gnt-network -n '__gnt_network_argument 0+ list' -a '(__gnt_network_names network)'
complete -c gnt-network -n '__gnt_network_command list-fields' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-network -n '__gnt_network_command list-fields' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-network -n '__gnt_network_command list-fields' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-network -n '__gnt_network_command list-fields' -s d -l debug -d 'Log and show more'
complete -c gnt-network -n '__gnt_network_command list-fields' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-network -n '__gnt_network_command list-fields' -s h -l help -d 'Show what there is'
complete -c gnt-network -n '__gnt_network_argument 0+ list-fields' -a '(__gnt_network_names fields-network)'
complete -c gnt-network -n '__gnt_network_command list-tags' -s d -l debug -d 'Log and show more'
complete -c gnt-network -n '__gnt_network_command list-tags' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-network -n '__gnt_network_command list-tags' -s h -l help -d 'Show what there is'
complete -c gnt-network -n '__gnt_network_argument 0 list-tags' -a '(__gnt_network_names network)'
complete -c gnt-network -n '__gnt_network_command modify' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-network -n '__gnt_network_command modify' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-network -n '__gnt_network_command modify' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-network -n '__gnt_network_command modify' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-network -n '__gnt_network_command modify' -l gateway -x -d 'The network\'s IPv4 gateway'
complete -c gnt-network -n '__gnt_network_command modify' -l add-reserved-ips -x -d 'Addresses that no instance may get'
complete -c gnt-network -n '__gnt_network_command modify' -s m -l mac-prefix -x -d 'How the MACs of cards on the network begin'
complete -c gnt-network -n '__gnt_network_command modify' -l network6 -x -d 'The IPv6 network, as ADDRESS/LENGTH'
complete -c gnt-network -n '__gnt_network_command modify' -l gateway6 -x -d 'The network\'s IPv6 gateway'
complete -c gnt-network -n '__gnt_network_command modify' -l remove-reserved-ips -x -d 'Reserved addresses that instances may get'
complete -c gnt-network -n '__gnt_network_command modify' -s d -l debug -d 'Log and show more'
complete -c gnt-network -n '__gnt_network_command modify' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-network -n '__gnt_network_command modify' -s h -l help -d 'Show what there is'
complete -c gnt-network -n '__gnt_network_argument 0 modify' -a '(__gnt_network_names network)'
complete -c gnt-network -n '__gnt_network_command remove' -s f -l force -d 'Do not ask, and do it against doubts'
complete -c gnt-network -n '__gnt_network_command remove' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-network -n '__gnt_network_command remove' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-network -n '__gnt_network_command remove' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-network -n '__gnt_network_command remove' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-network -n '__gnt_network_command remove' -s d -l debug -d 'Log and show more'
complete -c gnt-network -n '__gnt_network_command remove' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-network -n '__gnt_network_command remove' -s h -l help -d 'Show what there is'
complete -c gnt-network -n '__gnt_network_argument 0 remove' -a '(__gnt_network_names network)'
complete -c gnt-network -n '__gnt_network_command remove-tags' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-network -n '__gnt_network_command remove-tags' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-network -n '__gnt_network_command remove-tags' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-network -n '__gnt_network_command remove-tags' -l from -x -d 'A file with one tag per line, - for stdin'
complete -c gnt-network -n '__gnt_network_command remove-tags' -s d -l debug -d 'Log and show more'
complete -c gnt-network -n '__gnt_network_command remove-tags' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-network -n '__gnt_network_command remove-tags' -s h -l help -d 'Show what there is'
complete -c gnt-network -n '__gnt_network_argument 0 remove-tags' -a '(__gnt_network_names network)'
