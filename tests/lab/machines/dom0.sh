#!/bin/sh
# Starts what the first domain of Xen needs; Debian's own scripts for that are systemd's.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
programs=$(echo /usr/lib/xen-[0-9]*/bin)
for module in xen_evtchn xen_gntdev xen_gntalloc xen_privcmd xenfs xen_blkback xen_netback tun; do
    modprobe -q $module
done
mountpoint -q /proc/xen || mount -t xenfs xenfs /proc/xen
mkdir -p /run/xen /run/xenstored /var/lib/xenstored /var/lib/xen /var/log/xen
"$programs/xenstored" --pid-file=/run/xenstored.pid
tries=0
until [ -S /run/xenstored/socket ] || [ $tries -gt 300 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
"$programs/xen-init-dom0"
"$programs/xenconsoled" --pid-file=/run/xenconsoled.pid --log=guest --log-dir=/var/log/xen
