#!/bin/sh
# A domain's network card, put into its bridge: what Xen's own vif-bridge does, with fewer programs
# (see xen-block.sh).
if [ "$1" = online ] || [ "$1" = add ]; then
    bridge=$(xenstore-read "$XENBUS_PATH/bridge")
    ip link set "$vif" master "$bridge" up || {
        xenstore-write "$XENBUS_PATH/hotplug-status" error
        exit 1
    }
    [ "$1" = add ] || xenstore-write "$XENBUS_PATH/hotplug-status" connected
fi
exit 0
