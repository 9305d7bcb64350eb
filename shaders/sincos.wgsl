// Workload sincos: each invocation iterates t = sin t cos t for the columns of one block of a row and adds up what comes
// out; a workgroup is 64 blocks. Reads side by side with src/workloads/sincos/cpu.rs and `quarter_f32` of
// src/numeric/trig/polynomial.rs: WGSL's own sin and cos may be off by 2^-11. common/dispatch.wgsl comes before this file.

struct Params {
    dispatch: Dispatch,
    width: u32,      // columns of a block; those past a row's end are zeros, which add nothing
    sixteens: u32,   // iterations are done in sixteens, to spare loop iterations,
    singles: u32,    // and the rest one by one
    pad: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// First arguments without their multiples of pi/2, see src/workloads/sincos/gpu.rs: at most pi/4.
@group(0) @binding(1) var<storage, read> argument: array<f32>;
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;

// sin t cos t for |t| <= pi/4: sin t = t + t z S(z), cos t = 1 + z (-1/2 + z D(z)).
fn step(t: f32) -> f32 {
    let z = t * t;
    let s = fma(fma(fma(2.7181213e-6, z, -1.9839313e-4), z, 8.333329e-3), z, -1.6666667e-1);
    let d = fma(fma(2.443845e-5, z, -1.3887368e-3), z, 4.1666646e-2);
    return fma(t * z, s, t) * fma(z, fma(z, d, -0.5), 1.0);
}

fn four(t: f32) -> f32 {
    return step(step(step(step(t))));
}

@compute @workgroup_size(64)
fn sincos(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_group(group, groups) * 64u + local;
    let width = params.width;
    if i >= params.dispatch.invocations || i >= arrayLength(&sum) || (i + 1u) * width > arrayLength(&argument) {
        return;
    }
    var total = 0.0;
    for (var column = 0u; column < width; column++) {
        var t = argument[i * width + column];
        for (var k = 0u; k < params.sixteens; k++) {
            t = four(four(four(four(t))));
        }
        for (var k = 0u; k < params.singles; k++) {
            t = step(t);
        }
        total += t;
    }
    sum[i] = total;
}
