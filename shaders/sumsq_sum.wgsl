// Sums of squares in 32-bit parts, for sumsq.wgsl and sumsq_data.wgsl: reads side by side with src/workloads/sumsq/cpu.rs.
// common/dispatch.wgsl comes before this file. Numbers of several words have the low one first.

// Whether any number is 2^32 or above, as 0 or 1.
override wide: u32;

// What one invocation has added up: with x = 2^32 h + l, x^2 = l^2 + 2^33 l h + 2^64 h^2. Each part is a sum of at most 2^14
// products below 2^64.
struct Squares {
    ll: vec3<u32>,
    lh: vec3<u32>,
    hh: vec3<u32>,
}

// a + b for a 96-bit a and a 64-bit b.
fn add_96(a: vec3<u32>, b: vec2<u32>) -> vec3<u32> {
    let x = a.x + b.x;
    let part = a.y + b.y;
    let y = part + u32(x < b.x);
    return vec3<u32>(x, y, a.z + u32(part < b.y) + u32(y < part));
}

// a + b for 128-bit numbers; the sum fits.
fn add_128(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let low = add_96(vec3<u32>(a.xy, 0u), b.xy);
    let part = a.z + b.z;
    let z = part + low.z;
    return vec4<u32>(low.xy, z, a.w + b.w + u32(part < b.z) + u32(z < part));
}

fn add_square(squares: Squares, x: vec2<u32>) -> Squares {
    var sum = squares;
    sum.ll = add_96(sum.ll, multiply_64(x.x, x.x));
    if wide == 1u {
        sum.lh = add_96(sum.lh, multiply_64(x.x, x.y));
        sum.hh = add_96(sum.hh, multiply_64(x.y, x.y));
    }
    return sum;
}

fn total(sum: Squares) -> vec4<u32> {
    let lh = vec4<u32>(0u, sum.lh.x << 1u, sum.lh.y << 1u | sum.lh.x >> 31u, sum.lh.z << 1u | sum.lh.y >> 31u);
    let hh = vec4<u32>(0u, 0u, sum.hh.xy);
    return add_128(add_128(vec4<u32>(sum.ll, 0u), lh), hh);
}

var<workgroup> sums: array<vec4<u32>, 64>;

// The sum over the workgroup, for its invocation 0. All invocations call it.
fn sum_of_group(mine: vec4<u32>, local: u32) -> vec4<u32> {
    sums[local] = mine;
    for (var half = 32u; half > 0u; half >>= 1u) {
        workgroupBarrier();
        if local < half {
            sums[local] = add_128(sums[local], sums[local + half]);
        }
    }
    return sums[0];
}

// Item k of this invocation, counted from the chunk's first: the workgroup's items are consecutive, and each of its 64
// invocations takes every 64th, so that they read next to each other.
fn item(number: u32, local: u32, k: u32) -> vec2<u32> {
    return add_64(multiply_64(number, 64u * params.dispatch.per_invocation), 64u * k + local);
}

// Whether item `offset` is one of the chunk's.
fn in_chunk(offset: vec2<u32>) -> bool {
    let dispatch = params.dispatch;
    return offset.y < dispatch.count_hi || (offset.y == dispatch.count_hi && offset.x < dispatch.count_lo);
}
