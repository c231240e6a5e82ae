#!/bin/busybox sh
# Finds the disk and hands over to what is on it: Debian's own first file system takes 20 s to boot
# where every instruction is emulated.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done < /modules/order
tries=0
until [ -b /dev/vda ] || [ $tries -gt 200 ]; do tries=$((tries + 1)); usleep 50000; done
mount -t ext4 -o noatime,rw /dev/vda /mnt || exec sh
umount /proc /sys
mount --move /dev /mnt/dev
exec switch_root /mnt /lab-init
