# First process of a lab's guest, sourced by a generated script that exports
#   PORTOLAN_GUEST_ADDRESS, PORTOLAN_GUEST_PREFIX   the guest's own address on the underlay
#   PORTOLAN_BRIDGE                                 bridge that the lab's hosts hang on
#   PORTOLAN_NODE, PORTOLAN_COMMAND_SERVER          what runs the lab's commands
# The root file system is the machine's own (hostfs), so programs, logs and this repository are the same inside and outside.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/lock

# The device first: the machine outside gives its end an address while the modules load.
ip link set vec0 up
ip link set lo up

# The guest's modules lie where Debian's package puts them; modprobe looks below /lib/modules.
mkdir -p /lib/modules
mount --bind /usr/lib/uml/modules /lib/modules
modprobe -a bridge veth vxlan ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh nf_conntrack nf_conntrack_netlink br_netfilter \
  ip_tables iptable_filter iptable_nat iptable_mangle xt_ipvs xt_comment xt_addrtype xt_conntrack xt_mark xt_multiport \
  xt_nat xt_MASQUERADE xt_REDIRECT xt_tcpudp

ip link add "$PORTOLAN_BRIDGE" type bridge
ip link set vec0 master "$PORTOLAN_BRIDGE"
ip addr add "$PORTOLAN_GUEST_ADDRESS/$PORTOLAN_GUEST_PREFIX" dev "$PORTOLAN_BRIDGE"
ip link set "$PORTOLAN_BRIDGE" up
# Bridged packets between the lab's hosts are no business of the guest's own filter.
sysctl -qw net.bridge.bridge-nf-call-iptables=0
sysctl -qw kernel.sysrq=1 kernel.printk="3 4 1 3"

"$PORTOLAN_NODE" "$PORTOLAN_COMMAND_SERVER" </dev/null
echo "command server ended with $?"
# Debian's poweroff belongs to systemd, which a container need not have; the kernel can do it alone.
echo o >/proc/sysrq-trigger
sleep 10
