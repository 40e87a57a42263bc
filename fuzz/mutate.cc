// Damaged copies of good objects: truncated, bits flipped, bytes spliced. Each must give a value or an error.
// Usage: mutate COUNT FILE... COUNT copies in all, over the files in turn; the seed is the copy's number.
// A crash names itself: the copy is announced in the file `mutate.last` before it is tried.

#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

#include "compile.h"
#include "object/object.h"

namespace {

using namespace epass;
using Copy = std::vector<uint8_t>;

Copy damaged(Copy bytes, std::mt19937_64& random) {
  switch (random() % 3) {
    case 0: bytes.resize(random() % bytes.size()); break;
    case 1:
      for (uint64_t n = 1 + random() % 8; n; --n)
        bytes[random() % bytes.size()] ^= uint8_t(1u << random() % 8);
      break;
    default: {
      size_t length = std::min<size_t>(bytes.size(), 1 + random() % 64);
      size_t from = random() % (bytes.size() - length + 1), to = random() % (bytes.size() - length + 1);
      std::memmove(bytes.data() + to, bytes.data() + from, length);
    }
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t count = 0, errors = 0, written = 0, refused = 0;
  if (argc > 2) std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), count);
  std::vector<std::pair<std::string, Copy>> files;
  for (int n = 2; n < argc; ++n) {
    std::ifstream in(argv[n], std::ios::binary);
    Copy bytes{std::istreambuf_iterator<char>(in), {}};
    if (!bytes.empty()) files.emplace_back(argv[n], std::move(bytes));
  }
  if (!count || files.empty()) {
    std::fprintf(stderr, "usage: mutate COUNT FILE...\n");
    return 2;
  }
  for (uint64_t seed = 0; seed < count; ++seed) {
    const auto& [name, good] = files[seed % files.size()];
    std::mt19937_64 random(seed);
    Copy copy = damaged(good, random);
    std::ofstream("mutate.last", std::ios::binary)
        .write(reinterpret_cast<const char*>(copy.data()), std::streamsize(copy.size()));
    auto object = object::Object::parse(std::move(copy), name);
    if (!object) {
      ++errors;
      if (object.error().message.empty()) fuzz::finding("an error without a message");
      continue;
    }
    object->write(fuzz::compile(object->program())) ? ++written : ++refused;
  }
  std::printf("%llu copies of %zu objects: %llu refused when read, %llu refused when written, %llu written\n",
              static_cast<unsigned long long>(count), files.size(), static_cast<unsigned long long>(errors),
              static_cast<unsigned long long>(refused), static_cast<unsigned long long>(written));
}
