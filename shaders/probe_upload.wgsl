// `hetero calibrate`: each workgroup writes the first word of its first item, so that nothing but the upload takes time.
// Reads side by side with src/calibrate/probe.rs. common/dispatch.wgsl comes before this file.
//
// Bindings, in Rust order:
@group(0) @binding(0) var<uniform> dispatch: Dispatch;
@group(0) @binding(1) var<storage, read> lines: array<u32>;
@group(0) @binding(2) var<storage, read_write> partials: array<u32>;

@compute @workgroup_size(64)
fn probe_upload(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let number = linear_group(group, groups);
    let at = number * 64u * dispatch.per_invocation * 16u;
    if local == 0u && number < arrayLength(&partials) && at < arrayLength(&lines) {
        partials[number] = lines[at];
    }
}
