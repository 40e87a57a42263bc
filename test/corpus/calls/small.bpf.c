// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A small function that is called several times.
#include "calls.h"

static noinline u32 fold(u32 sum) { return (sum & 0xffff) + (sum >> 16); }

SEC("xdp") int checksum(struct xdp_md* ctx) {
  u8 *data = (u8*)(u64)ctx->data, *end = (u8*)(u64)ctx->data_end;
  if (data + 20 > end) return 1;
  u32 sum = 0;
  for (int i = 0; i < 20; i += 2) sum += data[i] << 8 | data[i + 1];
  sum = fold(sum);
  sum = fold(sum);
  return fold(sum * 3) == 0xffff ? 2 : 1;
}
