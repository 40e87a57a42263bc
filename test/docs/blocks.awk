# Writes the blocks of code that follow a line "`PATH`:" to OUT/PATH, and a block that is a line of passes.def to
# OUT/line.def.
/^`[^`]*`:$/ { path = $0; gsub(/[`:]/, "", path); next }
/^```/ {
  if (inside) { inside = 0; path = ""; close(file); next }
  inside = 1; file = ""
  next
}
inside {
  if (file == "") {
    if (path == "" && $0 !~ /^PASS\(/) { print FILENAME ":" FNR ": a block without a name" > "/dev/stderr"; exit 1 }
    file = OUT "/" (path == "" ? "line.def" : path)
    sub(/.*\//, "", file); file = OUT "/" file
    printf "" > file
  }
  print > file
}
