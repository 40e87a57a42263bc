// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Counts packets by IP protocol and drops what is too short for an Ethernet header.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct counter {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

static __attribute__((noinline)) int count(__u32 protocol, __u64 bytes)
{
	struct counter *c = bpf_map_lookup_elem(&counters, &protocol);
	if (!c) {
		struct counter first = { 1, bytes };
		return bpf_map_update_elem(&counters, &protocol, &first, BPF_ANY);
	}
	c->packets += 1;
	c->bytes += bytes;
	return 0;
}

SEC("xdp")
int packet_counter(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	__u64 length = end - data;

	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	if (eth->h_proto != bpf_htons(ETH_P_IP)) {
		count(256, length);
		return XDP_PASS;
	}
	struct iphdr *ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end)
		return XDP_DROP;
	count(ip->protocol, length);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
