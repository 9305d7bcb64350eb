// Workload sumsq, method loop: one workgroup adds up i * i over its consecutive numbers i and writes the 128-bit sum.
// Before this file come common/dispatch.wgsl and sumsq_sum.wgsl.

struct Params {
    dispatch: Dispatch,
    first_lo: u32,   // the number that is item 0, low word
    first_hi: u32,   // and high word
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> partials: array<vec4<u32>>;

@compute @workgroup_size(64)
fn sumsq(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let number = linear_group(group, groups);
    var first = add_64(vec2<u32>(params.first_lo, params.first_hi), params.dispatch.start_lo);
    first.y += params.dispatch.start_hi;
    var squares = Squares();
    for (var k = 0u; k < params.dispatch.per_invocation; k++) {
        let offset = item(number, local, k);
        if in_chunk(offset) {
            var i = add_64(first, offset.x);
            i.y += offset.y;
            squares = add_square(squares, i);
        }
    }
    let sum = sum_of_group(total(squares), local);
    if local == 0u && number < arrayLength(&partials) {
        partials[number] = sum;
    }
}
