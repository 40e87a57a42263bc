#!/usr/bin/env bash
# agree.sh EPASS_AGREE CORPUS PASSES: all objects and dumps, or a loud skip.
[ -d "$2" ] || { echo "SKIPPED: no corpus at $2"; exit 77; }
mapfile -t files < <(find "$2/objects" "$2/rejected" "$2/falco" -name '*.o' -o -name 'prog*.txt' | sort)
exec "$1" --inputs "${EPASS_INPUTS-16}" --passes "$3" "${files[@]}"
