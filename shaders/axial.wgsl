// Workload stress, model axial: one workgroup computes sigma[i] = E[i] ||u[i]|| / L[i] of 64 elements.
// Reads side by side with src/workloads/stress/axial/cpu.rs. Before this file come common/dispatch.wgsl, `alias real`,
// and axial_unit.wgsl or axial_lengths.wgsl with the bindings.

struct Params {
    dispatch: Dispatch,
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn axial(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_group(group, groups) * 64u + local;
    if i >= params.dispatch.invocations || i >= arrayLength(&sigma) || i >= arrayLength(&young)
        || 3u * i + 2u >= arrayLength(&displacement) {
        return;
    }
    let x = displacement[3u * i];
    let y = displacement[3u * i + 1u];
    let z = displacement[3u * i + 2u];
    sigma[i] = per_length(young[i] * sqrt(x * x + y * y + z * z), i);
}
