// What a device reaches by itself. Reads side by side with src/gpu/reach.rs: same names, same order.
//
// Bindings, in Rust order; `real` is f32, or f64 in a module of its own:
struct Params {
    count: u32,   // vectors of each array that are used
    rounds: u32,  // times that the arithmetic goes around
    stride: u32,  // invocations of the dispatch
    zero: u32,    // always 0, which no optimiser can know
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> b: array<vec4<real>>;
@group(0) @binding(2) var<storage, read> c: array<vec4<real>>;
@group(0) @binding(3) var<storage, read_write> a: array<vec4<real>>;

fn number(group: vec3<u32>, local: u32) -> u32 {
    return group.x * 64u + local;
}

// a = b + 3 c, neighbouring invocations on neighbouring vectors.
@compute @workgroup_size(64)
fn triad(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let end = min(min(params.count, arrayLength(&a)), min(arrayLength(&b), arrayLength(&c)));
    for (var i = number(group, local); i < end; i += params.stride) {
        a[i] = b[i] + real(3.0) * c[i];
    }
}

// The sum of every vector of b that is this invocation's.
@compute @workgroup_size(64)
fn read_all(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let end = min(params.count, arrayLength(&b));
    let first = number(group, local);
    var sum = vec4<real>();
    for (var i = first; i < end; i += params.stride) {
        sum += b[i];
    }
    if first < arrayLength(&a) {
        a[first] = sum;
    }
}

// `rounds` times 16 multiply-adds of four numbers, eight chains side by side.
@compute @workgroup_size(64)
fn multiply_adds(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let first = number(group, local);
    let x = vec4<real>(real(f32(params.zero)) + real(0.5));
    let y = vec4<real>(real(f32(params.zero)) + real(1.0));
    var s0 = vec4<real>(real(f32(first & 7u)));
    var s1 = s0 + y;
    var s2 = s1 + y;
    var s3 = s2 + y;
    var s4 = s3 + y;
    var s5 = s4 + y;
    var s6 = s5 + y;
    var s7 = s6 + y;
    for (var round = 0u; round < params.rounds; round++) {
        s0 = fma(s0, x, y);
        s1 = fma(s1, x, y);
        s2 = fma(s2, x, y);
        s3 = fma(s3, x, y);
        s4 = fma(s4, x, y);
        s5 = fma(s5, x, y);
        s6 = fma(s6, x, y);
        s7 = fma(s7, x, y);
        s0 = fma(s0, x, y);
        s1 = fma(s1, x, y);
        s2 = fma(s2, x, y);
        s3 = fma(s3, x, y);
        s4 = fma(s4, x, y);
        s5 = fma(s5, x, y);
        s6 = fma(s6, x, y);
        s7 = fma(s7, x, y);
    }
    if first < arrayLength(&a) {
        a[first] = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7;
    }
}

// `rounds` times 16 sums and exclusive ors of four numbers, eight chains side by side.
@compute @workgroup_size(64)
fn integers(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let first = number(group, local);
    let x = vec4<u32>(0x9E3779B9u ^ params.zero);
    let y = vec4<u32>(0xBB67AE85u ^ params.zero);
    var s0 = vec4<u32>(first, first + 8u, first + 16u, first + 24u);
    var s1 = s0 + 1u;
    var s2 = s0 + 2u;
    var s3 = s0 + 3u;
    var s4 = s0 + 4u;
    var s5 = s0 + 5u;
    var s6 = s0 + 6u;
    var s7 = s0 + 7u;
    for (var round = 0u; round < params.rounds; round++) {
        s0 = (s0 + x) ^ y;
        s1 = (s1 + x) ^ y;
        s2 = (s2 + x) ^ y;
        s3 = (s3 + x) ^ y;
        s4 = (s4 + x) ^ y;
        s5 = (s5 + x) ^ y;
        s6 = (s6 + x) ^ y;
        s7 = (s7 + x) ^ y;
        s0 = (s0 + x) ^ y;
        s1 = (s1 + x) ^ y;
        s2 = (s2 + x) ^ y;
        s3 = (s3 + x) ^ y;
        s4 = (s4 + x) ^ y;
        s5 = (s5 + x) ^ y;
        s6 = (s6 + x) ^ y;
        s7 = (s7 + x) ^ y;
    }
    if first < arrayLength(&a) {
        let sum = ((s0 ^ s1) + (s2 ^ s3) + (s4 ^ s5) + (s6 ^ s7)) & vec4<u32>(0xffffu);
        a[first] = vec4<real>(vec4<f32>(sum));
    }
}
