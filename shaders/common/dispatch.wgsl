// What every kernel's uniform block starts with: one chunk of items and how it is spread over invocations.
// Written by `gpu::stream::Words::of` in Rust; a test compares the two. A kernel's block is
//     struct Params { dispatch: Dispatch, <own words> }
//     @group(0) @binding(0) var<uniform> params: Params;
struct Dispatch {
    start_lo: u32,        // first item of the chunk, low word
    start_hi: u32,        // and high word
    count_lo: u32,        // items in the chunk, low word
    count_hi: u32,        // and high word
    per_invocation: u32,  // items that each invocation handles (the last one maybe fewer)
    zero: u32,            // always 0, which no optimiser can know
    invocations: u32,     // invocations that have work; the others must do nothing
    stride: u32,          // items between two columns of the output: the chunk's length in whole blocks
}

// The workgroup's number in a dispatch over x and y.
fn linear_group(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}

// a + b for a 64-bit a (low word first) and a 32-bit b.
fn add_64(a: vec2<u32>, b: u32) -> vec2<u32> {
    let low = a.x + b;
    return vec2<u32>(low, a.y + select(0u, 1u, low < b));
}

// a * b of two 32-bit numbers as 64 bits (low word first).
fn multiply_64(a: u32, b: u32) -> vec2<u32> {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let p00 = a0 * b0;
    let p01 = a0 * b1;
    let p10 = a1 * b0;
    let middle = (p00 >> 16u) + (p01 & 0xffffu) + (p10 & 0xffffu);
    let high = a1 * b1 + (p01 >> 16u) + (p10 >> 16u) + (middle >> 16u);
    return vec2<u32>(a * b, high);
}

// x, but the optimiser cannot see that: it keeps (a - b) and what follows as written. `zero` is Dispatch.zero.
fn opaque(x: f32, zero: u32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ zero);
}
