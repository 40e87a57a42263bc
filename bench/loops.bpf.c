// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Loops of all kinds for bench/vm. Each program works on the packet and on its frame only, so that the kernel
// and the virtual machine run the same instructions on the same data.

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define SIZE 1024
#define ROLLED _Pragma("clang loop unroll(disable) vectorize(disable)")
#define PACKET(ctx)                                        \
	unsigned char *data = (void *)(long)(ctx)->data;   \
	if (data + SIZE > (unsigned char *)(long)(ctx)->data_end) \
	return 0

SEC("xdp") int checksum(struct xdp_md *ctx)
{
	PACKET(ctx);
	__u64 sum = 0;
	ROLLED for (int i = 0; i < SIZE / 2; i++) sum += ((__u16 *)data)[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~((sum & 0xffff) + (sum >> 16));
}

SEC("xdp") int hash(struct xdp_md *ctx)
{
	PACKET(ctx);
	__u64 h = 14695981039346656037ull;
	ROLLED for (int i = 0; i < SIZE; i++) h = (h ^ data[i]) * 1099511628211ull;
	return h ^ h >> 32;
}

SEC("xdp") int search(struct xdp_md *ctx)
{
	PACKET(ctx);
	int found = 0;
	ROLLED for (int i = 0; i < SIZE - 4; i++) {
		if (data[i] != 'e') continue;
		if (data[i + 1] == 'p' && data[i + 2] == 'a' && data[i + 3] == 's') found++;
	}
	return found;
}

SEC("xdp") int sort(struct xdp_md *ctx)
{
	PACKET(ctx);
	__u32 v[48];
	ROLLED for (int i = 0; i < 48; i++) v[i] = ((__u32 *)data)[i];
	ROLLED for (int i = 0; i < 47; i++)
		ROLLED for (int j = 0; j < 47; j++) {
			__u32 a = v[j], b = v[j + 1];
			if (a > b) {
				v[j] = b;
				v[j + 1] = a;
			}
		}
	return v[24];
}

SEC("xdp") int sieve(struct xdp_md *ctx)
{
	PACKET(ctx);
	unsigned char composite[400];
	int primes = 0;
	ROLLED for (int i = 0; i < 400; i++) composite[i] = 0;
	ROLLED for (int i = 2; i < 20; i++)
		ROLLED for (int j = i + i; j < 400; j += i) composite[j] = 1;
	ROLLED for (int i = 2; i < 400; i++) primes += !composite[i];
	return primes + data[0];
}

SEC("xdp") int matrix(struct xdp_md *ctx)
{
	PACKET(ctx);
	__u32 a[36], b[36], sum = 0;
	ROLLED for (int i = 0; i < 36; i++) {
		a[i] = data[i];
		b[i] = data[i + 36];
	}
	ROLLED for (int i = 0; i < 6; i++)
		ROLLED for (int j = 0; j < 6; j++) {
			__u32 cell = 0;
			ROLLED for (int k = 0; k < 6; k++) cell += a[i * 6 + k] * b[k * 6 + j];
			sum = sum * 31 + cell;
		}
	return sum;
}

SEC("xdp") int crc(struct xdp_md *ctx)
{
	PACKET(ctx);
	__u32 c = ~0u;
	ROLLED for (int i = 0; i < 256; i++) {
		c ^= data[i];
		ROLLED for (int k = 0; k < 8; k++) c = c >> 1 ^ (0xedb88320 & -(c & 1));
	}
	return ~c;
}

static __attribute__((always_inline)) unsigned char digit(__u32 v)
{
	v &= 63;
	if (v < 26) return 'A' + v;
	if (v < 52) return 'a' + v - 26;
	if (v < 62) return '0' + v - 52;
	return v == 62 ? '+' : '/';
}

SEC("xdp") int base64(struct xdp_md *ctx)
{
	PACKET(ctx);
	unsigned char out[400];
	__u32 sum = 0;
	ROLLED for (int i = 0; i < 96; i++) {
		__u32 v = data[3 * i] << 16 | data[3 * i + 1] << 8 | data[3 * i + 2];
		out[4 * i] = digit(v >> 18);
		out[4 * i + 1] = digit(v >> 12);
		out[4 * i + 2] = digit(v >> 6);
		out[4 * i + 3] = digit(v);
	}
	ROLLED for (int i = 0; i < 384; i++) sum = sum * 33 + out[i];
	return sum;
}

SEC("xdp") int prime(struct xdp_md *ctx)
{
	PACKET(ctx);
	int primes = 0;
	ROLLED for (__u32 n = 3; n < 300; n += 2) {
		int is_prime = 1;
		ROLLED for (__u32 d = 3; d < 18; d += 2)
			if (n != d && n % d == 0) is_prime = 0;
		primes += is_prime;
	}
	return primes + data[0];
}

SEC("xdp") int binary_search(struct xdp_md *ctx)
{
	PACKET(ctx);
	__u32 v[64], hits = 0;
	ROLLED for (int i = 0; i < 64; i++) v[i] = i * 37 + 5;
	ROLLED for (int i = 0; i < 256; i++) {
		__u32 want = data[i] * 9, low = 0;
		ROLLED for (__u32 step = 32; step; step >>= 1)
			if (v[(low + step) & 63] <= want) low += step;
		hits += low;
	}
	return hits;
}

SEC("xdp") int words(struct xdp_md *ctx)
{
	PACKET(ctx);
	int count = 0, inside = 0;
	ROLLED for (int i = 0; i < SIZE; i++) {
		int letter = data[i] > ' ' && data[i] != '.';
		count += letter & !inside;
		inside = letter;
	}
	return count;
}

char _license[] SEC("license") = "Dual BSD/GPL";
