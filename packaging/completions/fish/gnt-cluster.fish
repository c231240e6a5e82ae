# fish completion for gnt-cluster, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_cluster_valued
    switch $argv[1]
        case activate-master-ip
            string split ' ' -- '--reason'
        case add-tags
            string split ' ' -- '--priority --from --reason'
        case apply
            string split ' ' -- '--priority --reason'
        case command
            string split ' ' -- '-n --node -g --node-group --reason'
        case copyfile
            string split ' ' -- '-n --node -g --node-group --reason'
        case deactivate-master-ip
            string split ' ' -- '--reason'
        case destroy
            string split ' ' -- '--reason'
        case epo
            string split ' ' -- '--oob-timeout --shutdown-timeout --power-delay --reason'
        case export-config
            string split ' ' -- '--reason'
        case export-spec
            string split ' ' -- '--reason'
        case getmaster
            string split ' ' -- '--reason'
        case import-config
            string split ' ' -- '--reason'
        case info show
            string split ' ' -- '--format --reason'
        case init
            string split ' ' -- '-B --backend-parameters -C --candidate-pool-size --enabled-hypervisors --file-storage-dir -H --hypervisor-parameters -m --mac-prefix --master-netdev --master-netmask -N --nic-parameters --vg-name --maintain-node-health --uid-pool --drbd-usermode-helper -I --default-iallocator --default-iallocator-params --prealloc-wipe-disks --node-parameters --shared-file-storage-dir --use-external-mip-script -D --disk-parameters --hypervisor-state --disk-state --enabled-disk-templates --install-image --zeroing-image --compression-tools --user-shutdown --job-queue-files --ipolicy-std-specs --ipolicy-bounds-specs --ipolicy-disk-templates --ipolicy-vcpu-ratio --ipolicy-spindle-ratio --driver-settings -s --secondary-ip --primary-ip-version --gluster-storage-dir --ssh-key-bits --ssh-key-type --specs-cpu-count --specs-disk-count --specs-disk-size --specs-mem-size --specs-nic-count --reason'
        case list-tags
            string split ' ' -- '--reason'
        case master-failover masterfailover
            string split ' ' -- '--ignore-offline-nodes --reason'
        case master-ping
            string split ' ' -- '--reason'
        case modify
            string split ' ' -- '--priority -B --backend-parameters -C --candidate-pool-size --enabled-hypervisors --file-storage-dir -H --hypervisor-parameters -m --mac-prefix --master-netdev --master-netmask -N --nic-parameters --vg-name --maintain-node-health --uid-pool --drbd-usermode-helper -I --default-iallocator --default-iallocator-params --prealloc-wipe-disks --node-parameters --shared-file-storage-dir --use-external-mip-script -D --disk-parameters --hypervisor-state --disk-state --enabled-disk-templates --install-image --zeroing-image --compression-tools --user-shutdown --job-queue-files --ipolicy-std-specs --ipolicy-bounds-specs --ipolicy-disk-templates --ipolicy-vcpu-ratio --ipolicy-spindle-ratio --driver-settings --max-running-jobs --max-tracked-jobs --instance-communication-network --add-uids --remove-uids --reserved-lvs --modify-etc-hosts --enabled-data-collectors --data-collector-interval --reason'
        case plan
            string split ' ' -- '--reason'
        case plugins
            string split ' ' -- '--separator --format --reason'
        case queue
            string split ' ' -- '--reason'
        case redist-conf
            string split ' ' -- '--priority --reason'
        case remove-tags
            string split ' ' -- '--priority --from --reason'
        case rename
            string split ' ' -- '--reason'
        case renew-crypto
            string split ' ' -- '--rapi-certificate --cluster-domain-secret --spice-certificate --spice-ca-certificate --ssh-key-bits --ssh-key-type --reason'
        case repair-disk-sizes
            string split ' ' -- '--priority --reason'
        case search-tags
            string split ' ' -- '--priority --reason'
        case show-ispecs-cmd
            string split ' ' -- '--reason'
        case top
            string split ' ' -- '--interval --reason'
        case upgrade
            string split ' ' -- '--to --separator --reason'
        case verify
            string split ' ' -- '-g --node-group --priority -I --ignore-errors --reason'
        case verify-disks
            string split ' ' -- '--priority -g --node-group --reason'
        case version
            string split ' ' -- '--reason'
        case watcher
            string split ' ' -- '--reason'
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_cluster_at
    set -l words (commandline -opc)
    set -l valued (__gnt_cluster_valued $words[2])
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
function __gnt_cluster_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_cluster_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_cluster_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_cluster_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-cluster -f
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a activate-master-ip -d 'Activates the master IP'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a add-tags -d 'Add tags to the cluster'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a apply -d 'Makes the cluster what a file describes'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a command -d 'Runs a command on all (or only some) nodes'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a copyfile -d 'Copies a file to all (or only some) nodes'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a deactivate-master-ip -d 'Deactivates the master IP'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a destroy -d 'Destroy cluster'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a epo -d 'Performs an emergency power-off on given args'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a export-config -d 'Writes the configuration in the form of Ganeti\'s config.data'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a export-spec -d 'Writes the cluster as a file that plan and apply read'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a getmaster -d 'Shows the cluster master'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a import-config -d 'Makes this host the master of a cluster described by a config.data'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a info -d 'Show cluster configuration'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a show -d 'Show cluster configuration'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a init -d 'Initialises a new cluster configuration'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a list-tags -d 'List the tags of the cluster'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a master-failover -d 'Makes the current node the master'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a masterfailover -d 'Makes the current node the master'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a master-ping -d 'Checks if the master is alive'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a modify -d 'Alters the parameters of the cluster'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a plan -d 'Shows what differs between the cluster and a file'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a plugins -d 'Shows the plugins of this cluster, their origin and health'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a queue -d 'Change queue properties'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a redist-conf -d 'Forces a push of the configuration file and ssconf files to the nodes in the cluster'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a remove-tags -d 'Remove tags from the cluster'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a rename -d 'Renames the cluster'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a renew-crypto -d 'Renews cluster certificates, keys and secrets'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a repair-disk-sizes -d 'Updates mismatches in recorded disk sizes'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a search-tags -d 'Searches the tags on all objects on the cluster for a given pattern (regex)'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a show-ispecs-cmd -d 'Show the command line to re-create the cluster'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a top -d 'Shows nodes, guests, jobs and alarms, again and again'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a upgrade -d 'Upgrade (or downgrade) to another version of ganeti-core'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a verify -d 'Does a check on the cluster configuration'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a verify-disks -d 'Does a check on the cluster disk status'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a version -d 'Shows the version of Ganeti whose interface this is, and that of ganeti-core'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -a watcher -d 'Change watcher properties'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'Show the commands'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -l man -d 'Show all of it'
complete -c gnt-cluster -n 'test (count (commandline -opc)) -eq 1' -s V -l version -d 'Show the version'
complete -c gnt-cluster -n '__gnt_cluster_command activate-master-ip' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command activate-master-ip' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command activate-master-ip' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command add-tags' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-cluster -n '__gnt_cluster_command add-tags' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-cluster -n '__gnt_cluster_command add-tags' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-cluster -n '__gnt_cluster_command add-tags' -l from -x -d 'A file with one tag per line, - for stdin'
complete -c gnt-cluster -n '__gnt_cluster_command add-tags' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command add-tags' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command add-tags' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command apply' -l prune -d 'Also remove what the file lacks, in the sections and lists that it has'
complete -c gnt-cluster -n '__gnt_cluster_command apply' -l yes-do-it -d 'Do not ask'
complete -c gnt-cluster -n '__gnt_cluster_command apply' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-cluster -n '__gnt_cluster_command apply' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-cluster -n '__gnt_cluster_command apply' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command apply' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command apply' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_argument 0 apply' -F
complete -c gnt-cluster -n '__gnt_cluster_command command' -s n -l node -x -a '(__gnt_cluster_names node)' -d 'A node; without it all of them'
complete -c gnt-cluster -n '__gnt_cluster_command command' -s g -l node-group -x -a '(__gnt_cluster_names group)' -d 'Name or UUID of a node group'
complete -c gnt-cluster -n '__gnt_cluster_command command' -s M -l show-machine-names -d 'Put the node\'s name before every line'
complete -c gnt-cluster -n '__gnt_cluster_command command' -l failure-only -d 'Show only nodes on which it failed'
complete -c gnt-cluster -n '__gnt_cluster_command command' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command command' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command command' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command copyfile' -s n -l node -x -a '(__gnt_cluster_names node)' -d 'A node; without it all of them'
complete -c gnt-cluster -n '__gnt_cluster_command copyfile' -s g -l node-group -x -a '(__gnt_cluster_names group)' -d 'Name or UUID of a node group'
complete -c gnt-cluster -n '__gnt_cluster_command copyfile' -l use-replication-network -d 'Reach the nodes by their secondary addresses'
complete -c gnt-cluster -n '__gnt_cluster_command copyfile' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command copyfile' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command copyfile' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_argument 0 copyfile' -F
complete -c gnt-cluster -n '__gnt_cluster_command deactivate-master-ip' -l yes -d 'Do not ask for confirmation'
complete -c gnt-cluster -n '__gnt_cluster_command deactivate-master-ip' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command deactivate-master-ip' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command deactivate-master-ip' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command destroy' -l yes-do-it -l ya-rly -d 'Really destroy it'
complete -c gnt-cluster -n '__gnt_cluster_command destroy' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command destroy' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command destroy' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command epo' -s f -l force -d 'Do not ask, and do it against doubts'
complete -c gnt-cluster -n '__gnt_cluster_command epo' -l oob-timeout -x -d 'Seconds that the program may take for one node'
complete -c gnt-cluster -n '__gnt_cluster_command epo' -l shutdown-timeout -x -d 'Seconds that the instance has to shut down'
complete -c gnt-cluster -n '__gnt_cluster_command epo' -l power-delay -x -d 'Seconds between two nodes that are switched on'
complete -c gnt-cluster -n '__gnt_cluster_command epo' -l on -d 'Switch nodes on again; without it they go off'
complete -c gnt-cluster -n '__gnt_cluster_command epo' -l groups -d 'The arguments are node groups'
complete -c gnt-cluster -n '__gnt_cluster_command epo' -l all -d 'All nodes of the cluster'
complete -c gnt-cluster -n '__gnt_cluster_command epo' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command epo' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command epo' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_argument 0+ epo' -a '(__gnt_cluster_names node)'
complete -c gnt-cluster -n '__gnt_cluster_command export-config' -l all -d 'With settings that Ganeti does not know and would refuse'
complete -c gnt-cluster -n '__gnt_cluster_command export-config' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command export-config' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command export-config' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_argument 0 export-config' -F
complete -c gnt-cluster -n '__gnt_cluster_command export-spec' -l placement -d 'Also write the nodes that instances are on'
complete -c gnt-cluster -n '__gnt_cluster_command export-spec' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command export-spec' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command export-spec' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command getmaster' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command getmaster' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command getmaster' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command import-config' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command import-config' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command import-config' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_argument 0 import-config' -F
complete -c gnt-cluster -n '__gnt_cluster_command info show' -l roman -d 'Accepted for compatibility, no effect'
complete -c gnt-cluster -n '__gnt_cluster_command info show' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-cluster -n '__gnt_cluster_command info show' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command info show' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command info show' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command init' -s B -l backend-parameters -x -d 'Memory, processors and the like: key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command init' -s C -l candidate-pool-size -x -d 'How many nodes hold a copy of the configuration'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l enabled-hypervisors -x -d 'Hypervisors, separated by commas; the first is the default'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l file-storage-dir -x -a '(__fish_complete_directories)' -d 'Where file disks are'
complete -c gnt-cluster -n '__gnt_cluster_command init' -s H -l hypervisor-parameters -x -d 'Defaults for a hypervisor: name:key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command init' -s m -l mac-prefix -x -d 'First three bytes of the instances\' MAC addresses'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l master-netdev -x -d 'Network device of the master\'s address'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l master-netmask -x -d 'Length of the prefix of the master\'s address'
complete -c gnt-cluster -n '__gnt_cluster_command init' -s N -l nic-parameters -x -d 'Defaults for network cards: key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l vg-name -x -d 'LVM volume group for disks'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l maintain-node-health -x -a 'yes no' -d 'The watcher of a node that is marked offline ends the guests there'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l uid-pool -x -d 'Users that guests run as, each as one of its own: 2000-2099,3000'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l drbd-usermode-helper -x -d 'Program that DRBD calls'
complete -c gnt-cluster -n '__gnt_cluster_command init' -s I -l default-iallocator -x -a '(__gnt_cluster_names allocator)' -d 'Allocator that chooses nodes unless told otherwise'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l default-iallocator-params -x -d 'Parameters of the default allocator: key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l prealloc-wipe-disks -x -a 'yes no' -d 'Overwrite new disks'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l node-parameters -x -d 'Parameters of nodes: key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l shared-file-storage-dir -x -d 'Where shared file disks are'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l use-external-mip-script -x -a 'yes no' -d 'A script of yours brings the master\'s address up and down'
complete -c gnt-cluster -n '__gnt_cluster_command init' -s D -l disk-parameters -x -d 'Parameters of a disk template: template:key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l hypervisor-state -x -d 'Static hypervisor state: hypervisor:key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l disk-state -x -d 'Static storage state: type/name:key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l enabled-disk-templates -x -d 'Disk templates, separated by commas'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l install-image -x -d 'Image of the helper guest that runs OS definitions that are not trusted: a path on the nodes, or a URL'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l zeroing-image -x -d 'Image of the helper guest that overwrites what is free on disks (gnt-backup export --zero-free-space): a path on the nodes, or a URL'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l compression-tools -x -d 'Compression programs, separated by commas'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l user-shutdown -x -a 'yes no' -d 'A guest that shuts itself down stays down'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l job-queue-files -x -a 'yes no' -d 'Keep files of jobs beside the database, for programs that read them'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l ipolicy-std-specs -x -d 'The standard instance: key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l ipolicy-bounds-specs -x -d 'Smallest and largest instance: min:key=n,.../max:key=n,...[//...]'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l ipolicy-disk-templates -x -d 'Allowed disk templates, separated by commas'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l ipolicy-vcpu-ratio -x -d 'Most virtual processors per processor'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l ipolicy-spindle-ratio -x -d 'Most instances per spindle'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l driver-settings -x -d 'Settings of the whole cluster that drivers declare: name=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l no-etc-hosts -d 'Accepted for compatibility: /etc/hosts is changed only where gnt-cluster modify --modify-etc-hosts=yes says so'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l no-ssh-init -d 'Accepted for compatibility: no ssh keys are made'
complete -c gnt-cluster -n '__gnt_cluster_command init' -s s -l secondary-ip -x -d 'Address of the node in the network for replication'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l primary-ip-version -x -a '4 6' -d 'IP version of the nodes\' addresses; 6 is not available in this version'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l gluster-storage-dir -x -d 'Where Gluster volumes are mounted'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l ssh-key-bits -x -d 'Accepted for compatibility: this cluster keeps no ssh keys'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l ssh-key-type -x -a 'dsa ecdsa rsa' -d 'Accepted for compatibility: this cluster keeps no ssh keys'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l specs-cpu-count -x -d 'CPU count: min=n,max=n,std=n'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l specs-disk-count -x -d 'Disk count: min=n,max=n,std=n'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l specs-disk-size -x -d 'Disk size: min=n,max=n,std=n'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l specs-mem-size -x -d 'Memory size: min=n,max=n,std=n'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l specs-nic-count -x -d 'NIC count: min=n,max=n,std=n'
complete -c gnt-cluster -n '__gnt_cluster_command init' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command init' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command init' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command list-tags' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command list-tags' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command list-tags' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command master-failover masterfailover' -l no-voting -d 'Do not ask the other nodes (dangerous)'
complete -c gnt-cluster -n '__gnt_cluster_command master-failover masterfailover' -l yes-do-it -d 'Do not ask'
complete -c gnt-cluster -n '__gnt_cluster_command master-failover masterfailover' -l ignore-offline-nodes -x -d 'Not supported: nodes marked offline have no vote'
complete -c gnt-cluster -n '__gnt_cluster_command master-failover masterfailover' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command master-failover masterfailover' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command master-failover masterfailover' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command master-ping' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command master-ping' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command master-ping' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -s f -l force -d 'Do not ask, and do it against doubts'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -s B -l backend-parameters -x -d 'Memory, processors and the like: key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -s C -l candidate-pool-size -x -d 'How many nodes hold a copy of the configuration'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l enabled-hypervisors -x -d 'Hypervisors, separated by commas; the first is the default'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l file-storage-dir -x -a '(__fish_complete_directories)' -d 'Where file disks are'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -s H -l hypervisor-parameters -x -d 'Defaults for a hypervisor: name:key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -s m -l mac-prefix -x -d 'First three bytes of the instances\' MAC addresses'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l master-netdev -x -d 'Network device of the master\'s address'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l master-netmask -x -d 'Length of the prefix of the master\'s address'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -s N -l nic-parameters -x -d 'Defaults for network cards: key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l vg-name -x -d 'LVM volume group for disks'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l maintain-node-health -x -a 'yes no' -d 'The watcher of a node that is marked offline ends the guests there'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l uid-pool -x -d 'Users that guests run as, each as one of its own: 2000-2099,3000'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l drbd-usermode-helper -x -d 'Program that DRBD calls'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -s I -l default-iallocator -x -a '(__gnt_cluster_names allocator)' -d 'Allocator that chooses nodes unless told otherwise'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l default-iallocator-params -x -d 'Parameters of the default allocator: key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l prealloc-wipe-disks -x -a 'yes no' -d 'Overwrite new disks'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l node-parameters -x -d 'Parameters of nodes: key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l shared-file-storage-dir -x -d 'Where shared file disks are'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l use-external-mip-script -x -a 'yes no' -d 'A script of yours brings the master\'s address up and down'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -s D -l disk-parameters -x -d 'Parameters of a disk template: template:key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l hypervisor-state -x -d 'Static hypervisor state: hypervisor:key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l disk-state -x -d 'Static storage state: type/name:key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l enabled-disk-templates -x -d 'Disk templates, separated by commas'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l install-image -x -d 'Image of the helper guest that runs OS definitions that are not trusted: a path on the nodes, or a URL'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l zeroing-image -x -d 'Image of the helper guest that overwrites what is free on disks (gnt-backup export --zero-free-space): a path on the nodes, or a URL'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l compression-tools -x -d 'Compression programs, separated by commas'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l user-shutdown -x -a 'yes no' -d 'A guest that shuts itself down stays down'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l job-queue-files -x -a 'yes no' -d 'Keep files of jobs beside the database, for programs that read them'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l ipolicy-std-specs -x -d 'The standard instance: key=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l ipolicy-bounds-specs -x -d 'Smallest and largest instance: min:key=n,.../max:key=n,...[//...]'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l ipolicy-disk-templates -x -d 'Allowed disk templates, separated by commas'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l ipolicy-vcpu-ratio -x -d 'Most virtual processors per processor'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l ipolicy-spindle-ratio -x -d 'Most instances per spindle'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l driver-settings -x -d 'Settings of the whole cluster that drivers declare: name=value,...'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l max-running-jobs -x -d 'Most jobs that run at a time'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l max-tracked-jobs -x -d 'Most running jobs that the scheduler watches'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l instance-communication-network -x -d 'Network for the channels between instances and their nodes; it is made if there is none of this name'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l add-uids -x -d 'User ids to add to the pool'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l remove-uids -x -d 'User ids to take from the pool'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l reserved-lvs -x -d 'Logical volumes to leave alone, patterns separated by commas'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l modify-etc-hosts -x -a 'yes no' -d 'Whether nodes that come and go are named in /etc/hosts of the master'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l enabled-data-collectors -x -d 'Data collectors that run: name=yes,...'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l data-collector-interval -x -d 'Seconds between two collections: name=n,...'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command modify' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command plan' -l prune -d 'Also remove what the file lacks, in the sections and lists that it has'
complete -c gnt-cluster -n '__gnt_cluster_command plan' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command plan' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command plan' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_argument 0 plan' -F
complete -c gnt-cluster -n '__gnt_cluster_command plugins' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-cluster -n '__gnt_cluster_command plugins' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-cluster -n '__gnt_cluster_command plugins' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data with the names of fields'
complete -c gnt-cluster -n '__gnt_cluster_command plugins' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command plugins' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command plugins' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command queue' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command queue' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command queue' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_argument 0 queue' -a 'drain undrain info'
complete -c gnt-cluster -n '__gnt_cluster_command redist-conf' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-cluster -n '__gnt_cluster_command redist-conf' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-cluster -n '__gnt_cluster_command redist-conf' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-cluster -n '__gnt_cluster_command redist-conf' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-cluster -n '__gnt_cluster_command redist-conf' -l yes-do-it -d 'Do not ask'
complete -c gnt-cluster -n '__gnt_cluster_command redist-conf' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command redist-conf' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command redist-conf' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command remove-tags' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-cluster -n '__gnt_cluster_command remove-tags' -l submit -d 'Print the job\'s number and do not wait for it'
complete -c gnt-cluster -n '__gnt_cluster_command remove-tags' -l print-jobid -d 'Print the job\'s number as the first line of stdout'
complete -c gnt-cluster -n '__gnt_cluster_command remove-tags' -l from -x -d 'A file with one tag per line, - for stdin'
complete -c gnt-cluster -n '__gnt_cluster_command remove-tags' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command remove-tags' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command remove-tags' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command rename' -s f -l force -d 'Do not ask, and do it against doubts'
complete -c gnt-cluster -n '__gnt_cluster_command rename' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-cluster -n '__gnt_cluster_command rename' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command rename' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command rename' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l new-cluster-certificate -d 'Make a new authority, and new certificates of all nodes'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l new-node-certificates -d 'Make new certificates of all nodes'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l new-rapi-certificate -d 'Make a new self-signed certificate for RAPI'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l rapi-certificate -r -F -d 'File with RAPI\'s new certificate and its key'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l new-confd-hmac-key -d 'Make a new key for confd'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -s f -l force -d 'Do not ask for confirmation'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l new-cluster-domain-secret -d 'Make a new secret for moves between clusters'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l cluster-domain-secret -r -F -d 'File with the new secret for moves between clusters'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l new-spice-certificate -d 'Make a new self-signed certificate for SPICE'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l spice-certificate -r -F -d 'File with the new certificate for SPICE and its key'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l spice-ca-certificate -r -F -d 'File with the certificate of the authority that signed it'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l new-ssh-keys -d 'Accepted for compatibility: this cluster keeps no ssh keys'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l no-ssh-key-check -d 'Accepted for compatibility'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -s v -l verbose -d 'Show more'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l ssh-key-bits -x -d 'Accepted for compatibility: this cluster keeps no ssh keys'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l ssh-key-type -x -a 'dsa ecdsa rsa' -d 'Accepted for compatibility: this cluster keeps no ssh keys'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command renew-crypto' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command repair-disk-sizes' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-cluster -n '__gnt_cluster_command repair-disk-sizes' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-cluster -n '__gnt_cluster_command repair-disk-sizes' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command repair-disk-sizes' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command repair-disk-sizes' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_argument 0+ repair-disk-sizes' -a '(__gnt_cluster_names instance)'
complete -c gnt-cluster -n '__gnt_cluster_command search-tags' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-cluster -n '__gnt_cluster_command search-tags' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command search-tags' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command search-tags' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command show-ispecs-cmd' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command show-ispecs-cmd' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command show-ispecs-cmd' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command top' -l interval -x -d 'Seconds between two screens (default: 5)'
complete -c gnt-cluster -n '__gnt_cluster_command top' -l once -d 'Print it once, as into a pipe'
complete -c gnt-cluster -n '__gnt_cluster_command top' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command top' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command top' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command upgrade' -l check -d 'Look whether all nodes can be upgraded; change nothing'
complete -c gnt-cluster -n '__gnt_cluster_command upgrade' -l to -x -d 'The version of ganeti-core, which is installed on all nodes already: --check names those that are, gnt-cluster version the one that runs'
complete -c gnt-cluster -n '__gnt_cluster_command upgrade' -l resume -d 'Go on with an upgrade that was interrupted'
complete -c gnt-cluster -n '__gnt_cluster_command upgrade' -l no-headers -d 'Leave out the titles of the columns'
complete -c gnt-cluster -n '__gnt_cluster_command upgrade' -l separator -x -d 'Put this between the columns instead of aligning them'
complete -c gnt-cluster -n '__gnt_cluster_command upgrade' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command upgrade' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command upgrade' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command verify' -s v -l verbose -d 'Show more'
complete -c gnt-cluster -n '__gnt_cluster_command verify' -s g -l node-group -x -a '(__gnt_cluster_names group)' -d 'Name or UUID of a node group'
complete -c gnt-cluster -n '__gnt_cluster_command verify' -l dry-run -d 'Only check whether it could be done; change nothing'
complete -c gnt-cluster -n '__gnt_cluster_command verify' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-cluster -n '__gnt_cluster_command verify' -l debug-simulate-errors -d 'Let most checks fail, to see their messages'
complete -c gnt-cluster -n '__gnt_cluster_command verify' -l error-codes -d 'Show the code of every error'
complete -c gnt-cluster -n '__gnt_cluster_command verify' -l no-nplus1-mem -d 'Do not check whether a node could fail'
complete -c gnt-cluster -n '__gnt_cluster_command verify' -l verify-ssh-clutter -d 'Check for stray ssh keys'
complete -c gnt-cluster -n '__gnt_cluster_command verify' -s I -l ignore-errors -x -d 'Treat errors with this code as warnings'
complete -c gnt-cluster -n '__gnt_cluster_command verify' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command verify' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command verify' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command verify-disks' -l priority -x -a 'low normal high' -d 'Priority of the job'
complete -c gnt-cluster -n '__gnt_cluster_command verify-disks' -s g -l node-group -x -a '(__gnt_cluster_names group)' -d 'Name or UUID of a node group'
complete -c gnt-cluster -n '__gnt_cluster_command verify-disks' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command verify-disks' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command verify-disks' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command version' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command version' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command version' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_command watcher' -s d -l debug -d 'Log and show more'
complete -c gnt-cluster -n '__gnt_cluster_command watcher' -l reason -x -d 'Why this is done; kept with the job'
complete -c gnt-cluster -n '__gnt_cluster_command watcher' -s h -l help -d 'Show what there is'
complete -c gnt-cluster -n '__gnt_cluster_argument 0 watcher' -a 'pause continue info'
