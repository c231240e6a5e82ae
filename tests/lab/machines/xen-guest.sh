#!/bin/busybox sh
# The whole system of a domain for tests: says that it runs, echoes lines of its console, and ends
# when Xen asks for that (the kernel then calls /sbin/poweroff or /sbin/reboot).
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done < /modules/order
tries=0
until [ -b /dev/xvda ] || [ $tries -gt 100 ]; do tries=$((tries + 1)); usleep 50000; done
seen() {
    echo "disk=$(cat /sys/block/xvda/size 2> /dev/null)" \
        "cards=$(ls -d /sys/class/net/eth* 2> /dev/null | wc -l)"
}
echo "GUEST READY $(seen)"
(while sleep 1; do echo $(($(cat /tick 2> /dev/null) + 1)) > /tick; done) &
while read -r word rest; do
    case $word in
        say) echo "GUEST SAYS $rest" ;;
        seen) echo "GUEST SEES $(seen)" ;;
        memory) echo "GUEST HAS $(grep MemTotal /proc/meminfo)" ;;
        ticks) echo "GUEST TICKS $(cat /tick)" ;;
        write) echo "$rest" | dd of=/dev/xvda conv=fsync 2> /dev/null; echo "GUEST WROTE" ;;
        poweroff | reboot) busybox "$word" -f ;;
        crash) echo c > /proc/sysrq-trigger ;;
    esac
done
exec sleep 1000000
