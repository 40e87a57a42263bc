#!/usr/bin/env bash
# out_of_tree_pass.sh CMAKE SOURCE BUILD CMAKE-ARGUMENTS...: see CMakeLists.txt.
set -euo pipefail
cmake=$1 source=$2 build=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*"; exit 1; }

"$cmake" --install "$build" --prefix "$work/usr" > "$work/install.log" || { cat "$work/install.log"; fail "install"; }
[ -x "$work/usr/bin/epass" ] || fail "no program was installed"
grep -q '^.TH EPASS' "$work/usr/share/man/man1/epass.1" || fail "no manual page"
bash -n "$work/usr/share/bash-completion/completions/epass" || fail "no completion"
find "$work/usr" -path '*/tool/*' | grep . && fail "headers of the command line were installed"
grep -rlF -e "$source" -e "$build" "$work/usr" --include='*.cmake' && fail "the package names the source tree"

# A copy, so that nothing beside the example can be found by accident.
cp -r "$source/examples/out_of_tree_pass" "$work/example"
"$cmake" -S "$work/example" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/usr" "$@"
"$cmake" --build "$work/build"

cat > "$work/in.epir" <<'EPIR'
epir 1
function chatty xdp "xdp" entry {
b0(v0:r1):
  v1 = const 5
  v2 = call bpf_trace_printk#6(v1, 1)
  v3 = const 2
  return v3
}
EPIR
"$work/usr/bin/epass" lower "$work/in.epir" -o "$work/in.txt"
"$work/build/strip_printk" "$work/in.txt" "$work/out.txt" | tee "$work/said"
grep -q '^1 calls removed' "$work/said" || fail "the pass did not run"
"$work/usr/bin/epass" print "$work/in.txt" | grep -q trace_printk || fail "the input has no call"
"$work/usr/bin/epass" print "$work/out.txt" > "$work/listing"
grep -q trace_printk "$work/listing" && fail "the call is still there"

if ! command -v clang-19 >/dev/null; then
  echo "skipped: the object, as there is no clang-19"
  exit 0
fi
clang-19 -O2 -g -target bpf -I"/usr/include/$(uname -m)-linux-gnu" -c "$work/example/chatty.bpf.c" -o "$work/in.o"
"$work/build/strip_printk" "$work/in.o" "$work/out.o"
"$work/usr/bin/epass" print "$work/out.o" > "$work/listing"
grep -q 'exit' "$work/listing" || fail "the object cannot be printed"
grep -q trace_printk "$work/listing" && fail "the call is still in the object"
echo "the example builds and works against the installed package"
