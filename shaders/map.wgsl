// Workload map: one workgroup computes 64 elements. Before this file come common/dispatch.wgsl, common/elementary.wgsl, and,
// written by src/workloads/map/gpu.rs, the bindings and `expression`, which loads its variables.

struct Params {
    dispatch: Dispatch,
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn map(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_group(group, groups) * 64u + local;
    if i >= params.dispatch.invocations || i >= arrayLength(&results) {
        return;
    }
    results[i] = expression(i);
}
