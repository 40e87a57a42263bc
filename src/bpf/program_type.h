#pragma once
#include <string>
#include <string_view>

namespace epass::bpf {

// The program type that a section's name stands for, as libbpf names it ("xdp", "sched_cls", "tracing"), or
// what a part of the name suggests for the names of old loaders; "" if it says nothing.
std::string program_type_of_section(std::string_view section);

}  // namespace epass::bpf
