// Philox4x32-10 of 64-bit products, for adapters that have them; gives what philox.wgsl gives.

// A counter, each word in the low half of a number. The high halves hold whatever the products left there: every use masks
// them, and nothing is ever packed or unpacked between the rounds.
struct Counter {
    x: u64,
    y: u64,
    z: u64,
    w: u64,
}

const LOW = 0xfffffffflu;

// One round on the counter c under the key k.
fn philox_round(c: Counter, k: vec2<u32>) -> Counter {
    let product_0 = 0xD2511F53lu * (c.x & LOW);
    let product_1 = 0xCD9E8D57lu * (c.z & LOW);
    return Counter((product_1 >> 32u) ^ c.y ^ u64(k.x), product_1, (product_0 >> 32u) ^ c.w ^ u64(k.y), product_0);
}

// The four words of a counter. No loop: it would count against the limit of an invocation.
fn philox4x32_10(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    let weyl = vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    var c = Counter(u64(counter.x), u64(counter.y), u64(counter.z), u64(counter.w));
    c = philox_round(c, key);
    c = philox_round(c, key + weyl);
    c = philox_round(c, key + 2u * weyl);
    c = philox_round(c, key + 3u * weyl);
    c = philox_round(c, key + 4u * weyl);
    c = philox_round(c, key + 5u * weyl);
    c = philox_round(c, key + 6u * weyl);
    c = philox_round(c, key + 7u * weyl);
    c = philox_round(c, key + 8u * weyl);
    c = philox_round(c, key + 9u * weyl);
    return vec4<u32>(u32(c.x & LOW), u32(c.y & LOW), u32(c.z & LOW), u32(c.w & LOW));
}
