#!/bin/sh
# examples/packet_filter on a capture made here: what it says of each packet.
#   packet_filter.sh PROGRAM FILTER
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# Numbers in little-endian order, 4 bytes each.
word() { for n; do printf "\\$(printf %o $((n & 255)))\\$(printf %o $((n >> 8 & 255)))\\0\\0"; done; }
zeros() { head -c "$1" /dev/zero; }
record() { word 0 0 "$1" "$1"; }
# udp PORT: 14 + 20 + 8 bytes.
udp() {
  record 42
  zeros 12; printf '\010\000\105'; zeros 8; printf '\021'; zeros 10
  zeros 2; printf "\\$(printf %o $(($1 >> 8)))\\$(printf %o $(($1 & 255)))"; zeros 4
}
{
  printf '\324\303\262\241\002\000\004\000'; word 0 0 65535 1
  udp 53
  udp 54
  record 20; zeros 20                                             # too short
  record 60; zeros 12; printf '\206\335'; zeros 46                # IPv6
  record 34; zeros 12; printf '\010\000\105'; zeros 8; printf '\006'; zeros 10   # TCP
} > "$dir/capture.pcap"
cat > "$dir/expected" <<'END'
1: 42 bytes: pass
2: 42 bytes: drop
3: 20 bytes: drop
4: 60 bytes: drop
5: 34 bytes: pass
END
"$1" "$2" "$dir/capture.pcap" 53 > "$dir/out"
diff "$dir/expected" "$dir/out"
# A filter that reads behind the packet is stopped, and says where.
echo 'r0 = *(u64 *)(r1 + 30)
exit' > "$dir/wild.s"
if "$1" "$dir/wild.s" "$dir/capture.pcap" > "$dir/out"; then echo "a wild filter ended well"; exit 1; fi
grep -q '^3: stopped at instruction 0: reads 8 bytes at packet+30$' "$dir/out"
# A file that is cut off is refused.
head -c 60 "$dir/capture.pcap" > "$dir/cut.pcap"
if "$1" "$2" "$dir/cut.pcap" 2> "$dir/err"; then echo "a capture that was cut off was taken"; exit 1; fi
grep -q 'is no pcap file' "$dir/err"
