# fish completion for gnt-plugin, written by `python docs/build.py`

# Options with a value of the command $argv[1].
function __gnt_plugin_valued
    switch $argv[1]
        case new
            string split ' ' -- '--dir'
        case check
            string split ' ' -- ''
        case list
            string split ' ' -- '--separator --format'
        case info
            string split ' ' -- ''
        case schema
            string split ' ' -- ''
        case collect
            string split ' ' -- '--node'
        case trace
            string split ' ' -- '--node --seconds'
        case reload
            string split ' ' -- ''
        case enable
            string split ' ' -- ''
        case disable
            string split ' ' -- ''
    end
end

# How many arguments the command has before this word; nothing where the word is an option's value.
function __gnt_plugin_at
    set -l words (commandline -opc)
    set -l valued (__gnt_plugin_valued $words[2])
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
function __gnt_plugin_argument
    set -l words (commandline -opc)
    set -l place (string replace + '' -- $argv[1])
    contains -- "$words[2]" $argv[2..-1]; or return 1
    set -l at (__gnt_plugin_at)
    test -n "$at"; or return 1
    test $at = $place; or begin; test $place != $argv[1]; and test $at -gt $place; end
end

# Whether the command is one of $argv.
function __gnt_plugin_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# Names of a kind that the program knows.
function __gnt_plugin_names
    set -l words (commandline -opc)
    $words[1] --complete $argv[1] (commandline -ct | string replace -r '^--[^=]*=' '') 2>/dev/null
end

complete -c gnt-plugin -f
complete -c gnt-plugin -n 'test (count (commandline -opc)) -eq 1' -a new -d 'make the distribution of a new plugin, which passes its tests'
complete -c gnt-plugin -n 'test (count (commandline -opc)) -eq 1' -a check -d 'run the conformance kit against an installed distribution; further arguments go to pytest'
complete -c gnt-plugin -n 'test (count (commandline -opc)) -eq 1' -a list -d 'show the plugins, their origin and health'
complete -c gnt-plugin -n 'test (count (commandline -opc)) -eq 1' -a info -d 'explain the kinds, the hooks of a kind, or one plugin'
complete -c gnt-plugin -n 'test (count (commandline -opc)) -eq 1' -a schema -d 'print the hooks of a kind, or the parameters of a plugin, as JSON'
complete -c gnt-plugin -n 'test (count (commandline -opc)) -eq 1' -a collect -d 'show the last report of a data collector, as JSON'
complete -c gnt-plugin -n 'test (count (commandline -opc)) -eq 1' -a trace -d 'show the calls of a plugin\'s hooks, by the master and on a node: when, how long, with what, and what came of it'
complete -c gnt-plugin -n 'test (count (commandline -opc)) -eq 1' -a reload -d 'let the daemons of all nodes look again for plugins: what was installed, upgraded or removed; guests and jobs go on'
complete -c gnt-plugin -n 'test (count (commandline -opc)) -eq 1' -a enable -d 'let the cluster use a plugin again'
complete -c gnt-plugin -n 'test (count (commandline -opc)) -eq 1' -a disable -d 'keep the whole cluster from using a plugin'
complete -c gnt-plugin -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'show this help message and exit'
complete -c gnt-plugin -n '__gnt_plugin_command new' -s h -l help -d 'show this help message and exit'
complete -c gnt-plugin -n '__gnt_plugin_command new' -l dir -x -a '(__fish_complete_directories)' -d 'where (default: a folder named after the distribution)'
complete -c gnt-plugin -n '__gnt_plugin_command check' -s h -l help -d 'show this help message and exit'
complete -c gnt-plugin -n '__gnt_plugin_command list' -s h -l help -d 'show this help message and exit'
complete -c gnt-plugin -n '__gnt_plugin_command list' -l local -d 'those of this host, even where a master could be asked'
complete -c gnt-plugin -n '__gnt_plugin_command list' -l nodes -d 'show which nodes lack plugins of the master or have others'
complete -c gnt-plugin -n '__gnt_plugin_command list' -l no-headers -d 'leave out the titles'
complete -c gnt-plugin -n '__gnt_plugin_command list' -l separator -x -d 'put this between the columns'
complete -c gnt-plugin -n '__gnt_plugin_command list' -l format -x -a 'table json yaml' -d 'table is for people; json and yaml are data'
complete -c gnt-plugin -n '__gnt_plugin_command info' -s h -l help -d 'show this help message and exit'
complete -c gnt-plugin -n '__gnt_plugin_command schema' -s h -l help -d 'show this help message and exit'
complete -c gnt-plugin -n '__gnt_plugin_command collect' -s h -l help -d 'show this help message and exit'
complete -c gnt-plugin -n '__gnt_plugin_command collect' -l node -x -d 'whose report (default: the master\'s)'
complete -c gnt-plugin -n '__gnt_plugin_command collect' -l local -d 'collect now, in this process, twice: for authors of collectors'
complete -c gnt-plugin -n '__gnt_plugin_command trace' -s h -l help -d 'show this help message and exit'
complete -c gnt-plugin -n '__gnt_plugin_command trace' -l node -x -d 'another node than the master\'s'
complete -c gnt-plugin -n '__gnt_plugin_command trace' -l seconds -x -d 'end after this time (default: when interrupted)'
complete -c gnt-plugin -n '__gnt_plugin_command reload' -s h -l help -d 'show this help message and exit'
complete -c gnt-plugin -n '__gnt_plugin_command enable' -s h -l help -d 'show this help message and exit'
complete -c gnt-plugin -n '__gnt_plugin_command disable' -s h -l help -d 'show this help message and exit'
