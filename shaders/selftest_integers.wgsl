// The integer part of the self-test, once for each form of the generator. Needs common/dispatch.wgsl and
// common/philox.wgsl (or philox_int64.wgsl) before it.
//
// Bindings, in Rust order:
@group(0) @binding(0) var<uniform> dispatch: Dispatch;
@group(0) @binding(1) var<storage, read> input: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

// Invocation i: Philox4x32-10 of counter input[6i..6i+4] and key input[6i+4..6i+6] -> output[4i..4i+4].
@compute @workgroup_size(64)
fn integers(@builtin(local_invocation_index) i: u32) {
    if 6u * i + 5u >= arrayLength(&input) || 4u * i + 3u >= arrayLength(&output) {
        return;
    }
    let counter = vec4<u32>(input[6u * i], input[6u * i + 1u], input[6u * i + 2u], input[6u * i + 3u]);
    let words = philox4x32_10(counter, vec2<u32>(input[6u * i + 4u], input[6u * i + 5u]));
    output[4u * i] = words.x;
    output[4u * i + 1u] = words.y;
    output[4u * i + 2u] = words.z;
    output[4u * i + 3u] = words.w;
}
