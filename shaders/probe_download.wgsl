// `hetero calibrate`: each workgroup writes the first word of its first item, so that nothing but the download takes time.
// Reads side by side with src/calibrate/probe.rs. common/dispatch.wgsl comes before this file.
//
// Bindings, in Rust order:
@group(0) @binding(0) var<uniform> dispatch: Dispatch;
@group(0) @binding(1) var<storage, read> none: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(64)
fn probe_download(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let item = linear_group(group, groups) * 64u * dispatch.per_invocation;
    if local == 0u && item < dispatch.count_lo && item * 16u < arrayLength(&output) {
        output[item * 16u] = dispatch.start_lo + item;
    }
}
