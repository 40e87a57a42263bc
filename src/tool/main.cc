#include <cstdio>

int main() {
  std::fputs("epass: no command yet\n", stderr);
  return 2;
}
