# fish completion for gnt-backup, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_backup_valued
    switch $argv[1]
        case export
            string split ' ' -- '-n --node --transport-compression --shutdown-timeout --priority --zeroing-timeout-fixed --zeroing-timeout-per-mib --reason'
        case import
            string split ' ' -- '-B --backend-parameters --disk --net --file-storage-dir --file-driver -H --hypervisor-parameters -s --os-size --tags -t --disk-template -n --node -g --node-group -I --iallocator -O --os-parameters --os-parameters-private --os-parameters-secret --priority --src-dir --src-node --compress --helper-startup-timeout --helper-shutdown-timeout --reason'
        case list
            string split ' ' -- '--separator -o --output --format --units -n --node --reason'
        case list-fields
            string split ' ' -- '--separator --format --reason'
        case remove
            string split ' ' -- '--priority --reason'
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_backup_at
    set -l words (commandline -opc)
    set -l valued (__gnt_backup_valued $words[2])
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
function __gnt_backup_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_backup_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_backup_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_backup_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-backup -f
complete -c gnt-backup -n 'test (count (commandline -opc)) -eq 1' -a export -d 'Exports an instance to an image'
complete -c gnt-backup -n 'test (count (commandline -opc)) -eq 1' -a import -d 'Imports an instance from an exported image'
complete -c gnt-backup -n 'test (count (commandline -opc)) -eq 1' -a list -d 'Lists instance exports available in the ganeti cluster'
complete -c gnt-backup -n 'test (count (commandline -opc)) -eq 1' -a list-fields -d 'Lists all available fields for exports'
complete -c gnt-backup -n 'test (count (commandline -opc)) -eq 1' -a remove -d 'Remove exports of named instance from the filesystem.'
complete -c gnt-backup -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'Show the commands'
complete -c gnt-backup -n 'test (count (commandline -opc)) -eq 1' -l man -d 'Show all of it'
complete -c gnt-backup -n 'test (count (commandline -opc)) -eq 1' -s V -l version -d 'Show the version'
complete -c gnt-backup -n '__gnt_backup_command export' -s f -l force -d 'Known for the sake of scripts: there is nothing that is asked'
complete -c gnt-backup -n '__gnt_backup_command export' -s n -l node -x -a '(__gnt_backup_names node)' -d 'The node that is to have the export'
complete -c gnt-backup -n '__gnt_backup_command export' -l transport-compression -x -d 'How the data are compressed on their way: none, or one of the cluster\'s compression tools'
complete -c gnt-backup -n '__gnt_backup_command export' -l noshutdown -d 'Let the instance run; its disks must be able to have snapshots'
complete -c gnt-backup -n '__gnt_backup_command export' -l shutdown-timeout -x -d 'Seconds that the instance has to shut down'
complete -c gnt-backup -n '__gnt_backup_command export' -l remove-instance -d 'Remove the instance once it is exported'
complete -c gnt-backup -n '__gnt_backup_command export' -l ignore-remove-failures -d 'Remove it though a node with copies of its disks is offline'
complete -c gnt-backup -n '__gnt_backup_command export' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-backup -n '__gnt_backup_command export' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-backup -n '__gnt_backup_command export' -l zero-free-space -d 'Before, boot the cluster\'s zeroing image with the instance\'s disks: it overwrites with zeroes what is free on them'
complete -c gnt-backup -n '__gnt_backup_command export' -l zeroing-timeout-fixed -x -d 'Seconds that this may take, 300 unless told otherwise'
complete -c gnt-backup -n '__gnt_backup_command export' -l zeroing-timeout-per-mib -x -d 'Seconds more for each MiB of the disks, 0.05 unless told otherwise'
complete -c gnt-backup -n '__gnt_backup_command export' -l long-sleep -d 'The instance may stand still for as long as the export takes'
complete -c gnt-backup -n '__gnt_backup_command export' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-backup -n '__gnt_backup_command export' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-backup -n '__gnt_backup_command export' -s d -l debug -d 'Log and show more'
complete -c gnt-backup -n '__gnt_backup_command export' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-backup -n '__gnt_backup_command export' -s h -l help -d 'Show what there is'
complete -c gnt-backup -n '__gnt_backup_argument 0 export' -a '(__gnt_backup_names instance)'
complete -c gnt-backup -n '__gnt_backup_command import' -s B -l backend-parameters -x -d 'Memory, processors and the like: key=value,...'
complete -c gnt-backup -n '__gnt_backup_command import' -l disk -x -d 'A disk: INDEX:size=SIZE,key=value,...'
complete -c gnt-backup -n '__gnt_backup_command import' -l net -x -d 'A network card: INDEX:link=NAME,ip=ADDRESS,...'
complete -c gnt-backup -n '__gnt_backup_command import' -l file-storage-dir -x -a '(__fish_complete_directories)' -d 'Folder for file disks, below the cluster\'s'
complete -c gnt-backup -n '__gnt_backup_command import' -l file-driver -x -a 'loop blktap blktap2' -d 'How image files are attached'
complete -c gnt-backup -n '__gnt_backup_command import' -l no-conflicts-check -d 'Do not check whether addresses are in use'
complete -c gnt-backup -n '__gnt_backup_command import' -l no-wait-for-sync -d 'Do not wait until mirrors are in sync (dangerous)'
complete -c gnt-backup -n '__gnt_backup_command import' -l no-name-check -d 'The instance\'s name need not resolve'
complete -c gnt-backup -n '__gnt_backup_command import' -l no-ip-check -d 'Do not check whether the instance\'s address answers already'
complete -c gnt-backup -n '__gnt_backup_command import' -s H -l hypervisor-parameters -x -d 'Hypervisor with its parameters: name:key=value,...'
complete -c gnt-backup -n '__gnt_backup_command import' -l no-nics -d 'No network card at all'
complete -c gnt-backup -n '__gnt_backup_command import' -s s -l os-size -x -d 'One disk of this size, instead of --disk'
complete -c gnt-backup -n '__gnt_backup_command import' -l tags -x -d 'Tags, separated by commas'
complete -c gnt-backup -n '__gnt_backup_command import' -s t -l disk-template -x -a '(__gnt_backup_names template)' -d 'Disk template; gnt-cluster info shows those that are enabled'
complete -c gnt-backup -n '__gnt_backup_command import' -s n -l node -x -a '(__gnt_backup_names node-pair)' -d 'Primary node, and secondary where disks are mirrored'
complete -c gnt-backup -n '__gnt_backup_command import' -s g -l node-group -x -a '(__gnt_backup_names group)' -d 'Name or UUID of a node group'
complete -c gnt-backup -n '__gnt_backup_command import' -s I -l iallocator -x -a '(__gnt_backup_names allocator)' -d 'Let this instance allocator choose nodes'
complete -c gnt-backup -n '__gnt_backup_command import' -l ignore-ipolicy -d 'Go on though the instance policy is violated'
complete -c gnt-backup -n '__gnt_backup_command import' -l opportunistic-locking -d 'Take those nodes whose locks are free'
complete -c gnt-backup -n '__gnt_backup_command import' -s O -l os-parameters -x -d 'Parameters of the OS definition: key=value,...'
complete -c gnt-backup -n '__gnt_backup_command import' -l os-parameters-private -x -d 'The same, kept but not shown'
complete -c gnt-backup -n '__gnt_backup_command import' -l os-parameters-secret -x -d 'The same, used once and kept nowhere'
complete -c gnt-backup -n '__gnt_backup_command import' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-backup -n '__gnt_backup_command import' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-backup -n '__gnt_backup_command import' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-backup -n '__gnt_backup_command import' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-backup -n '__gnt_backup_command import' -l identify-defaults -d 'Leave out the parameters that are the cluster\'s defaults, so that they follow these later'
complete -c gnt-backup -n '__gnt_backup_command import' -l src-dir -x -a '(__fish_complete_directories)' -d 'The export: its name, or its folder below /srv/ganeti/export'
complete -c gnt-backup -n '__gnt_backup_command import' -l src-node -x -a '(__gnt_backup_names node)' -d 'The node that has the export'
complete -c gnt-backup -n '__gnt_backup_command import' -l compress -x -d 'How the data are compressed on their way: none, or one of the cluster\'s compression tools'
complete -c gnt-backup -n '__gnt_backup_command import' -l helper-startup-timeout -x -d 'Seconds for the helper guest to start, which installs an OS that is not trusted; 300 unless told otherwise'
complete -c gnt-backup -n '__gnt_backup_command import' -l helper-shutdown-timeout -x -d 'Seconds until it must have installed and shut down; 7200 unless told otherwise'
complete -c gnt-backup -n '__gnt_backup_command import' -s d -l debug -d 'Log and show more'
complete -c gnt-backup -n '__gnt_backup_command import' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-backup -n '__gnt_backup_command import' -s h -l help -d 'Show what there is'
complete -c gnt-backup -n '__gnt_backup_command list' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-backup -n '__gnt_backup_command list' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-backup -n '__gnt_backup_command list' -s o -l output -x -a '(__gnt_backup_names fields-export)' -d 'Fields to show, separated by commas; a leading + adds to the usual ones'
complete -c gnt-backup -n '__gnt_backup_command list' -s v -l verbose -d 'Show more'
complete -c gnt-backup -n '__gnt_backup_command list' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-backup -n '__gnt_backup_command list' -l units -x -a 'h m g t' -d 'Unit of sizes: h chooses for people, or m, g, t'
complete -c gnt-backup -n '__gnt_backup_command list' -s n -l node -x -a '(__gnt_backup_names node)' -d 'Only what this node has; may be given several times'
complete -c gnt-backup -n '__gnt_backup_command list' -s d -l debug -d 'Log and show more'
complete -c gnt-backup -n '__gnt_backup_command list' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-backup -n '__gnt_backup_command list' -s h -l help -d 'Show what there is'
complete -c gnt-backup -n '__gnt_backup_command list-fields' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-backup -n '__gnt_backup_command list-fields' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-backup -n '__gnt_backup_command list-fields' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-backup -n '__gnt_backup_command list-fields' -s d -l debug -d 'Log and show more'
complete -c gnt-backup -n '__gnt_backup_command list-fields' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-backup -n '__gnt_backup_command list-fields' -s h -l help -d 'Show what there is'
complete -c gnt-backup -n '__gnt_backup_argument 0+ list-fields' -a '(__gnt_backup_names fields-export)'
complete -c gnt-backup -n '__gnt_backup_command remove' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-backup -n '__gnt_backup_command remove' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-backup -n '__gnt_backup_command remove' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-backup -n '__gnt_backup_command remove' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-backup -n '__gnt_backup_command remove' -s d -l debug -d 'Log and show more'
complete -c gnt-backup -n '__gnt_backup_command remove' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-backup -n '__gnt_backup_command remove' -s h -l help -d 'Show what there is'
complete -c gnt-backup -n '__gnt_backup_argument 0 remove' -a '(__gnt_backup_names export)'
