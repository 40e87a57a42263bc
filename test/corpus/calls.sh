#!/bin/sh
# Small programs whose functions call each other: what passes over all functions make of them is not larger once it is
# tidied up, does the same, is accepted where bpf(2) is allowed, and is the same for any number of threads.
# Usage: calls.sh EPASS [PIPELINE]...
epass=$1
shift
all=merge-functions,inline,drop-unused,promote-slots,const-prop,dce,constant-args,dead-args
[ $# -gt 0 ] || set -- O2 "$all,O2" "$all,Os" inline inline,drop-unused promote-slots,const-prop,dce,constant-args,dead-args,dce
folder=$(cd "$(dirname "$0")/calls" && pwd)
clang=$(command -v clang-19 || command -v clang-14 || command -v clang) || { echo "skipped: no clang" && exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
status=0
[ "$(id -u)" = 0 ] || echo "skipped: what the kernel accepts: not root"
bad() { echo "$*" >&2; status=1; }
for source in "$folder"/*.bpf.c; do
  name=$(basename "$source" .bpf.c)
  "$clang" -O2 -g -target bpf -mcpu=v3 -c "$source" -o "$scratch/in.o" || { echo "skipped: $clang cannot compile for BPF" && exit 77; }
  for pipeline in "$@"; do
    # The sum counts: code moves from one function to the other.
    sizes=$("$epass" opt "$scratch/in.o" --passes "$pipeline" --verify-each -j 1 -o "$scratch/out.o" --json |
      sed 's/.*"insns_in":\([0-9]*\).*"insns_out":\([0-9]*\).*/\1 \2/' | awk '{ a += $1; b += $2 } END { print a, b }')
    [ -f "$scratch/out.o" ] || { bad "$name $pipeline: nothing was written"; continue; }
    case $pipeline in
      *O2 | *Os) [ "${sizes% *}" -ge "${sizes#* }" ] || bad "$name $pipeline: grew, $sizes" ;;
    esac
    "$epass" opt "$scratch/in.o" --passes "$pipeline" -j 7 -o "$scratch/again.o" -q
    cmp -s "$scratch/out.o" "$scratch/again.o" || bad "$name $pipeline: other bytes with other threads"
    "$epass" compare "$scratch/in.o" "$scratch/out.o" >"$scratch/said" 2>&1 || { bad "$name $pipeline: differs"; cat "$scratch/said"; }
    if [ "$(id -u)" = 0 ]; then
      "$epass" verify "$scratch/in.o" --allow-not-judged --json >"$scratch/before" 2>/dev/null
      "$epass" verify "$scratch/out.o" --allow-not-judged --json >"$scratch/after" 2>&1
      grep -q '"accepted":true' "$scratch/before" || echo "skipped: $name: the kernel accepts nothing of it, or nobody may ask"
      [ "$(grep -c '"accepted":true' "$scratch/before")" -le "$(grep -c '"accepted":true' "$scratch/after")" ] ||
        { bad "$name $pipeline: lost"; cat "$scratch/after"; }
    fi
    echo "$name $pipeline: $sizes"
    rm -f "$scratch/out.o"
  done
done
exit $status
