// Workload pi: one workgroup counts the hits among the samples of its 64 invocations and writes one u32.
// Reads side by side with src/workloads/pi/cpu.rs: same names, same order, same constants.
// common/dispatch.wgsl and common/philox.wgsl (or philox_int64.wgsl) come before this file.

struct Params {
    dispatch: Dispatch,
    seed_lo: u32,   // the generator's key, low word
    seed_hi: u32,   // and high word
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> partials: array<u32>;

// Which lattice: 0 for 16-bit coordinates (four samples a block), 1 for 32-bit ones (two). Also counter word 2.
override lattice: u32;

var<workgroup> group_hits: atomic<u32>;

// Philox4x32-10 of the counter [number low, number high, lattice, 0].
fn block(number: vec2<u32>) -> vec4<u32> {
    return philox4x32_10(vec4<u32>(number, lattice, 0u), vec2<u32>(params.seed_lo, params.seed_hi));
}

// Whether the cell (x, y) of the 16-bit lattice has its centre inside the circle: x (x + 1) + y (y + 1) < 2^32.
fn inside_16(word: u32) -> u32 {
    let x = word & 0xffffu;
    let y = word >> 16u;
    return select(0u, 1u, x * x + x <= ~(y * y + y));
}

// The same on the 32-bit lattice: x (x + 1) + y (y + 1) < 2^64.
fn inside_32(x: u32, y: u32) -> u32 {
    let a = add_64(multiply_64(x, x), x);
    let b = ~add_64(multiply_64(y, y), y);
    return select(0u, 1u, a.y < b.y || (a.y == b.y && a.x <= b.x));
}

// Hits among the first `n` samples of a block; n is at most what a block holds.
fn hits_of(words: vec4<u32>, n: u32) -> u32 {
    if lattice == 0u {
        return inside_16(words.x) * u32(n > 0u) + inside_16(words.y) * u32(n > 1u)
            + inside_16(words.z) * u32(n > 2u) + inside_16(words.w) * u32(n > 3u);
    }
    return inside_32(words.x, words.y) * u32(n > 0u) + inside_32(words.z, words.w) * u32(n > 1u);
}

@compute @workgroup_size(64)
fn pi(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let dispatch = params.dispatch;
    let number = linear_group(group, groups);
    let invocation = number * 64u + local;
    if invocation < dispatch.invocations {
        // This invocation's samples: `per_invocation` of them from `offset` on, fewer at the end of the chunk. Both the
        // chunk's start and `per_invocation` are whole blocks.
        let offset = multiply_64(invocation, dispatch.per_invocation);
        let left_lo = dispatch.count_lo - offset.x;
        let left_hi = dispatch.count_hi - offset.y - u32(dispatch.count_lo < offset.x);
        let n = select(min(dispatch.per_invocation, left_lo), dispatch.per_invocation, left_hi > 0u);
        var first = add_64(vec2<u32>(dispatch.start_lo, dispatch.start_hi), offset.x);
        first.y += offset.y;

        let shift = 2u - lattice;
        let per_block = 1u << shift;
        var at = vec2<u32>(first.x >> shift | first.y << (32u - shift), first.y >> shift);
        var hits = 0u;
        // Four blocks at a time: a software adapter pays for a turn of the loop about what it pays for a block.
        for (var i = 0u; i < n / (4u * per_block); i++) {
            hits += hits_of(block(at), per_block) + hits_of(block(add_64(at, 1u)), per_block)
                + hits_of(block(add_64(at, 2u)), per_block) + hits_of(block(add_64(at, 3u)), per_block);
            at = add_64(at, 4u);
        }
        for (var left = n % (4u * per_block); left > 0u;) {
            let some = min(left, per_block);
            hits += hits_of(block(at), some);
            at = add_64(at, 1u);
            left -= some;
        }
        atomicAdd(&group_hits, hits);
    }
    workgroupBarrier();
    if local == 0u && number < arrayLength(&partials) {
        partials[number] = atomicLoad(&group_hits);
    }
}
