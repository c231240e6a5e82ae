# fish completion for gnt-group, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_group_valued
    switch $argv[1]
        case add
            string split ' ' -- '--priority --node-parameters -D --disk-parameters --hypervisor-state --disk-state --ipolicy-bounds-specs --ipolicy-disk-templates --ipolicy-vcpu-ratio --ipolicy-spindle-ratio --alloc-policy --reason'
        case add-tags
            string split ' ' -- '--priority --from --reason'
        case assign-nodes
            string split ' ' -- '--priority --reason'
        case evacuate
            string split ' ' -- '-I --iallocator --priority --to --reason'
        case info
            string split ' ' -- '--format --reason'
        case list
            string split ' ' -- '--separator -o --output --format --reason'
        case list-fields
            string split ' ' -- '--separator --format --reason'
        case list-tags
            string split ' ' -- '--reason'
        case modify
            string split ' ' -- '--priority --node-parameters -D --disk-parameters --hypervisor-state --disk-state --ipolicy-bounds-specs --ipolicy-disk-templates --ipolicy-vcpu-ratio --ipolicy-spindle-ratio --alloc-policy --reason'
        case remove
            string split ' ' -- '--priority --reason'
        case remove-tags
            string split ' ' -- '--priority --from --reason'
        case rename
            string split ' ' -- '--priority --reason'
        case show-ispecs-cmd
            string split ' ' -- '--reason'
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_group_at
    set -l words (commandline -opc)
    set -l valued (__gnt_group_valued $words[2])
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
function __gnt_group_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_group_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_group_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_group_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-group -f
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -a add -d 'Add a new node group to the cluster'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -a add-tags -d 'Add tags to the given group'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -a assign-nodes -d 'Assign nodes to a group'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -a evacuate -d 'Evacuate all instances within a group'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -a info -d 'Show group information'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -a list -d 'Lists the node groups in the cluster. The available fields can be shown using the "list-fields" command (see the man page for details). The default field list is (in order): name, node_cnt, pinst_cnt, alloc_policy, ndparams.'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -a list-fields -d 'Lists all available fields for node groups'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -a list-tags -d 'List the tags of the given group'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -a modify -d 'Alters the parameters of a node group'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -a remove -d 'Remove an (empty) node group from the cluster'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -a remove-tags -d 'Remove tags from the given group'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -a rename -d 'Rename a node group'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -a show-ispecs-cmd -d 'Show the command line to re-create a group'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'Show the commands'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -l man -d 'Show all of it'
complete -c gnt-group -n 'test (count (commandline -opc)) -eq 1' -s V -l version -d 'Show the version'
complete -c gnt-group -n '__gnt_group_command add' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-group -n '__gnt_group_command add' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-group -n '__gnt_group_command add' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-group -n '__gnt_group_command add' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-group -n '__gnt_group_command add' -l node-parameters -x -d 'Parameters of nodes: key=value,...'
complete -c gnt-group -n '__gnt_group_command add' -s D -l disk-parameters -x -d 'Parameters of a disk template: template:key=value,...'
complete -c gnt-group -n '__gnt_group_command add' -l hypervisor-state -x -d 'Static hypervisor state: hypervisor:key=value,...'
complete -c gnt-group -n '__gnt_group_command add' -l disk-state -x -d 'Static storage state: type/name:key=value,...'
complete -c gnt-group -n '__gnt_group_command add' -l ipolicy-bounds-specs -x -d 'Smallest and largest instance: min:key=n,.../max:key=n,...[//...]'
complete -c gnt-group -n '__gnt_group_command add' -l ipolicy-disk-templates -x -d 'Allowed disk templates, separated by commas'
complete -c gnt-group -n '__gnt_group_command add' -l ipolicy-vcpu-ratio -x -d 'Most virtual processors per processor'
complete -c gnt-group -n '__gnt_group_command add' -l ipolicy-spindle-ratio -x -d 'Most instances per spindle'
complete -c gnt-group -n '__gnt_group_command add' -l alloc-policy -x -a 'preferred last_resort unallocable' -d 'preferred, last_resort or unallocable'
complete -c gnt-group -n '__gnt_group_command add' -s d -l debug -d 'Log and show more'
complete -c gnt-group -n '__gnt_group_command add' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-group -n '__gnt_group_command add' -s h -l help -d 'Show what there is'
complete -c gnt-group -n '__gnt_group_command add-tags' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-group -n '__gnt_group_command add-tags' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-group -n '__gnt_group_command add-tags' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-group -n '__gnt_group_command add-tags' -l from -x -d 'A file with one tag per line, - for stdin'
complete -c gnt-group -n '__gnt_group_command add-tags' -s d -l debug -d 'Log and show more'
complete -c gnt-group -n '__gnt_group_command add-tags' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-group -n '__gnt_group_command add-tags' -s h -l help -d 'Show what there is'
complete -c gnt-group -n '__gnt_group_argument 0 add-tags' -a '(__gnt_group_names group)'
complete -c gnt-group -n '__gnt_group_command assign-nodes' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-group -n '__gnt_group_command assign-nodes' -s f -l force -d 'Do not ask, and do it against doubts'
complete -c gnt-group -n '__gnt_group_command assign-nodes' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-group -n '__gnt_group_command assign-nodes' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-group -n '__gnt_group_command assign-nodes' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-group -n '__gnt_group_command assign-nodes' -s d -l debug -d 'Log and show more'
complete -c gnt-group -n '__gnt_group_command assign-nodes' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-group -n '__gnt_group_command assign-nodes' -s h -l help -d 'Show what there is'
complete -c gnt-group -n '__gnt_group_argument 0 assign-nodes' -a '(__gnt_group_names group)'
complete -c gnt-group -n '__gnt_group_argument 1+ assign-nodes' -a '(__gnt_group_names node)'
complete -c gnt-group -n '__gnt_group_command evacuate' -s I -l iallocator -x -a '(__gnt_group_names allocator)' -d 'Let this instance allocator choose nodes'
complete -c gnt-group -n '__gnt_group_command evacuate' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-group -n '__gnt_group_command evacuate' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-group -n '__gnt_group_command evacuate' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-group -n '__gnt_group_command evacuate' -l to -x -a '(__gnt_group_names group)' -d 'A node group that the instances may go to'
complete -c gnt-group -n '__gnt_group_command evacuate' -l early-release -d 'Let go of the old secondary\'s locks early'
complete -c gnt-group -n '__gnt_group_command evacuate' -l sequential -d 'Move one instance after the other'
complete -c gnt-group -n '__gnt_group_command evacuate' -l force-failover -d 'Fail instances over where they could be migrated'
complete -c gnt-group -n '__gnt_group_command evacuate' -s d -l debug -d 'Log and show more'
complete -c gnt-group -n '__gnt_group_command evacuate' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-group -n '__gnt_group_command evacuate' -s h -l help -d 'Show what there is'
complete -c gnt-group -n '__gnt_group_argument 0 evacuate' -a '(__gnt_group_names group)'
complete -c gnt-group -n '__gnt_group_command info' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-group -n '__gnt_group_command info' -s d -l debug -d 'Log and show more'
complete -c gnt-group -n '__gnt_group_command info' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-group -n '__gnt_group_command info' -s h -l help -d 'Show what there is'
complete -c gnt-group -n '__gnt_group_argument 0+ info' -a '(__gnt_group_names group)'
complete -c gnt-group -n '__gnt_group_command list' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-group -n '__gnt_group_command list' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-group -n '__gnt_group_command list' -s o -l output -x -a '(__gnt_group_names fields-group)' -d 'Fields to show, separated by commas; a leading + adds to the usual ones'
complete -c gnt-group -n '__gnt_group_command list' -s v -l verbose -d 'Show more'
complete -c gnt-group -n '__gnt_group_command list' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-group -n '__gnt_group_command list' -s F -l filter -d 'The argument is a filter, not names'
complete -c gnt-group -n '__gnt_group_command list' -s d -l debug -d 'Log and show more'
complete -c gnt-group -n '__gnt_group_command list' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-group -n '__gnt_group_command list' -s h -l help -d 'Show what there is'
complete -c gnt-group -n '__gnt_group_argument 0+ list' -a '(__gnt_group_names group)'
complete -c gnt-group -n '__gnt_group_command list-fields' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-group -n '__gnt_group_command list-fields' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-group -n '__gnt_group_command list-fields' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-group -n '__gnt_group_command list-fields' -s d -l debug -d 'Log and show more'
complete -c gnt-group -n '__gnt_group_command list-fields' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-group -n '__gnt_group_command list-fields' -s h -l help -d 'Show what there is'
complete -c gnt-group -n '__gnt_group_argument 0+ list-fields' -a '(__gnt_group_names fields-group)'
complete -c gnt-group -n '__gnt_group_command list-tags' -s d -l debug -d 'Log and show more'
complete -c gnt-group -n '__gnt_group_command list-tags' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-group -n '__gnt_group_command list-tags' -s h -l help -d 'Show what there is'
complete -c gnt-group -n '__gnt_group_argument 0 list-tags' -a '(__gnt_group_names group)'
complete -c gnt-group -n '__gnt_group_command modify' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-group -n '__gnt_group_command modify' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-group -n '__gnt_group_command modify' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-group -n '__gnt_group_command modify' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-group -n '__gnt_group_command modify' -l node-parameters -x -d 'Parameters of nodes: key=value,...'
complete -c gnt-group -n '__gnt_group_command modify' -s D -l disk-parameters -x -d 'Parameters of a disk template: template:key=value,...'
complete -c gnt-group -n '__gnt_group_command modify' -l hypervisor-state -x -d 'Static hypervisor state: hypervisor:key=value,...'
complete -c gnt-group -n '__gnt_group_command modify' -l disk-state -x -d 'Static storage state: type/name:key=value,...'
complete -c gnt-group -n '__gnt_group_command modify' -l ipolicy-bounds-specs -x -d 'Smallest and largest instance: min:key=n,.../max:key=n,...[//...]'
complete -c gnt-group -n '__gnt_group_command modify' -l ipolicy-disk-templates -x -d 'Allowed disk templates, separated by commas'
complete -c gnt-group -n '__gnt_group_command modify' -l ipolicy-vcpu-ratio -x -d 'Most virtual processors per processor'
complete -c gnt-group -n '__gnt_group_command modify' -l ipolicy-spindle-ratio -x -d 'Most instances per spindle'
complete -c gnt-group -n '__gnt_group_command modify' -l alloc-policy -x -a 'preferred last_resort unallocable' -d 'preferred, last_resort or unallocable'
complete -c gnt-group -n '__gnt_group_command modify' -s d -l debug -d 'Log and show more'
complete -c gnt-group -n '__gnt_group_command modify' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-group -n '__gnt_group_command modify' -s h -l help -d 'Show what there is'
complete -c gnt-group -n '__gnt_group_argument 0 modify' -a '(__gnt_group_names group)'
complete -c gnt-group -n '__gnt_group_command remove' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-group -n '__gnt_group_command remove' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-group -n '__gnt_group_command remove' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-group -n '__gnt_group_command remove' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-group -n '__gnt_group_command remove' -s d -l debug -d 'Log and show more'
complete -c gnt-group -n '__gnt_group_command remove' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-group -n '__gnt_group_command remove' -s h -l help -d 'Show what there is'
complete -c gnt-group -n '__gnt_group_argument 0 remove' -a '(__gnt_group_names group)'
complete -c gnt-group -n '__gnt_group_command remove-tags' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-group -n '__gnt_group_command remove-tags' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-group -n '__gnt_group_command remove-tags' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-group -n '__gnt_group_command remove-tags' -l from -x -d 'A file with one tag per line, - for stdin'
complete -c gnt-group -n '__gnt_group_command remove-tags' -s d -l debug -d 'Log and show more'
complete -c gnt-group -n '__gnt_group_command remove-tags' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-group -n '__gnt_group_command remove-tags' -s h -l help -d 'Show what there is'
complete -c gnt-group -n '__gnt_group_argument 0 remove-tags' -a '(__gnt_group_names group)'
complete -c gnt-group -n '__gnt_group_command rename' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-group -n '__gnt_group_command rename' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-group -n '__gnt_group_command rename' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-group -n '__gnt_group_command rename' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-group -n '__gnt_group_command rename' -s d -l debug -d 'Log and show more'
complete -c gnt-group -n '__gnt_group_command rename' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-group -n '__gnt_group_command rename' -s h -l help -d 'Show what there is'
complete -c gnt-group -n '__gnt_group_argument 0 rename' -a '(__gnt_group_names group)'
complete -c gnt-group -n '__gnt_group_command show-ispecs-cmd' -l include-defaults -d 'Also what the groups inherit from the cluster'
complete -c gnt-group -n '__gnt_group_command show-ispecs-cmd' -s d -l debug -d 'Log and show more'
complete -c gnt-group -n '__gnt_group_command show-ispecs-cmd' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-group -n '__gnt_group_command show-ispecs-cmd' -s h -l help -d 'Show what there is'
complete -c gnt-group -n '__gnt_group_argument 0+ show-ispecs-cmd' -a '(__gnt_group_names group)'
