# fish completion for gnt-node, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_node_valued
    switch $argv[1]
        case add
            string split ' ' -- '-s --secondary-ip -g --node-group --priority --master-capable --vm-capable --node-parameters --hypervisor-state --disk-state --reason'
        case add-tags
            string split ' ' -- '--priority --from --reason'
        case evacuate
            string split ' ' -- '-I --iallocator --priority -n --new-secondary --reason'
        case failover
            string split ' ' -- '-I --iallocator --priority --reason'
        case forget-debts
            string split ' ' -- '--reason'
        case health
            string split ' ' -- '--separator --priority --oob-timeout --reason'
        case info show
            string split ' ' -- '--format --reason'
        case list
            string split ' ' -- '--separator -o --output --format --units --reason'
        case list-debts
            string split ' ' -- '--separator --format --reason'
        case list-drbd
            string split ' ' -- '--separator --reason'
        case list-fields
            string split ' ' -- '--separator --format --reason'
        case list-storage
            string split ' ' -- '--separator --units -o --output --priority -t --storage-type --reason'
        case list-tags
            string split ' ' -- '--reason'
        case migrate
            string split ' ' -- '--migration-mode -n --target-node -I --iallocator --priority --reason'
        case modify
            string split ' ' -- '--priority --master-capable --vm-capable -s --secondary-ip --node-parameters --hypervisor-state --disk-state -C --master-candidate -D --drained -O --offline --node-powered --reason'
        case modify-storage
            string split ' ' -- '--allocatable --priority --reason'
        case power
            string split ' ' -- '--priority --separator --oob-timeout --power-delay --reason'
        case powercycle
            string split ' ' -- '--priority --reason'
        case preflight
            string split ' ' -- '-s --secondary-ip --reason'
        case remove
            string split ' ' -- '--priority --reason'
        case remove-tags
            string split ' ' -- '--priority --from --reason'
        case repair-storage
            string split ' ' -- '--priority --reason'
        case restricted-command
            string split ' ' -- '--priority -g --node-group --reason'
        case retry-debts
            string split ' ' -- '--reason'
        case volumes
            string split ' ' -- '--separator --units -o --output --priority --reason'
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_node_at
    set -l words (commandline -opc)
    set -l valued (__gnt_node_valued $words[2])
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
function __gnt_node_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_node_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_node_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_node_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-node -f
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a add -d 'Add a node to the cluster'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a add-tags -d 'Add tags to the given node'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a evacuate -d 'Relocate the primary and/or secondary instances from a node'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a failover -d 'Stops the primary instances on a node and start them on their secondary node (only for instances with drbd disk template)'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a forget-debts -d 'Give up what earlier jobs left to do on nodes'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a health -d 'List health of node(s) using out-of-band'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a info -d 'Show information about the node(s)'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a show -d 'Show information about the node(s)'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a list -d 'Lists the nodes in the cluster. The available fields can be shown using the "list-fields" command (see the man page for details). The default field list is (in order): name, dtotal, dfree, mtotal, mnode, mfree, pinst_cnt, sinst_cnt.'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a list-debts -d 'List what earlier jobs left to do on nodes, and why'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a list-drbd -d 'Query the list of used DRBD minors on the given node'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a list-fields -d 'Lists all available fields for nodes'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a list-storage -d 'List storage units on node(s). The available fields are (see the man page for details): node, type, name, size, used, free, allocatable.'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a list-tags -d 'List the tags of the given node'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a migrate -d 'Migrate all the primary instance on a node away from it (only for instances of type drbd)'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a modify -d 'Alters the parameters of a node'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a modify-storage -d 'Modify storage volume on a node'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a power -d 'Change power state of node by calling out-of-band helper.'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a powercycle -d 'Tries to forcefully powercycle a node'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a preflight -d 'Looks whether hosts can be nodes'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a remove -d 'Removes a node from the cluster'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a remove-tags -d 'Remove tags from the given node'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a repair-storage -d 'Repairs a storage volume on a node'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a restricted-command -d 'Executes a restricted command on node(s)'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a retry-debts -d 'Try at once what earlier jobs left to do on nodes'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -a volumes -d 'List logical volumes on node(s)'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'Show the commands'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -l man -d 'Show all of it'
complete -c gnt-node -n 'test (count (commandline -opc)) -eq 1' -s V -l version -d 'Show the version'
complete -c gnt-node -n '__gnt_node_command add' -s s -l secondary-ip -x -d 'Address of the node in the network for replication'
complete -c gnt-node -n '__gnt_node_command add' -s g -l node-group -x -a '(__gnt_node_names group)' -d 'Name or UUID of a node group'
complete -c gnt-node -n '__gnt_node_command add' -s v -l verbose -d 'Show more'
complete -c gnt-node -n '__gnt_node_command add' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command add' -l master-capable -x -a 'yes no' -d 'Whether the node may become a master candidate'
complete -c gnt-node -n '__gnt_node_command add' -l vm-capable -x -a 'yes no' -d 'Whether the node may run instances'
complete -c gnt-node -n '__gnt_node_command add' -l node-parameters -x -d 'Parameters of nodes: key=value,...'
complete -c gnt-node -n '__gnt_node_command add' -l hypervisor-state -x -d 'Static hypervisor state: hypervisor:key=value,...'
complete -c gnt-node -n '__gnt_node_command add' -l disk-state -x -d 'Static storage state: type/name:key=value,...'
complete -c gnt-node -n '__gnt_node_command add' -l readd -d 'The node is known, and its host was made anew'
complete -c gnt-node -n '__gnt_node_command add' -l no-ssh-key-check -d 'Accept any ssh host key'
complete -c gnt-node -n '__gnt_node_command add' -l no-preflight -d 'Do not look first whether the host can be a node'
complete -c gnt-node -n '__gnt_node_command add' -l force-join -d 'Take in a host that seems to belong to a cluster'
complete -c gnt-node -n '__gnt_node_command add' -l no-node-setup -d 'Do not prepare the host by ssh'
complete -c gnt-node -n '__gnt_node_command add' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command add' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command add' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_command add-tags' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command add-tags' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-node -n '__gnt_node_command add-tags' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-node -n '__gnt_node_command add-tags' -l from -x -d 'A file with one tag per line, - for stdin'
complete -c gnt-node -n '__gnt_node_command add-tags' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command add-tags' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command add-tags' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0 add-tags' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command evacuate' -s f -l force -d 'Do not ask, and do it against doubts'
complete -c gnt-node -n '__gnt_node_command evacuate' -s I -l iallocator -x -a '(__gnt_node_names allocator)' -d 'Let this instance allocator choose nodes'
complete -c gnt-node -n '__gnt_node_command evacuate' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command evacuate' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-node -n '__gnt_node_command evacuate' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-node -n '__gnt_node_command evacuate' -l ignore-soft-errors -d 'Go on though the allocator sees small problems'
complete -c gnt-node -n '__gnt_node_command evacuate' -s n -l new-secondary -x -a '(__gnt_node_names node)' -d 'The instances\' new secondary node'
complete -c gnt-node -n '__gnt_node_command evacuate' -l early-release -d 'Let go of the old secondary\'s locks early'
complete -c gnt-node -n '__gnt_node_command evacuate' -s p -l primary-only -d 'Only instances whose primary node this is'
complete -c gnt-node -n '__gnt_node_command evacuate' -s s -l secondary-only -d 'Only instances whose secondary node this is'
complete -c gnt-node -n '__gnt_node_command evacuate' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command evacuate' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command evacuate' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0 evacuate' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command failover' -s f -l force -d 'Do not ask, and do it against doubts'
complete -c gnt-node -n '__gnt_node_command failover' -s I -l iallocator -x -a '(__gnt_node_names allocator)' -d 'Let this instance allocator choose nodes'
complete -c gnt-node -n '__gnt_node_command failover' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command failover' -l ignore-consistency -d 'Go on though the other node\'s disks may be outdated'
complete -c gnt-node -n '__gnt_node_command failover' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command failover' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command failover' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0 failover' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command forget-debts' -l all -d 'All debts of the cluster'
complete -c gnt-node -n '__gnt_node_command forget-debts' -l yes-do-it -d 'Do not ask'
complete -c gnt-node -n '__gnt_node_command forget-debts' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command forget-debts' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command forget-debts' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_command health' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-node -n '__gnt_node_command health' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-node -n '__gnt_node_command health' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command health' -l oob-timeout -x -d 'Seconds that the program may take for one node'
complete -c gnt-node -n '__gnt_node_command health' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command health' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command health' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0+ health' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command info show' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-node -n '__gnt_node_command info show' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command info show' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command info show' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0+ info show' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command list' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-node -n '__gnt_node_command list' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-node -n '__gnt_node_command list' -s o -l output -x -a '(__gnt_node_names fields-node)' -d 'Fields to show, separated by commas; a leading + adds to the usual ones'
complete -c gnt-node -n '__gnt_node_command list' -s v -l verbose -d 'Show more'
complete -c gnt-node -n '__gnt_node_command list' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-node -n '__gnt_node_command list' -l units -x -a 'h m g t' -d 'Unit of sizes: h chooses for people, or m, g, t'
complete -c gnt-node -n '__gnt_node_command list' -s F -l filter -d 'The argument is a filter, not names'
complete -c gnt-node -n '__gnt_node_command list' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command list' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command list' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0+ list' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command list-debts' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-node -n '__gnt_node_command list-debts' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-node -n '__gnt_node_command list-debts' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-node -n '__gnt_node_command list-debts' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command list-debts' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command list-debts' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0+ list-debts' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command list-drbd' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-node -n '__gnt_node_command list-drbd' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-node -n '__gnt_node_command list-drbd' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command list-drbd' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command list-drbd' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0 list-drbd' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command list-fields' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-node -n '__gnt_node_command list-fields' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-node -n '__gnt_node_command list-fields' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-node -n '__gnt_node_command list-fields' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command list-fields' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command list-fields' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0+ list-fields' -a '(__gnt_node_names fields-node)'
complete -c gnt-node -n '__gnt_node_command list-storage' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-node -n '__gnt_node_command list-storage' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-node -n '__gnt_node_command list-storage' -l units -x -a 'h m g t' -d 'Unit of sizes: h chooses for people, or m, g, t'
complete -c gnt-node -n '__gnt_node_command list-storage' -s o -l output -x -d 'Fields to show, separated by commas; a leading + adds to the usual ones'
complete -c gnt-node -n '__gnt_node_command list-storage' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command list-storage' -s t -l storage-type -x -d 'The type of storage units, such as lvm-vg or lvm-pv, or a disk template; without it that of the first enabled one that takes room of nodes'
complete -c gnt-node -n '__gnt_node_command list-storage' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command list-storage' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command list-storage' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0+ list-storage' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command list-tags' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command list-tags' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command list-tags' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0 list-tags' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command migrate' -s f -l force -d 'Do not ask, and do it against doubts'
complete -c gnt-node -n '__gnt_node_command migrate' -l non-live -d 'Stop the instance, move its state, let it go on'
complete -c gnt-node -n '__gnt_node_command migrate' -l migration-mode -x -a 'live non-live' -d 'live or non-live, instead of the hypervisor\'s default'
complete -c gnt-node -n '__gnt_node_command migrate' -s n -l target-node -x -a '(__gnt_node_names node)' -d 'Where the instance goes'
complete -c gnt-node -n '__gnt_node_command migrate' -s I -l iallocator -x -a '(__gnt_node_names allocator)' -d 'Let this instance allocator choose nodes'
complete -c gnt-node -n '__gnt_node_command migrate' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command migrate' -l ignore-ipolicy -d 'Go on though the instance policy is violated'
complete -c gnt-node -n '__gnt_node_command migrate' -l no-runtime-changes -d 'The instance\'s memory may not be changed on the way'
complete -c gnt-node -n '__gnt_node_command migrate' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-node -n '__gnt_node_command migrate' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-node -n '__gnt_node_command migrate' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command migrate' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command migrate' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0 migrate' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command modify' -s f -l force -d 'Do not ask, and do it against doubts'
complete -c gnt-node -n '__gnt_node_command modify' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-node -n '__gnt_node_command modify' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-node -n '__gnt_node_command modify' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-node -n '__gnt_node_command modify' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command modify' -l master-capable -x -a 'yes no' -d 'Whether the node may become a master candidate'
complete -c gnt-node -n '__gnt_node_command modify' -l vm-capable -x -a 'yes no' -d 'Whether the node may run instances'
complete -c gnt-node -n '__gnt_node_command modify' -s s -l secondary-ip -x -d 'Address of the node in the network for replication'
complete -c gnt-node -n '__gnt_node_command modify' -l node-parameters -x -d 'Parameters of nodes: key=value,...'
complete -c gnt-node -n '__gnt_node_command modify' -l hypervisor-state -x -d 'Static hypervisor state: hypervisor:key=value,...'
complete -c gnt-node -n '__gnt_node_command modify' -l disk-state -x -d 'Static storage state: type/name:key=value,...'
complete -c gnt-node -n '__gnt_node_command modify' -s C -l master-candidate -x -a 'yes no' -d 'Whether the node is a master candidate'
complete -c gnt-node -n '__gnt_node_command modify' -s D -l drained -x -a 'yes no' -d 'Whether the node gets no new instances'
complete -c gnt-node -n '__gnt_node_command modify' -s O -l offline -x -a 'yes no' -d 'Whether the node is left alone'
complete -c gnt-node -n '__gnt_node_command modify' -l node-powered -x -a 'yes no' -d 'Whether the node is recorded as powered on'
complete -c gnt-node -n '__gnt_node_command modify' -l auto-promote -d 'Make other nodes candidates where this one was one'
complete -c gnt-node -n '__gnt_node_command modify' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command modify' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command modify' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0 modify' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command modify-storage' -l allocatable -x -a 'yes no' -d 'Whether room may be taken from it'
complete -c gnt-node -n '__gnt_node_command modify-storage' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-node -n '__gnt_node_command modify-storage' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command modify-storage' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-node -n '__gnt_node_command modify-storage' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-node -n '__gnt_node_command modify-storage' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command modify-storage' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command modify-storage' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0 modify-storage' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command power' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-node -n '__gnt_node_command power' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-node -n '__gnt_node_command power' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command power' -s f -l force -d 'Do not ask, and do it against doubts'
complete -c gnt-node -n '__gnt_node_command power' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-node -n '__gnt_node_command power' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-node -n '__gnt_node_command power' -l oob-timeout -x -d 'Seconds that the program may take for one node'
complete -c gnt-node -n '__gnt_node_command power' -l power-delay -x -d 'Seconds between two nodes that are switched on'
complete -c gnt-node -n '__gnt_node_command power' -l ignore-status -d 'Switch nodes off that are not marked offline (dangerous)'
complete -c gnt-node -n '__gnt_node_command power' -l auto-promote -d 'Make other nodes master candidates in their place'
complete -c gnt-node -n '__gnt_node_command power' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command power' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command power' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0 power' -a 'on off cycle status'
complete -c gnt-node -n '__gnt_node_argument 1+ power' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command powercycle' -s f -l force -d 'Do not ask, and do it against doubts'
complete -c gnt-node -n '__gnt_node_command powercycle' -l yes -d 'Do not ask for confirmation'
complete -c gnt-node -n '__gnt_node_command powercycle' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-node -n '__gnt_node_command powercycle' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command powercycle' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-node -n '__gnt_node_command powercycle' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-node -n '__gnt_node_command powercycle' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command powercycle' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command powercycle' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0 powercycle' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command preflight' -s s -l secondary-ip -x -d 'Address of the node in the network for replication'
complete -c gnt-node -n '__gnt_node_command preflight' -l no-ssh-key-check -d 'Accept any ssh host key'
complete -c gnt-node -n '__gnt_node_command preflight' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command preflight' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command preflight' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_command remove' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-node -n '__gnt_node_command remove' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command remove' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command remove' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command remove' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0 remove' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command remove-tags' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command remove-tags' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-node -n '__gnt_node_command remove-tags' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-node -n '__gnt_node_command remove-tags' -l from -x -d 'A file with one tag per line, - for stdin'
complete -c gnt-node -n '__gnt_node_command remove-tags' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command remove-tags' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command remove-tags' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0 remove-tags' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command repair-storage' -l ignore-consistency -d 'Go on though the other node\'s disks may be outdated'
complete -c gnt-node -n '__gnt_node_command repair-storage' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-node -n '__gnt_node_command repair-storage' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command repair-storage' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-node -n '__gnt_node_command repair-storage' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-node -n '__gnt_node_command repair-storage' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command repair-storage' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command repair-storage' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0 repair-storage' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command restricted-command' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command restricted-command' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-node -n '__gnt_node_command restricted-command' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-node -n '__gnt_node_command restricted-command' -s g -l node-group -x -a '(__gnt_node_names group)' -d 'Name or UUID of a node group'
complete -c gnt-node -n '__gnt_node_command restricted-command' -l sync -d 'Wait until no job works on the nodes'
complete -c gnt-node -n '__gnt_node_command restricted-command' -s M -l show-machine-names -d 'Put the node\'s name before every line'
complete -c gnt-node -n '__gnt_node_command restricted-command' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command restricted-command' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command restricted-command' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 1+ restricted-command' -a '(__gnt_node_names node)'
complete -c gnt-node -n '__gnt_node_command retry-debts' -l all -d 'All debts of the cluster'
complete -c gnt-node -n '__gnt_node_command retry-debts' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command retry-debts' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command retry-debts' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_command volumes' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-node -n '__gnt_node_command volumes' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-node -n '__gnt_node_command volumes' -l units -x -a 'h m g t' -d 'Unit of sizes: h chooses for people, or m, g, t'
complete -c gnt-node -n '__gnt_node_command volumes' -s o -l output -x -d 'Fields to show, separated by commas; a leading + adds to the usual ones'
complete -c gnt-node -n '__gnt_node_command volumes' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-node -n '__gnt_node_command volumes' -s d -l debug -d 'Log and show more'
complete -c gnt-node -n '__gnt_node_command volumes' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-node -n '__gnt_node_command volumes' -s h -l help -d 'Show what there is'
complete -c gnt-node -n '__gnt_node_argument 0+ volumes' -a '(__gnt_node_names node)'
