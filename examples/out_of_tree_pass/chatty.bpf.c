// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Passes every packet, and talks about it.

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int chatty(struct xdp_md *ctx)
{
	bpf_printk("%u bytes on interface %u", ctx->data_end - ctx->data, ctx->ingress_ifindex);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
