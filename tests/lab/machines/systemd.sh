#!/bin/sh
# In place of init.sh on machines whose init system is systemd; that is kept as /lab-identify.
#
# `/lab-init identify NUMBER COUNT` as there; `/lab-init network` is what lab-network.service runs,
# with number and count from the kernel's command line; without words it is the first program.
case $1 in
    identify) exec /lab-identify identify "$2" "$3" ;;
    network) ;;
    *) exec /lib/systemd/systemd ;;
esac
for word in $(cat /proc/cmdline); do
    case $word in
        lab.id=*) number=${word#*=} ;;
        lab.count=*) count=${word#*=} ;;
    esac
done
ip link set lo up
exec /lab-identify identify "$number" "$count"
