// Runs a packet filter on a pcap file and prints a verdict for each packet.
//   packet_filter filter.s capture.pcap PORT...
// The filter is BPF assembly; helper 1000 tells it whether a port is open.

#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "bpf/assemble.h"
#include "object/dump.h"
#include "vm/machine.h"

namespace {

using Buffer = std::vector<uint8_t>;

bool read_file(const char* path, Buffer& out) {
  std::ifstream file(path, std::ios::binary);
  out.assign(std::istreambuf_iterator<char>(file), {});
  return file.is_open();
}

// The packets of a capture in the classic format: a header of 24 bytes, then records of 16 bytes and data.
bool read_packets(const Buffer& file, std::vector<Buffer>& out) {
  constexpr size_t kHeader = 24, kRecord = 16;
  if (file.size() < kHeader) return false;
  const bool little = file[0] == 0xd4 || file[0] == 0x4d;  // micro- or nanoseconds
  auto number = [&](size_t at) {
    uint32_t value = 0;
    for (size_t n = 0; n < 4; ++n) value |= uint32_t{file[at + n]} << 8 * (little ? n : 3 - n);
    return value;
  };
  if (number(0) != 0xa1b2c3d4 && number(0) != 0xa1b23c4d) return false;
  for (size_t at = kHeader; at < file.size();) {
    if (file.size() - at < kRecord) return false;
    const size_t size = number(at + 8);
    at += kRecord;
    if (file.size() - at < size) return false;
    out.emplace_back(file.begin() + static_cast<ptrdiff_t>(at),
                     file.begin() + static_cast<ptrdiff_t>(at + size));
    at += size;
  }
  return true;
}

int complain(const std::string& what) {
  std::fprintf(stderr, "packet_filter: %s\n", what.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace epass;
  if (argc < 3) return complain("usage: packet_filter filter.s capture.pcap PORT...");
  Buffer text, file;
  std::vector<Buffer> packets;
  if (!read_file(argv[1], text)) return complain(std::string("cannot read ") + argv[1]);
  if (!read_file(argv[2], file) || !read_packets(file, packets))
    return complain(std::string(argv[2]) + " is no pcap file");
  std::set<uint64_t> open;
  for (int n = 3; n < argc; ++n) open.insert(std::stoul(argv[n]));

  // Text to instructions, instructions to a program, and the program decoded once for all packets.
  auto assembly = bpf::assemble({reinterpret_cast<const char*>(text.data()), text.size()});
  if (!assembly) return complain(assembly.error().message);
  auto code = bpf::flat_code(*assembly);
  if (!code) return complain(code.error().message);
  auto program = object::split_flat(std::move(*code), argv[1]);
  if (!program) return complain(program.error().message);
  const vm::Executable executable(*program);

  vm::Machine machine(executable, {.budget = 100'000});
  machine.set_helper(1000, [&](vm::Machine&, uint16_t port) -> uint64_t { return open.contains(port); });

  int status = 0;
  for (size_t n = 0; n < packets.size(); ++n) {
    const uint64_t size = packets[n].size();
    // Read-only: a filter that writes is stopped.
    const uint64_t address = machine.memory().add("packet", vm::kPacketBase, std::move(packets[n]), false);
    const vm::Run run = machine.run(0, {address, size});
    machine.memory().remove(address);
    if (run.ok()) {
      std::printf("%zu: %llu bytes: %s\n", n + 1, static_cast<unsigned long long>(size),
                  run.r0 ? "pass" : "drop");
    } else {
      std::printf("%zu: stopped at instruction %u: %s\n", n + 1, run.fault.insn, run.fault.message.c_str());
      status = 1;
    }
  }
  return status;
}
