// Workload sumsq, method data: one workgroup adds up the squares of its consecutive values and writes the 128-bit sum.
// Before this file come common/dispatch.wgsl and sumsq_sum.wgsl.

struct Params {
    dispatch: Dispatch,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> partials: array<vec4<u32>>;

@compute @workgroup_size(64)
fn sumsq_data(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let number = linear_group(group, groups);
    var squares = Squares();
    for (var k = 0u; k < params.dispatch.per_invocation; k++) {
        // A chunk's values fit a buffer, so their numbers fit 32 bits.
        let offset = item(number, local, k);
        if in_chunk(offset) && offset.x < arrayLength(&values) {
            squares = add_square(squares, values[offset.x]);
        }
    }
    let sum = sum_of_group(total(squares), local);
    if local == 0u && number < arrayLength(&partials) {
        partials[number] = sum;
    }
}
