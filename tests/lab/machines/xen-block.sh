#!/bin/sh
# A domain's disk, by Xen's rules for scripts (docs/misc/block-scripts.txt). Xen's own script starts
# so many programs that libxl's limit of 40 s ends it where every instruction is emulated.
node=$XENBUS_PATH
case $1 in
    add)
        file=$(xenstore-read "$node/params")
        if [ -b "$file" ]; then
            device=$file
        else
            device=$(losetup --find --show "$file") || {
                xenstore-write "$node/hotplug-status" error
                exit 1
            }
            xenstore-write "$node/node" "$device"
        fi
        xenstore-write "$node/physical-device" "$(stat -L -c %t:%T "$device")" \
            "$node/hotplug-status" connected
        ;;
    remove)
        device=$(xenstore-read "$node/node" 2> /dev/null) && losetup -d "$device"
        xenstore-rm "$node/hotplug-status"
        ;;
esac
exit 0
