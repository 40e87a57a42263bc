// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// As much of BPF as these programs need, so that nothing but clang is needed.
#pragma once
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;
#define SEC(name) __attribute__((section(name), used))
#define noinline __attribute__((noinline))
struct xdp_md {
  u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};
static void* (*map_lookup)(void* map, const void* key) = (void*)1;
static long (*map_update)(void* map, const void* key, const void* value, u64 flags) = (void*)2;
static u32 (*prandom)(void) = (void*)7;
static long (*tail_call)(void* ctx, void* map, u32 index) = (void*)12;
static long (*loop)(u32 n, void* body, void* data, u64 flags) = (void*)181;
#define MAP(name, map_type, key_type, value_type, entries) \
  struct {                                                 \
    int (*type)[map_type];                                 \
    key_type* key;                                         \
    value_type* value;                                     \
    int (*max_entries)[entries];                           \
  } name SEC(".maps")
char _license[] SEC("license") = "GPL";
