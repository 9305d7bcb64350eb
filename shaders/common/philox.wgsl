// Philox4x32-10 of 32-bit words: `philox4x32_10` for adapters without 64-bit integers; philox_int64.wgsl has the other one.
// common/dispatch.wgsl comes before this file.

// One round on the counter c under the key k.
fn philox_round(c: vec4<u32>, k: vec2<u32>) -> vec4<u32> {
    let product_0 = multiply_64(0xD2511F53u, c.x);
    let product_1 = multiply_64(0xCD9E8D57u, c.z);
    return vec4<u32>(product_1.y ^ c.y ^ k.x, product_1.x, product_0.y ^ c.w ^ k.y, product_0.x);
}

// The four words of a counter. No loop: it would count against the limit of an invocation.
fn philox4x32_10(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    let weyl = vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    var c = counter;
    c = philox_round(c, key);
    c = philox_round(c, key + weyl);
    c = philox_round(c, key + 2u * weyl);
    c = philox_round(c, key + 3u * weyl);
    c = philox_round(c, key + 4u * weyl);
    c = philox_round(c, key + 5u * weyl);
    c = philox_round(c, key + 6u * weyl);
    c = philox_round(c, key + 7u * weyl);
    c = philox_round(c, key + 8u * weyl);
    return philox_round(c, key + 9u * weyl);
}
