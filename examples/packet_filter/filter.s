# A packet filter: r1 is the packet, r2 its length; the result is 1 to pass it, 0 to drop it. IPv4 only; UDP only to
# ports that helper 1000 calls open.
    r6 = r1
    r0 = 0
    if r2 < 34 goto end
    r3 = *(u16 *)(r6 + 12)
    r3 = be16 r3
    if r3 != 0x800 goto end
    r0 = 1
    r4 = *(u8 *)(r6 + 23)
    if r4 != 17 goto end
    r3 = *(u8 *)(r6 + 14)
    r3 &= 15
    r3 <<= 2
    r3 += 18
    r0 = 0
    if r3 > r2 goto end
    r3 += r6
    r1 = *(u16 *)(r3 - 2)
    r1 = be16 r1
    call 1000
end:
    exit
