#pragma once
// What a program meets when it starts: its input, its maps, its data sections.

#include <map>
#include <string>
#include <vector>

#include "maps/map.h"
#include "object/object.h"
#include "vm/machine.h"

namespace epass::world {

struct Section {
  std::vector<uint8_t> bytes = {};
  bool writable = true;
};

// Keys and values have the map's sizes. Of prog arrays and maps of maps, `name` is the program or map in the
// slot, and the value is not used.
struct Entry {
  std::vector<uint8_t> key = {}, value = {};
  std::string name = {};
};

struct MapSetup {
  maps::Spec spec = {};
  std::vector<Entry> entries = {};
  maps::Spec inner = {};  // of maps of maps: what a new inner map is like; type 0 unknown
};

struct Setup {
  vm::Context context = vm::Context::kRaw;
  std::vector<uint8_t> packet = {};  // xdp and skb, from the link-layer header on
  // skb: programs behind the link layer (sockets, cgroups) get the packet without its Ethernet header.
  bool ethernet = true;
  std::vector<uint8_t> memory = {};  // raw: what r1 points to, r2 is its length; empty: a context of the seed
  uint64_t seed = 1;
  std::vector<MapSetup> maps = {};
  std::map<std::string, Section> sections = {};
  struct Place {
    std::string section = {};
    uint64_t offset = 0;
  };
  std::map<uint32_t, Place> data = {};  // where data symbols lie, by number of the symbol
};

// Maps, with what the object puts into them, and data sections. Context, packet and seed are the caller's.
Setup setup_of(const object::Object& object);
// The context that programs of this type get, and whether they see the Ethernet header.
vm::Context context_of(std::string_view program_type);
bool sees_ethernet(std::string_view program_type);

}  // namespace epass::world
